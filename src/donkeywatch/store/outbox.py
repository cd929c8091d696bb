"""Closed hours that a fleet has not got yet; written in the transaction that closes the hour."""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple


class OutboxEntry(NamedTuple):
    """A closed hour (start, ms UTC) and the version of it that is to be shipped."""

    hour: int
    version: int


def add_where(db: sqlite3.Connection, hour: int, *, wanted: bool) -> None:
    """Note that an hour was closed, where there is a fleet that wants it.

    Its version rises with every closing. It is a time, so that it also rises where the database
    was lost or a backup was restored, and what was shipped since is forgotten here.
    """
    if not wanted:
        return
    now = time.time_ns() // 1_000_000
    db.execute(
        "insert into fleet_outbox values (?1, ?2, 0)"
        " on conflict do update set version = max(version + 1, ?2)",
        (hour, now),
    )


def pending(db: sqlite3.Connection) -> list[OutboxEntry]:
    """List the closed hours that are not shipped as they are now, oldest first.

    An hour that is open again is not among them: closing it will make another version.
    """
    rows = db.execute(
        "select hour, version from fleet_outbox where shipped < version and exists (select 1 from"
        " windows where kind = 'hour' and start = hour and closed = 1) order by hour"
    )
    return [OutboxEntry(*row) for row in rows]


def mark_shipped(db: sqlite3.Connection, entry: OutboxEntry) -> None:
    """Note that a version of an hour has arrived."""
    db.execute(
        "update fleet_outbox set shipped = max(shipped, ?2) where hour = ?1",
        (entry.hour, entry.version),
    )


def forget_before(db: sqlite3.Connection, week: int) -> None:
    """Forget the hours before ``week`` (ms UTC), whose rows are destroyed."""
    db.execute("delete from fleet_outbox where hour < ?", (week,))
