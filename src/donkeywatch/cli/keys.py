"""The verbs `keys status`, `keys destroy` and `keys rotate`, for weekly keys without a daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from donkeywatch.cli.application import keys_app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.errors import UsageError
from donkeywatch.runtime import offline_key_destruction
from donkeywatch.runtime.clocks import monotonic_ms, wall_ms
from donkeywatch.runtime.key_status import describe_keys
from donkeywatch.settings import loader

YesOption = Annotated[bool, typer.Option("--yes", help="do it; it cannot be undone")]


@keys_app.command("status")
def keys_status(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Tell of each week whether its key is there, when it goes, and whether rows are left of it."""
    settings = loader.load(config_path)
    lines = describe_keys(settings.state, settings.key_directory, wall_ms())
    for line in lines:
        _print(line)
    if not lines:
        _print("no key was made yet")


@keys_app.command("destroy")
def keys_destroy(
    config_path: ConfigOption = DEFAULT_CONFIG,
    due: Annotated[bool, typer.Option("--due", help="those that nothing needs any more")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="every key: an emergency; needs --yes")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Destroy keys, and what was made with them, without a daemon.

    --due: those whose time is over, which the daemon destroys by itself: while it runs this is
    refused. Lines of these weeks that a log still holds and that are not counted are `too_late`
    afterwards.

    --all: every key, every row of an address, and the backups. Counts stay, those of this hour and
    week as they are. What comes this week is not counted any more: nobody could tell it from what
    was.
    """
    if due == everything:
        raise UsageError(
            "it is not said which keys to destroy",
            "add --due or --all; to destroy every count as well, `donkeywatch reset`",
        )
    settings = loader.load(config_path)
    if everything:
        _require_yes(yes=yes, what="every key and every row of an address")
        weeks = offline_key_destruction.destroy_all(settings, wall_ms())
    else:
        weeks = offline_key_destruction.destroy_due(settings, wall_ms(), monotonic_ms())
    for week in weeks:
        _print(f"destroyed the key of {week}")
    if not weeks:
        none_due = "no key is due; `donkeywatch keys status` tells when each goes"
        _print(none_due if due else "there is no key")


@keys_app.command("rotate")
def keys_rotate(config_path: ConfigOption = DEFAULT_CONFIG, yes: YesOption = False) -> None:
    """Destroy the keys of the weeks that are being counted: the next start makes others.

    For keys that somebody may have seen. Counts and rows stay, and nobody can test an address
    against those rows any more. A break marks it, since an address of before counts as another.
    """
    _require_yes(yes=yes, what="the keys of the weeks that are being counted")
    weeks = offline_key_destruction.rotate_keys(loader.load(config_path), wall_ms())
    for week in weeks:
        _print(f"destroyed the key of {week}; the next start makes another")
    if not weeks:
        _print("there is no key")


def _require_yes(*, yes: bool, what: str) -> None:
    if not yes:
        raise UsageError(f"this destroys {what}, and cannot be undone", "repeat it with --yes")


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
