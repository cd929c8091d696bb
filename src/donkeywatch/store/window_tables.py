"""The windows' tables: what is added to them, what closes them, what is shown of them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

from donkeywatch.counting.calendar import HOUR, WEEK, floor_to, iso_utc
from donkeywatch.counting.checkpoint_batch import Batch
from donkeywatch.counting.window_aggregates import TOP_ADDRESSES, WindowAggregate
from donkeywatch.store import covered_times

TABLES = (
    "windows",
    "window_topics",
    "window_categories",
    "window_countries",
    "window_country_topics",
)
CALENDAR_LENGTHS = {"hour": HOUR, "week": WEEK}
"""Calendar windows by kind, ms."""


def add(db: sqlite3.Connection, batch: Batch, covered: Mapping[int, float]) -> None:
    """Add what is new to the open hours and weeks; a closed one that gets more opens again."""
    for hour in sorted({*batch.hours, *covered}):
        counts = batch.hours.get(hour)
        for kind, unit in CALENDAR_LENGTHS.items():
            start = floor_to(hour, unit)
            db.execute(
                "insert into windows (kind, start, until, utc, queries, late,"
                " covered_seconds, closed) values (?, ?, ?, ?, ?, ?, ?, 0)"
                " on conflict do update set queries = queries + excluded.queries,"
                " late = late + excluded.late, closed = closed and excluded.queries = 0,"
                " covered_seconds = min(covered_seconds + excluded.covered_seconds, ?)",
                (
                    kind,
                    start,
                    start + unit,
                    iso_utc(start),
                    counts.queries if counts else 0,
                    counts.late if counts else 0,
                    covered.get(hour, 0.0),
                    unit / 1000,
                ),
            )
            if counts:
                db.executemany(
                    "insert into window_categories values (?, ?, ?, ?, ?)"
                    " on conflict do update set queries = queries + excluded.queries",
                    [(kind, start, *key, n) for key, n in counts.categories.items()],
                )
                db.executemany(
                    "insert into window_topics (kind, start, topic, exclusive_queries) values"
                    " (?, ?, ?, ?)"
                    " on conflict do update set exclusive_queries = exclusive_queries +"
                    " excluded.exclusive_queries",
                    [(kind, start, *pair) for pair in counts.exclusive.items()],
                )


def take_back(db: sqlite3.Connection, start: int) -> tuple[int, int, dict[tuple[str, str], int]]:
    """Remove the hours from ``start`` (ms UTC) on, as if nothing in them had been counted.

    Returns their queries, the late ones of them, and the flagged ones by topic and category.
    """
    queries = late = 0
    flagged: Counter[tuple[str, str]] = Counter()
    hours = db.execute(
        "select start, queries, late, covered_seconds from windows"
        " where kind = 'hour' and start >= ?",
        (start,),
    ).fetchall()
    for hour, counted, after, covered in hours:
        week = floor_to(hour, WEEK)
        queries, late = queries + counted, late + after
        db.execute(
            "update windows set queries = queries - ?, late = late - ?, covered_seconds ="
            " max(0, covered_seconds - ?), closed = 0 where kind = 'week' and start = ?",
            (counted, after, covered, week),
        )
        for topic, category, n in db.execute(
            "select topic, category, queries from window_categories"
            " where kind = 'hour' and start = ?",
            (hour,),
        ).fetchall():
            flagged[topic, category] += n
            db.execute(
                "update window_categories set queries = queries - ?"
                " where kind = 'week' and start = ? and topic = ? and category = ?",
                (n, week, topic, category),
            )
        db.execute(
            "update window_topics set exclusive_queries = exclusive_queries - coalesce((select"
            " h.exclusive_queries from window_topics h"
            " where h.kind = 'hour' and h.start = ? and h.topic = window_topics.topic), 0)"
            " where kind = 'week' and start = ?",
            (hour, week),
        )
    for kind in CALENDAR_LENGTHS:
        for table in TABLES:
            db.execute(f"delete from {table} where kind = ? and start >= ?", (kind, start))  # noqa: S608 - our own names
    return queries, late, flagged


def close(
    db: sqlite3.Connection, kind: str, start: int, figures: WindowAggregate, topics: Sequence[str]
) -> bool:
    """Write the figures of a window that is over; false if they contradict what was counted."""
    counted = db.execute(
        "select queries from windows where kind = ? and start = ?", (kind, start)
    ).fetchone()[0]
    db.execute(
        "update windows set queries = ?, addresses = ?, sum_qq = ?, closed = 1"
        " where kind = ? and start = ?",
        (figures.queries, figures.addresses, figures.sum_qq, kind, start),
    )
    # Rolling windows are not told of the single addresses in them, nor counted query by query.
    calendar = kind in CALENDAR_LENGTHS
    db.executemany(
        "insert into window_topics values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " on conflict do update set queries = excluded.queries,"
        " addresses_1 = excluded.addresses_1, addresses_2 = excluded.addresses_2,"
        " addresses_3 = excluded.addresses_3, sum_qk = excluded.sum_qk,"
        " sum_kk = excluded.sum_kk, top_1 = excluded.top_1, top_10 = excluded.top_10",
        [
            (
                *(kind, start, name, topic.queries, *topic.addresses, topic.sum_qk, topic.sum_kk),
                *((0, topic.of_top(1), topic.of_top(TOP_ADDRESSES)) if calendar else (None,) * 3),
            )
            for name, topic in zip(topics, figures.topics, strict=True)
        ],
    )
    # One that was closed before may have named a country that the database no longer does.
    for table in ("window_countries", "window_country_topics"):
        db.execute(f"delete from {table} where kind = ? and start = ?", (kind, start))  # noqa: S608 - our own names
    for country, counts in figures.countries.items():
        db.execute(
            "insert into window_countries values (?, ?, ?, ?, ?)",
            (kind, start, country, counts.queries, counts.addresses),
        )
        db.executemany(
            "insert into window_country_topics values (?, ?, ?, ?, ?, ?)",
            [
                (kind, start, country, name, *pair)
                for name, pair in zip(topics, counts.topics, strict=True)
            ],
        )
    agree = not calendar or counted == figures.queries
    return agree and figures.invariants_hold()


def replace_rolling(
    db: sqlite3.Connection,
    rolling: Mapping[str, tuple[int, int, WindowAggregate]],
    topics: Sequence[str],
) -> None:
    """Replace the rolling windows by newer ones."""
    for kind, (start, end, figures) in rolling.items():
        for table in ("windows", "window_topics"):
            db.execute(f"delete from {table} where kind = ?", (kind,))  # noqa: S608 - our own names
        covered = covered_times.seconds_between(db, start, end)
        db.execute(
            "insert into windows values (?, ?, ?, ?, 0, 0, 0, 0, ?, 1)",
            (kind, start, end, iso_utc(start), covered),
        )
        close(db, kind, start, figures, topics)
    covered_times.forget(db, min((start for start, _, _ in rolling.values()), default=0))


def prune(db: sqlite3.Connection, kind: str, before: int) -> bool:
    """Forget the closed windows of a kind that end by a time; true if there were any."""
    for table in TABLES[1:]:
        db.execute(
            f"delete from {table} where kind = ? and start in"  # noqa: S608 - our own names
            " (select start from windows where kind = ? and until <= ? and closed = 1)",
            (kind, kind, before),
        )
    gone = db.execute(
        "delete from windows where kind = ? and until <= ? and closed = 1", (kind, before)
    )
    return gone.rowcount > 0
