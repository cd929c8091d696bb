"""Writes united windows into the tables that a server has, so that all that reads these goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.union import Union
from donkeywatch.store import window_tables

ANY = "any"
"""The one category of a topic: servers ship no others."""


def write(db: sqlite3.Connection, kind: str, union: Union) -> None:
    """Put a window in the place of what was known of it, closed; the caller's transaction.

    Of one that no server is in, it is only said why.
    """
    window = union.window
    _remove(db, kind, window.start)
    _write_members(db, kind, union)
    if kind not in window_tables.CALENDAR_LENGTHS:
        for table in ("windows", "window_topics", "fleet_windows"):
            db.execute(f"delete from {table} where kind = ? and start <> ?", (kind, window.start))  # noqa: S608 - our own names
    if union.servers:
        _write_figures(db, kind, union)


def _write_figures(db: sqlite3.Connection, kind: str, union: Union) -> None:
    window, figures = union.window, union.figures
    db.execute(
        "insert into windows (kind, start, until, utc, queries, late, covered_seconds, closed)"
        " values (?, ?, ?, ?, ?, 0, ?, 0)",
        (
            *(kind, window.start, window.end, iso_utc(window.start), figures.queries),
            union.covered_seconds,
        ),
    )
    window_tables.close(db, kind, window.start, figures, union.topics)
    if kind in window_tables.CALENDAR_LENGTHS:
        # Servers do not ship which other topics flagged a query.
        db.execute(
            "update window_topics set exclusive_queries = null where kind = ? and start = ?",
            (kind, window.start),
        )
        db.executemany(
            "insert into window_categories values (?, ?, ?, ?, ?)",
            [
                (kind, window.start, topic, ANY, part.queries)
                for topic, part in zip(union.topics, figures.topics, strict=True)
            ],
        )


def _write_members(db: sqlite3.Connection, kind: str, union: Union) -> None:
    window = union.window
    outside = {
        server: {"reasons": sorted(each.reasons), "hours": each.hours, "queries": each.queries}
        for server, each in sorted(union.outside.items())
    }
    db.execute(
        "insert or replace into fleet_windows values (?, ?, ?, ?, ?, ?)",
        (
            *(kind, window.start, json.dumps(union.servers), json.dumps(outside)),
            *(union.queries_outside, union.shared_addresses),
        ),
    )


def write_open(
    db: sqlite3.Connection, kind: str, start: int, end: int, queries: int, covered: float
) -> None:
    """Put a window that is not over yet in place: its queries so far; addresses come later."""
    _remove(db, kind, start)
    db.execute(
        "insert into windows (kind, start, until, utc, queries, late, covered_seconds, closed)"
        " values (?, ?, ?, ?, ?, 0, ?, 0)",
        (kind, start, end, iso_utc(start), queries, covered),
    )


def counts_of(record: ServerHour) -> dict[str, int]:
    """Give the queries of an hour of a server, under an empty name, and the flagged by topic."""
    return {"": record.queries, **dict(zip(record.topics, record.flagged, strict=True))}


def raise_counters(db: sqlite3.Connection, record: ServerHour, before: Mapping[str, int]) -> None:
    """Add what an hour of a server has more than ``before``, its `counts_of` when it was counted
    last; no counter ever falls."""
    amounts = {
        ("flagged", name, ANY) if name else ("lines", record.server, "query"): count
        - before.get(name, 0)
        for name, count in counts_of(record).items()
    }
    db.executemany(
        "insert into counters values (?, ?, ?, ?)"
        " on conflict do update set value = value + excluded.value",
        [(*key, value) for key, value in amounts.items() if value > 0],
    )


def _remove(db: sqlite3.Connection, kind: str, start: int) -> None:
    for table in window_tables.TABLES:
        db.execute(f"delete from {table} where kind = ? and start = ?", (kind, start))  # noqa: S608 - our own names
