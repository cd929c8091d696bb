"""What an operator does when something may be wrong: verify, recover, reset."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Annotated

import typer

from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption, app, out
from donkeywatch.counting.calendar import iso_utc
from donkeywatch.errors import SourceError, StateError, printable
from donkeywatch.ingest import lexicon as lexicons
from donkeywatch.runtime import recovery
from donkeywatch.runtime.clock_jumps import wall_ms
from donkeywatch.runtime.recovery import UncountedRange
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.follower import Follower
from donkeywatch.store import backups, schema
from donkeywatch.store.audit import audit
from donkeywatch.store.database import DATABASE, connect
from donkeywatch.store.overdue_destruction import findings


@app.command()
def verify(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the database, every hour and week in it, the backups, and the positions in the logs.

    Changes nothing, and may be used while the daemon runs.
    """
    settings = loader.load(config_path)
    failed = 0
    for name, problem in _checks(settings):
        out.print(f"{name}: {problem or 'ok'}", highlight=False, markup=False, soft_wrap=True)
        failed += problem is not None
    for finding in findings(settings.state, wall_ms()):
        out.print(f"note: {finding}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        raise StateError(
            f"{failed} of the checks failed",
            "keep a copy of the state directory; `donkeywatch recover` goes back to a backup",
        )


def _checks(settings: Settings) -> Iterator[tuple[str, str | None]]:
    path = settings.state / DATABASE
    if not path.exists():
        raise StateError(f"there is no database {path}", "start `donkeywatch run` first")
    topics = [
        topic.id for topic in lexicons.load(settings.lexicon, allow_expired=True).public_topics()
    ]
    try:
        db = connect(path, read_only=True)
        try:
            db.execute("begin")
            if set(schema.MIGRATIONS) - set(schema.applied_migrations(db) or ()):
                raise StateError(
                    f"the database {path} was written by an older donkeywatch",
                    "start this one on it once, which brings it up to date, then verify again",
                )
            yield from audit(db, topics)
            for follower in recovery.followers(settings, db):
                yield f"positions in the log of {follower.log.name}", _lost_ranges(follower)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        yield "the database can be read", f"no ({error})"
    for copy in backups.list_backups(settings.state / backups.DIRECTORY):
        yield f"backup {copy.name}", backups.find_damage(copy)


def _lost_ranges(follower: Follower) -> str | None:
    """Tell what a reset cannot reach: what is counted is in the files, and what is not is there."""
    try:
        gone = [span for span in recovery.uncounted_ranges(follower) if span.path is None]
    except SourceError as error:
        return error.problem
    return "; ".join(_describe(span) for span in gone) or None


@app.command()
def recover(
    config_path: ConfigOption = DEFAULT_CONFIG,
    force: Annotated[
        bool, typer.Option("--force", help="even if the database is not damaged")
    ] = False,
) -> None:
    """Go on from the newest good backup after the database was damaged.

    The damaged database is kept in `quarantine` beside it. Tells which bytes of which files the
    next start will read again; what is in no file any more is lost, and named too.
    """
    settings = loader.load(config_path)
    done = recovery.recover(settings, wall_ms(), force=force)
    out.print(f"restored {done.backup.name}, made {iso_utc(done.created_at)}", highlight=False)
    out.print(
        f"the damaged database is in {printable(done.quarantine)}", highlight=False, soft_wrap=True
    )
    for span in done.spans:
        out.print(
            f"{span.source}: {_describe(span)}", highlight=False, markup=False, soft_wrap=True
        )
    if not done.spans:
        out.print("nothing has to be read again", highlight=False)
    out.print("next: start donkeywatch, then `donkeywatch verify`", highlight=False)


def _describe(span: UncountedRange) -> str:
    if span.path is None:
        return f"what followed byte {span.start:,} of a file that is gone is lost"
    end = "its end" if span.end is None else f"{span.end:,}"
    return f"{printable(span.path.name)}, from byte {span.start:,} to {end}, will be read again"


@app.command()
def reset(
    config_path: ConfigOption = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Begin anew: remove the database, its backups and all keys. Every count is lost."""
    settings = loader.load(config_path)
    if not yes:
        typer.confirm(
            f"Remove every count in {settings.state} and all keys? This cannot be undone.",
            abort=True,
        )
    for path in recovery.reset(settings):
        out.print(f"removed {printable(path)}", highlight=False, soft_wrap=True)
