# Two commands: `make run` looks at donkeywatch, `make test` proves it. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?=
PORT ?= 9461
PYTEST ?=
MINUTES ?= 10
SECONDS_OF_TORTURE ?= 600
LINES ?= 5e6
RUNS ?= 5
BENCH ?=
CHANGED ?=
NAMES ?=
SEED ?=

.PHONY: help run test system-packages test-lowest test-million bench bench-daemon bench-week bench-report bench-page oracle profile web soak fleet-demo fleet-torture fleet-scale bench-detection conformance conformance-peers mutants lint docs lock deb clean

help:
	@echo 'make run                 a simulated server, followed live: http://127.0.0.1:9461/'
	@echo 'make run PORT=9999       the same on another port'
	@echo 'make run CONFIG=my.toml  a real log'
	@echo 'make test                everything: types, style, tests; coverage where CI is set'
	@echo 'make system-packages     what some tests need of Debian (root): browser, Prometheus, strace ...'
	@echo 'make test-lowest         the core of the suite with the oldest versions that are allowed'
	@echo 'make test-million        the exactness tests on a million lines, four formats, three seeds'
	@echo 'make bench-daemon        latency, idle CPU and memory of the running daemon'
	@echo 'make bench-week          a week of 15 million addresses: memory, restart, closing it'
	@echo 'make bench-report        three simulated years, counted and reported: is what was planted found?'
	@echo 'make bench               as fast as ClickHouse? docs/performance.md; LINES="1e6 20e6", RUNS=7'
	@echo 'make profile             where the time of a line goes, stage by stage'
	@echo 'make bench-page          three years of hours: how fast are /metrics and the page?'
	@echo 'make bench-detection     200,000 disguised queries in 12 scripts: what does each profile find?'
	@echo 'make oracle              what a searcher could learn of the word list from what is shown'
	@echo 'make web                 take the chart library of the page from npm anew'
	@echo 'make conformance         what happens to logs: 122 scenarios, real processes'
	@echo 'make conformance-peers   donkeywatch beside mtail, rsyslog and pygtail: docs/reliability.md'
	@echo 'make mutants             does a test notice when a mechanism of a promise is taken away? NAMES=p04'
	@echo 'make soak                ten minutes of kills, rotations and full disks; MINUTES=2, SEED=1'
	@echo 'make fleet-demo          three simulated servers and their union, on ClickHouse'
	@echo 'make fleet-torture       ten minutes of kills and cuts on it: still the truth?'
	@echo 'make fleet-scale         20 servers, a week, a million addresses each: what it costs'
	@echo 'make lint                types and style alone'
	@echo 'make docs                write the generated parts of docs/ and README.md anew'
	@echo 'make deb                 a Debian package in dist/, for the machine and the python3 of this one'
	@echo 'make lock                the newest dependencies for package and image: deploy/requirements.lock'

.venv/run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("donkeywatch needs Python 3.11 or newer: set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast]'
	@touch $@

.venv/test: .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev $(if $(CI),--group bench) --editable '.[study]'
	@touch $@

run: .venv/run
ifeq ($(CONFIG),)
	$(BIN)/donkeywatch demo --port $(PORT)
else
	$(BIN)/donkeywatch run --config $(CONFIG)
endif

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The conformance runs even if something before it fails: one run tells all. CI measures coverage, too,
# which costs a third of the time of what it traces.
test: lint
	$(if $(CI),$(BIN)/coverage erase)
	$(BIN)/python -m pytest -n 5 --dist worksteal $(if $(CI),--cov --cov-report=) --ignore=tests/conformance \
	  $(PYTEST) $(if $(CI),&& $(BIN)/coverage report); first=$$?; $(MAKE) conformance && exit $$first

# What some tests need of the system, as root; without it they skip by hand and fail under CI.
SYSTEM_PACKAGES = make chromium prometheus strace systemd logrotate faketime acl openssl mtail rsyslog \
  mawk gawk nginx caddy zstd debootstrap dpkg-dev python3-venv clickhouse-server
system-packages:
	@missing=; for name in $(SYSTEM_PACKAGES); do dpkg -s $$name >/dev/null 2>&1 || missing="$$missing $$name"; done; \
	  command -v npm >/dev/null || missing="$$missing npm"; test -z "$$missing" || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }

