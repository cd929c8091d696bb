"""Writes the parts of the documentation that come from the code; `make docs` runs it."""

from __future__ import annotations

import ast
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from typer.testing import CliRunner

from donkeywatch import cli
from donkeywatch.counting.calendar import to_ms
from donkeywatch.publish import csv_tables
from donkeywatch.publish.engine_status import SourceStatus
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import Server
from donkeywatch.publish.metrics import catalogue
from donkeywatch.report import csv_columns
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store import migrations, schema

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def verbs() -> list[tuple[str, ...]]:
    """Every verb in the order of `--help`, those of groups one by one, behind no verb at all."""
    cli.load_commands([])
    groups = {group.name: group.typer_instance for group in cli.app.registered_groups}
    names: list[tuple[str, ...]] = [()]
    for verb in cli.SUMMARIES:
        inner = groups.get(verb)
        names += (
            [(verb, each.name or "") for each in inner.registered_commands] if inner else [(verb,)]
        )
    return names


def commands() -> str:
    """Help of every command, as the terminal shows it in 80 columns."""
    parts = []
    for verb in verbs():
        request = CliRunner().invoke(
            cli.app, [*verb, "--help"], env={"COLUMNS": "80"}, prog_name="donkeywatch"
        )
        text = "\n".join(line.rstrip() for line in request.output.strip().splitlines())
        name = " ".join(("donkeywatch", *verb))
        parts.append(f"## `{name}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


ASKED = {
    "/api/v1/hours": "?from=2026-09-28T19:00:00Z&limit=1",
    "/api/v1/weeks": "?limit=1",
    "/api/v1/profile": "?topic=pedophile&country=FR&country=ES",
    "/metrics": None,
    "/": None,
    "/api/v1/events": None,
}
"""Parameters of the examples; None where the answer is no JSON document."""
EVENTS = """event: update
data: {"data":2,"history":[1790535600000,0,"pedophile","pornographic"],"health":[]}

event: heartbeat
data:
"""


def api() -> str:
    """Every path with its parameters and a real answer, from a small simulation."""
    parts = []
    with tempfile.TemporaryDirectory() as directory, _answering(Path(directory)) as client:
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            result = methods["get"]
            rows = "".join(
                f"| `{request['name']}` | {request['schema'].get('default', 'none')} |"
                f" {request.get('description', '')} |\n"
                for request in result.get("parameters", [])
            )
            table = f"\n| parameter | default | meaning |\n|---|---|---|\n{rows}" if rows else ""
            parts.append(f"## `{path}`\n\n{result['description']}\n{table}{_example(client, path)}")
    return "\n".join(parts)


@contextmanager
def _answering(directory: Path) -> Iterator[httpx.Client]:
    """The application over eight simulated days."""
    start = datetime(2026, 9, 21, tzinfo=UTC)
    sim = Simulation(seed=5, start=start, hours=8 * 24, queries=6_000, addresses=2_000)
    archive = simulation_directory.prepare(sim, directory)
    settings = loader.load(directory / simulation_directory.SETTINGS, {})
    end = to_ms(start + timedelta(hours=sim.hours))
    engine = Engine(settings, end)
    try:
        backfill(engine, archive, None, lambda: end)
        log = SourceStatus("simulated", True, True, 0, 0, end - 1000, None)
        status = replace(engine.status(), sources=(log,), lexicon="9f3c2a0d5b61e774")
        status = replace(status, state_id="5d41402abc4b2a76")
    finally:
        engine.close()
    http = settings.http.model_copy(update={"port": 0})
    server = Server(create_app(lambda: settings, lambda: status), http)
    server.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            yield client
    finally:
        server.stop()


def _example(client: httpx.Client, path: str) -> str:
    if path == "/api/v1/events":
        return f"\n```text\n{EVENTS}```\n"
    query = ASKED.get(path, "")
    if query is None:
        return ""
    answer = client.get(path + query)
    answer.raise_for_status()
    text = json.dumps(_abridged(answer.json()), indent=1)
    # What fits is written in one line.
    text = re.sub(r"[\[{]\n[^\[\]{}]+[\]}]", lambda match: _joined(match[0]), text)
    return f"\n```text\nGET {path}{query}\n```\n\n```json\n{text}\n```\n"


def _joined(text: str) -> str:
    line = " ".join(part.strip() for part in text.splitlines())
    return line if len(line) < 90 else text


def _abridged(value: Any) -> Any:
    """Two elements of each list, and six digits of each number."""
    if isinstance(value, dict):
        return {name: _abridged(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_abridged(inner) for inner in value[:2]] + ["..."] * (len(value) > 2)
    return float(f"{value:.6g}") if isinstance(value, float) else value


CSV_TABLES = {
    "`/api/v1/fractions`, `/api/v1/hours`, `/api/v1/weeks`: a row per window and topic": (
        csv_tables.WINDOW_COLUMNS
        | {
            f"{csv_tables.CATEGORY_COLUMN}...": "one column for each category, of the lexicon or"
            " with counts, in the order of the alphabet: flagged queries in it; empty where the"
            " topic has no such category, and for rolling windows"
        }
    ),
    "`/api/v1/profile`: a row per hour of the day": csv_tables.PROFILE_COLUMNS,
    "`/api/v1/countries`: a row per country and topic": csv_tables.COUNTRY_COLUMNS,
}
"""Columns by table."""


def api_columns() -> str:
    """Every column of the tables that the API gives as CSV."""
    return "\n".join(csv_columns.markdown_table(*table) for table in CSV_TABLES.items())


def speed() -> str:
    """What README says of the last `make bench`: medians of the whole job, with start-up."""
    document = json.loads((ROOT / "docs" / "performance.json").read_text("utf-8"))
    wall = {
        (row["name"], row["lines"]): median(run["wall"] for run in row["runs"])
        for row in document["outcomes"]
    }
    most = max(lines for _, lines in wall)
    times = wall["mtail", 10**6] / wall["donkeywatch", 10**6]
    return (
        f"{most // 10**6} million lines are counted, durably and exactly, in"
        f" {wall['donkeywatch', most]:.2f} s on two shared cores; ClickHouse\nlocal takes"
        f" {wall['ClickHouse local', most]:.2f} s for a part of it, and mtail {times:.0f} times as"
        " long as we do for a million:\n[docs/performance.md](docs/performance.md).\n"
    )


PACKAGES = (
    "settings", "counting", "sources", "ingest", "estimation", "store", "publish", "fleet",
    "evaluation", "runtime", "report", "simulation", "cli",
)  # fmt: skip
"""In the order of the data."""


def modules() -> str:
    """A table for each package: its modules, and what the first line of each says."""
    parts = []
    root = ROOT / "src" / "donkeywatch"
    for package in PACKAGES:
        parts.append(f"## `{package}/`\n\n{_first_line(root / package / '__init__.py')}\n")
        rows = [
            f"| `{path.relative_to(root)}` | {_first_line(path)} |"
            for path in sorted((root / package).rglob("*.py"))
            if path.name != "__init__.py"
        ]
        parts.append("\n".join(["| module | what is in it |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


SECTIONS = {
    "modules": modules,
    "speed": speed,
    "commands": commands,
    "api": api,
    "csv": api_columns,
    "settings": loader.settings_markdown,
    "metrics": catalogue.metrics_markdown,
    "tables": schema.schema_markdown,
    "columns": csv_columns.columns_markdown,
}


def rendered(text: str) -> str:
    """A document with its generated blocks made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{SECTIONS[match[2]]()}{match[3]}", text)


def documents() -> list[Path]:
    """All documents that have a generated block."""
    items = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in items if BLOCK.search(path.read_text("utf-8"))]


if __name__ == "__main__":
    schema.SCHEMA_SQL.write_text(migrations.script(), encoding="utf-8")
    for path in documents():
        path.write_text(rendered(path.read_text("utf-8")), encoding="utf-8")
