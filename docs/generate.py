"""Writes the parts of the documentation that come from the code; `make docs` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from donkeywatch import cli, config
from donkeywatch.publish import metrics
from donkeywatch.publish.app import create_app
from donkeywatch.status import Status
from donkeywatch.store import schema

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


VERBS = (
    (),
    ("run",),
    ("backfill",),
    ("status",),
    ("check",),
    ("verify",),
    ("recover",),
    ("reset",),
    ("lexicon", "check"),
    ("evaluate",),
    ("simulate",),
    ("demo",),
)


def commands() -> str:
    """Help of every command, as the terminal shows it in 80 columns."""
    parts = []
    for verb in VERBS:
        asked = CliRunner().invoke(
            cli.app, [*verb, "--help"], env={"COLUMNS": "80"}, prog_name="donkeywatch"
        )
        text = "\n".join(line.rstrip() for line in asked.output.strip().splitlines())
        name = " ".join(("donkeywatch", *verb))
        parts.append(f"## `{name}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def api() -> str:
    """Every path with its parameters, from the OpenAPI description."""
    source = config.Source(path=Path("search.log"), format="tsv")
    settings = config.Settings(lexicon=Path("lexicon.toml"), source=(source,))
    described = create_app(settings, Status).openapi()
    parts = []
    for path, methods in described["paths"].items():
        found = methods["get"]
        rows = "".join(
            f"| `{asked['name']}` | {asked['schema'].get('default', 'none')} |"
            f" {asked.get('description', '')} |\n"
            for asked in found.get("parameters", [])
        )
        table = f"\n| parameter | default | meaning |\n|---|---|---|\n{rows}" if rows else ""
        parts.append(f"## `{path}`\n\n{found['description']}\n{table}")
    return "\n".join(parts)


SECTIONS = {
    "commands": commands,
    "api": api,
    "settings": config.document,
    "metrics": metrics.document,
    "tables": schema.document,
}


def rendered(text: str) -> str:
    """A document with its generated blocks made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{SECTIONS[found[2]]()}{found[3]}", text)


def documents() -> list[Path]:
    """All documents that have a generated block."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in found if BLOCK.search(path.read_text("utf-8"))]


if __name__ == "__main__":
    for path in documents():
        path.write_text(rendered(path.read_text("utf-8")), encoding="utf-8")
