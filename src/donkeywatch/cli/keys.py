"""What a timer does while the daemon does not run: keys destroy."""

from __future__ import annotations

from typing import Annotated

import typer

from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption, keys_app, out
from donkeywatch.errors import UsageError
from donkeywatch.runtime import due_key_destruction
from donkeywatch.runtime.clock_jumps import monotonic_ms, wall_ms
from donkeywatch.settings import loader


@keys_app.command("destroy")
def destroy(
    config_path: ConfigOption = DEFAULT_CONFIG,
    due: Annotated[
        bool, typer.Option("--due", help="those that nothing needs any more; the only choice")
    ] = False,
) -> None:
    """Destroy the keys whose time is over, and what was made with them, without a daemon.

    The daemon does so by itself: while it runs this is refused. Lines of these weeks that a log
    still holds and that are not counted are `too_late` afterwards.
    """
    if not due:
        raise UsageError(
            "nothing is said about which keys to destroy",
            "add --due; to destroy all of them and every count, `donkeywatch reset`",
        )
    weeks = due_key_destruction.destroy_due(loader.load(config_path), wall_ms(), monotonic_ms())
    for week in weeks:
        out.print(f"destroyed the key of {week}", highlight=False)
    if not weeks:
        out.print("no key is due", highlight=False)
