"""The state of the weekly keys: which live, until when, and what is left of the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from donkeywatch.counting.calendar import WEEK, iso_utc, week_name
from donkeywatch.counting.key_lifetime import end_of_life, is_outlived
from donkeywatch.errors import StateError
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import database_opening
from donkeywatch.store.key_findings import findings

SHOWN_DESTROYED = 8
"""Destroyed weeks that are listed, the newest."""


def describe_keys(state: Path, directory: Path, now: int) -> list[str]:
    """Give a line for each week that has or had a key, oldest first; ``now`` is ms UTC.

    Reads only, also while a daemon runs. StateError where there is no database.
    """
    path = state / DATABASE
    if not path.exists():
        raise StateError(f"there is no database {path}", "start `donkeywatch run` first")
    try:
        with closing(database_opening.connect(path, read_only=True)) as db:
            lines = list(_weeks(db, directory, now))
    except sqlite3.OperationalError as error:
        raise database_opening.unavailable_error(path, error) from None
    return [*lines, *findings(state, now)]


def _weeks(db: sqlite3.Connection, directory: Path, now: int) -> Iterator[str]:
    rows = db.execute("select week, destroyed from weekly_keys order by week").fetchall()
    gone = [week for week, destroyed in rows if destroyed][:-SHOWN_DESTROYED]
    if gone:
        yield f"{week_name(gone[0])} to {week_name(gone[-1])}: {len(gone)} keys, destroyed"
    for week, destroyed in rows:
        if week not in gone:
            yield f"{week_name(week)}: {_state(db, directory, week, now, destroyed=destroyed)}"


def _state(db: sqlite3.Connection, directory: Path, week: int, now: int, *, destroyed: int) -> str:
    count = "select count(*) from segments where hour >= ? and hour < ?"
    hours = int(db.execute(count, (week, week + WEEK)).fetchone()[0])
    if destroyed:
        return f"destroyed, but rows of {hours} segments are left" if hours else "destroyed"
    if not (directory / f"{week_name(week)}.key").exists():
        return "lost: the next start goes on under another one"
    if is_outlived(week, now):
        return "overdue"
    return f"in use, destroyed after {iso_utc(end_of_life(week))}"
