"""The verb `recover`: goes on from a backup after damage."""

from __future__ import annotations

from typing import Annotated

import typer

from donkeywatch.cli.application import app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import iso_utc
from donkeywatch.errors import printable
from donkeywatch.runtime import backup_recovery
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader


@app.command()
def recover(
    config_path: ConfigOption = DEFAULT_CONFIG,
    force: Annotated[
        bool, typer.Option("--force", help="even if the database is not damaged")
    ] = False,
) -> None:
    """Go on from the newest good backup of a damaged database.

    The damaged database is kept in `quarantine` beside it. Tells which bytes of which files the
    next start will read again; what is in no file any more is lost, and named too.
    """
    settings = loader.load(config_path)
    done = backup_recovery.recover(settings, wall_ms(), force=force)
    out.print(f"restored {done.backup.name}, made {iso_utc(done.created_at)}", highlight=False)
    out.print(
        f"the damaged database is in {printable(done.quarantine)}", highlight=False, soft_wrap=True
    )
    for span in done.spans:
        out.print(
            f"{span.source}: {span.describe()}", highlight=False, markup=False, soft_wrap=True
        )
    if done.missing_keys:
        out.print(
            f"not in {printable(settings.key_directory)}: {', '.join(done.missing_keys)}. Put the"
            " keys back before the next start if you have them; else it goes on under others,"
            " a break says so, and the logs are found again by their places",
            highlight=False,
            soft_wrap=True,
        )
    elif not done.spans:
        out.print("nothing has to be read again", highlight=False)
    out.print("next: start donkeywatch, then `donkeywatch verify`", highlight=False)