.venv-lowest/test: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=.venv-lowest .venv-lowest/bin/uv pip install --quiet --resolution lowest-direct --editable '.[fast,study,fleet]'
	VIRTUAL_ENV=.venv-lowest .venv-lowest/bin/uv pip install --quiet pytest hypothesis httpx pytest-randomly pytest-timeout \
	  pytest-xdist pyyaml
	@touch $@

test-lowest: .venv-lowest/test
	.venv-lowest/bin/python -m pytest -q -n 5 --hypothesis-profile=few \
	  tests/ingest tests/counting tests/estimation tests/sources tests/store tests/simulation \
	  tests/evaluation tests/report tests/settings tests/runtime/test_backup_recovery.py \
	  tests/publish/http/test_app.py tests/publish/metrics
	.venv-lowest/bin/python -m pytest -q tests/fleet/test_union.py -k shards

test-million: .venv/test
	DONKEYWATCH_QUERIES=1000000 DONKEYWATCH_SEEDS=3 $(BIN)/python -m pytest tests/test_exact.py $(PYTEST)

bench-daemon: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m daemon

bench-week: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m week

bench-report: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m years_report

# donkeywatch has an environment to itself: what its rivals bring along would slow its start.
.venv-bench/done: pyproject.toml
	for name in own peers; do $(PYTHON) -m venv .venv-bench/$$name && \
	  .venv-bench/$$name/bin/python -m pip install --quiet --disable-pip-version-check \
	  --upgrade 'pip>=25.1' && .venv-bench/$$name/bin/python -m pip install --quiet \
	  --disable-pip-version-check --editable '.[fast]' || exit 1; done
	.venv-bench/peers/bin/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

# An installation has its bytecode; a working tree may not.
bench: .venv-bench/done
	.venv-bench/own/bin/python -m compileall -q src
	PYTHONPATH=benchmarks DONKEYWATCH_PYTHON=.venv-bench/own/bin/python \
	  .venv-bench/peers/bin/python -m comparison --lines $(LINES) --runs $(RUNS) \
	  --json docs/performance.json --markdown docs/performance.md $(BENCH)

profile: .venv-bench/done
	PYTHONPATH=benchmarks .venv-bench/own/bin/python -m comparison.stages $(PROFILE)

bench-page: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m page

bench-detection: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m detection --write

oracle: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m oracle

web:
	cd tools/web && npm ci --ignore-scripts && npm run vendor

conformance: .venv/test
	$(BIN)/python -m pytest -n 5 --dist worksteal tests/conformance $(PYTEST)

conformance-peers: .venv/test
	PYTHONPATH=tests $(BIN)/python -m conformance.report

# CHANGED=main: only of modules that differ from that revision.
mutants: .venv/test
	PYTHONPATH=tests $(BIN)/python -m mutants $(if $(CHANGED),--changed $(CHANGED)) $(NAMES)

soak: .venv/test
	PYTHONPATH=benchmarks $(BIN)/python -m soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fleet-demo: .venv/test
	PYTHONPATH=benchmarks:tests $(BIN)/python -m fleet_trial demo --stay

fleet-torture: .venv/test
	PYTHONPATH=benchmarks:tests $(BIN)/python -m fleet_trial torture --seconds $(SECONDS_OF_TORTURE)

fleet-scale: .venv/test
	PYTHONPATH=benchmarks:tests $(BIN)/python -m fleet_trial scale

docs: .venv/test
	$(BIN)/python docs/generate.py

# What package and image are made of. For each Python from 3.11 on, with the hash of every file.
COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
  --generate-hashes --custom-compile-command 'make lock'

lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(COMPILE) --extra fleet --output-file deploy/requirements.lock pyproject.toml
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(COMPILE) --output-file deploy/build-requirements.lock -

deb:
	deploy/debian/build.sh dist

clean:
	rm -rf .venv .venv-lowest .venv-bench .venv-lock demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
