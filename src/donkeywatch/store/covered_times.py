"""For which spans each log was followed: what rolling windows cover, to the millisecond.

An hour's row says for how long of it a log was followed, and not when: too little for a window
that begins or ends within the hour. Spans are kept for as long as a rolling window may need them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.coverage import CoveredTime


def add(db: sqlite3.Connection, covered: Iterable[CoveredTime]) -> None:
    """Add spans; what of one is there already, of the same source, is not counted twice."""
    for span in covered:
        start, end = span.start, span.end
        touching = db.execute(
            "select start, until, share from covered_times"
            " where source = ? and start <= ? and until >= ?",
            (span.source, span.end, span.start),
        ).fetchall()
        db.executemany(
            "delete from covered_times where source = ? and start = ?",
            [(span.source, first) for first, _, _ in touching],
        )
        for first, last, share in touching:
            if share == span.share:
                start, end = min(start, first), max(end, last)
                continue
            rest = ((first, span.start), (span.end, last))  # Of another number of sources.
            _insert(db, [CoveredTime(a, b, span.source, share) for a, b in rest if a < b])
        _insert(db, [span._replace(start=start, end=end)])


def _insert(db: sqlite3.Connection, spans: Iterable[CoveredTime]) -> None:
    db.executemany(
        "insert into covered_times (source, start, until, share) values (?, ?, ?, ?)",
        [(span.source, span.start, span.end, span.share) for span in spans],
    )


def seconds_between(db: sqlite3.Connection, start: int, end: int) -> float:
    """Give the seconds of [start, end) ms UTC for which the logs were followed, on average."""
    (covered,) = db.execute(
        "select coalesce(sum((min(until, ?) - max(start, ?)) * share), 0) from covered_times"
        " where until > ? and start < ?",
        (end, start, start, end),
    ).fetchone()
    return min(float(covered), end - start) / SECOND


def take_back(db: sqlite3.Connection, start: int) -> None:
    """Remove what is covered from ``start`` (ms UTC) on."""
    db.execute("delete from covered_times where start >= ?", (start,))
    db.execute("update covered_times set until = ? where until > ?", (start, start))


def forget(db: sqlite3.Connection, before: int) -> None:
    """Forget spans that end by a time, ms UTC: no rolling window begins before it any more."""
    db.execute("delete from covered_times where until <= ?", (before,))
