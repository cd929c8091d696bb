"""The verb `verify`: checks a state directory against itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from donkeywatch.cli.application import app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.errors import SourceError, StateError
from donkeywatch.ingest import lexicon_file
from donkeywatch.runtime import backup_recovery
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader, state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.sources.follower import Follower
from donkeywatch.store import backups, schema
from donkeywatch.store.consistency import audit
from donkeywatch.store.database_opening import connect, without_tables_error
from donkeywatch.store.key_findings import findings


@app.command()
def verify(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the database, its backups, and the positions in the logs.

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
    lexicon = lexicon_file.load_configured(settings, allow_expired=True)
    topics = [series.id for series in lexicon_file.configured_series(settings, lexicon)]
    try:
        db = connect(path, read_only=True)
        try:
            db.execute("begin")
            steps = schema.applied_migrations(db)
            if not steps:
                raise without_tables_error(path)
            if set(schema.MIGRATIONS) - set(steps):
                raise StateError(
                    f"the database {path} was written by an older donkeywatch",
                    "start this one on it once, which brings it up to date, then verify again",
                )
            yield from audit(db, topics)
            for follower in backup_recovery.followers(settings, db):
                yield f"positions in the log of {follower.log.name}", _lost_ranges(follower)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        yield "the database can be read", f"no ({error})"
    for copy in backups.list_backups(settings.state / state_files.BACKUPS):
        yield f"backup {copy.name}", backups.find_damage(copy)


def _lost_ranges(follower: Follower) -> str | None:
    """Tell which lines that were to be counted stand in no file any more; None without any."""
    try:
        gone = [span for span in backup_recovery.uncounted_ranges(follower) if span.path is None]
    except SourceError as error:
        return error.problem
    return "; ".join(span.describe() for span in gone) or None
