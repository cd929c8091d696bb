"""Notices for the operator: keys that are overdue or lost, rows that cannot be deleted yet."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from donkeywatch.counting.calendar import week_name
from donkeywatch.counting.key_lifetime import is_outlived
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store.database_opening import connect

LOG_BLOCKED = "log_blocked"
"""Setting that says that another program keeps destroyed rows in the write-ahead log."""


def findings(state: Path, now: int) -> list[str]:
    """Give what an operator should know of the database of a state; ``now`` is ms UTC."""
    with contextlib.suppress(sqlite3.DatabaseError):
        db = connect(state / DATABASE, read_only=True)
        with contextlib.closing(db):
            return [*_overdue(db, now), *_blocked(db), *_lost(db)]
    return []


def _overdue(db: sqlite3.Connection, now: int) -> list[str]:
    weeks = db.execute("select week from weekly_keys where destroyed = 0 order by week").fetchall()
    names = ", ".join(week_name(week) for (week,) in weeks if is_outlived(week, now))
    remedy = "the next start of the daemon destroys them, or `donkeywatch keys destroy --due`"
    return [f"keys that are overdue: {names}; {remedy}"] if names else []


def _blocked(db: sqlite3.Connection) -> list[str]:
    blocked = db.execute("select 1 from settings where name = ?", (LOG_BLOCKED,)).fetchone()
    remedy = "end the program that has the database open and reads"
    notice = f"rows whose key is destroyed are still in the write-ahead log: {remedy}"
    return [notice] if blocked else []


def _lost(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("select digest from breaks where kind = 'keys' order by id").fetchall()
    names = ", ".join(weeks for (weeks,) in rows)
    notice = f"keys that were lost: {names}; addresses of these weeks may count twice"
    return [notice] if rows else []
