"""The rows of the other tools; the forms of one tool share a name."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from comparison.contender import Contender, Site, table
from comparison.figures import COLUMNS, Figures
from comparison.peers import awk, mtail
from comparison.peers.clickhouse import SIEVES
from comparison.peers.duck import FORMS as DUCK
from comparison.peers.polar import FORMS as POLAR
from comparison.peers.words import load

ALWAYS = "weeks, countries, pseudonyms, rejects, following, a durable commit"
BYTES = f"{ALWAYS}; accents, letters of other scripts in capitals"
SLOW = 1_000_000
"""Lines above which mtail and awk would take too long."""


def rows() -> list[Contender]:
    """All of them."""
    return [
        *_libraries("ClickHouse local", "chdb", "clickhouse", SIEVES),
        *_libraries("DuckDB", "duckdb", "duck", DUCK),
        *_libraries("Polars", "polars", "polar", POLAR),
        *(_awk(tool, form) for tool in ("mawk", "gawk") for form in awk.FORMS),
        *(_mtail(form) for form in mtail.FORMS),
    ]


def _libraries(name: str, package: str, module: str, forms: Iterable[str]) -> list[Contender]:
    return [
        Contender(
            name=name,
            form=form,
            prepare=partial(_python, module=module, form=form),
            read=_rows_of_json,
            leaves_out=ALWAYS,
            missing=partial(_no_package, package),
        )
        for form in forms
    ]


def _python(site: Site, module: str, form: str) -> list[str]:
    log, words = site.input.log("tsv"), site.input.lexicon
    program = [sys.executable, "-m", f"comparison.peers.{module}", form]
    return [*program, str(log), str(words), str(_json(site)), "--threads", str(site.threads)]


def _json(site: Site) -> Path:
    return site.place / "figures.json"


def _rows_of_json(site: Site) -> Figures:
    rows: list[list[Any]] = json.loads(_json(site).read_text(encoding="utf-8"))
    return table([[str(cell) for cell in row] for row in rows])


def _no_package(package: str) -> str | None:
    return None if find_spec(package) else f"{package} is not installed (dependency group bench)"


def no_program(program: str) -> str | None:
    """Why a program cannot run."""
    return None if shutil.which(program) else f"{program} is not installed"


def _awk(tool: str, form: str) -> Contender:
    return Contender(
        name=tool,
        form=form,
        prepare=partial(_awk_program, tool=tool, form=form),
        read=lambda site: table([line.split("\t") for line in site.out.read_text().splitlines()]),
        leaves_out=BYTES,
        limit=SLOW,
        missing=partial(no_program, tool),
    )


def _awk_program(site: Site, tool: str, form: str) -> list[str]:
    program = site.place / "count.awk"
    program.write_text(awk.program(load(site.input.lexicon), form), encoding="utf-8")
    return ["env", "LC_ALL=C", tool, "-f", str(program), str(site.input.log("tsv"))]


def _mtail(form: str) -> Contender:
    return Contender(
        name="mtail",
        form=form,
        prepare=partial(_mtail_program, form=form),
        read=_rows_of_mtail,
        leaves_out=f"distinct addresses; {ALWAYS}; accents, compatibility letters",
        limit=SLOW,
        missing=partial(no_program, "mtail"),
    )


def _mtail_program(site: Site, form: str) -> list[str]:
    programs = site.place / "programs"
    programs.mkdir()
    program = mtail.program(load(site.input.lexicon), form)
    (programs / "count.mtail").write_text(program, encoding="utf-8")
    logs = ["-progs", str(programs), "-log_dir", str(programs)]
    logs += ["-logs", str(site.input.log("tsv"))]
    return ["mtail", *mtail.OPTIONS, *logs]


def _rows_of_mtail(site: Site) -> Figures:
    document: dict[str, Any] = json.loads(site.out.read_text(encoding="utf-8"))
    result: Figures = {}
    for name, metrics in document.items():
        for value in metrics[0]["LabelValues"]:
            counts = result.setdefault(value["Labels"][0], dict.fromkeys(COLUMNS))
            counts[name] = int(value["Value"]["Value"])
    for counts in result.values():
        for name in document:
            counts[name] = counts[name] or 0
    return result


def versions() -> dict[str, str]:
    """Of the libraries that are installed."""
    return {name: version(name) for name in ("chdb", "duckdb", "polars") if find_spec(name)}
