"""The verb `reset`: starts empty, without what was counted."""

from __future__ import annotations

from typing import Annotated

import typer

from donkeywatch.cli.application import app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.errors import printable
from donkeywatch.runtime import backup_recovery
from donkeywatch.settings import loader


@app.command()
def reset(
    config_path: ConfigOption = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Start empty: remove the database, its backups and all keys.

    Every count is lost.
    """
    settings = loader.load(config_path)
    if not yes:
        typer.confirm(
            f"Remove every count in {settings.state} and all keys? This cannot be undone.",
            abort=True,
        )
    for path in backup_recovery.reset(settings):
        out.print(f"removed {printable(path)}", highlight=False, soft_wrap=True)
