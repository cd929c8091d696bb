"""The verb `files`: copies units, alerts, dashboards and docs out of the package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli import shipped_files
from donkeywatch.cli.application import app, out
from donkeywatch.errors import UsageError


@app.command("files")
def files_command(
    directory: Annotated[Path, typer.Option("--out", help="where to copy them to")],
) -> None:
    """Copy units, alerts, dashboards and docs out of the package."""
    root = shipped_files.root()
    try:
        for part in shipped_files.PARTS:
            _copy(root / part, directory / part)
    except OSError as error:
        raise UsageError(
            f"{directory}: cannot be written ({error.strerror})", "name a directory of yours"
        ) from None
    parts = dict.fromkeys(part.partition("/")[0] for part in shipped_files.PARTS)
    out.print(f"{directory}: {', '.join(parts)}", highlight=False, markup=False)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copy(source, target)
