# Two commands: `make run` looks at donkeywatch, `make test` proves it. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?=
PYTEST ?=

.PHONY: help run test million bars lint docs clean

help:
	@echo 'make run                 a simulated server, followed live: http://127.0.0.1:9461/'
	@echo 'make run CONFIG=my.toml  a real log'
	@echo 'make test                everything: types, style, tests, coverage'
	@echo 'make million             the exactness tests on a million lines, four formats, three seeds'
	@echo 'make bars                latency, idle CPU and memory of the running daemon'
	@echo 'make lint                types and style alone'
	@echo 'make docs                write the generated parts of docs/ and README.md anew'

.venv/run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("donkeywatch needs Python 3.11 or newer: set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[lab]'
	@touch $@

.venv/test: .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

run: .venv/run
ifeq ($(CONFIG),)
	$(BIN)/donkeywatch demo
else
	$(BIN)/donkeywatch run --config $(CONFIG)
endif

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --cov --cov-report= $(PYTEST)
	$(BIN)/coverage report

million: .venv/test
	DONKEYWATCH_QUERIES=1000000 DONKEYWATCH_SEEDS=3 $(BIN)/python -m pytest tests/test_exact.py $(PYTEST)

bars: .venv/test
	$(BIN)/python benchmarks/live.py

docs: .venv/test
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
