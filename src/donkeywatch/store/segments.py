"""Counted rows as BLOBs of the narrowest width that holds them, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

import numpy as np

from donkeywatch.counting.calendar import HOUR, WEEK
from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.tick_counts import (
    TICK_MS,
    TICKS_PER_MINUTE,
    Rows,
    Ticks,
    merge,
    ticks_between,
)
from donkeywatch.counting.window_aggregates import CountColumn

WIDTHS = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"))
PSEUDONYM = np.dtype("<u8")
TICK = np.dtype("<u2")
PARTITION_BITS = 4
PARTITIONS = 1 << PARTITION_BITS
"""A long segment is cut by the first bits of its pseudonyms, so that a week of millions of
addresses can be counted a sixteenth at a time."""
SPLIT_ABOVE_ROWS = 1 << 14
"""Rows above which a segment is cut."""
SMALL_SEGMENT_ROWS, MERGE_AT_SEGMENTS = 1 << 12, 64
"""So many segments of an hour, of so few rows each, are joined to one."""
MAX_SEGMENTS_UNMERGED = 4
"""Segments that a part of an hour may have when it is closed; more are joined."""
DELETE_BATCH_ROWS = 1 << 20
"""Rows that are destroyed at a time."""


def encode_counts(column: CountColumn) -> bytes:
    """Counts in the narrowest of 1, 2 or 4 bytes an item that holds the largest one."""
    largest = int(column.max()) if column.size else 0
    width = next(width for width in WIDTHS if largest < 256**width.itemsize)
    return column.astype(width).tobytes()


def decode_counts(blob: bytes, items: int) -> CountColumn:
    """The counts of a BLOB with ``items`` items."""
    width = next(width for width in WIDTHS if width.itemsize * items == len(blob))
    return np.frombuffer(blob, width).astype(width.newbyteorder("="), copy=False)


def insert(connection: sqlite3.Connection, rows: Rows, topics: Sequence[str]) -> None:
    """Store the rows of one hour, which are sorted: as one segment, or cut into parts."""
    if len(rows) <= SPLIT_ABOVE_ROWS:
        _insert(connection, rows, None, topics)
        return
    cuts = [0, *np.searchsorted(rows.pseudonym, _bounds()).tolist(), len(rows)]
    for part, (low, high) in enumerate(pairwise(cuts)):
        if low < high:
            _insert(connection, rows.row_slice(low, high), part, topics)


def _bounds() -> np.ndarray:
    """The lowest pseudonym of every part but the first."""
    return np.arange(1, PARTITIONS, dtype=np.uint64) << np.uint64(64 - PARTITION_BITS)


def _insert(
    connection: sqlite3.Connection, rows: Rows, part: int | None, topics: Sequence[str]
) -> None:
    cursor = connection.execute(
        "insert into segments (hour, rows, topics, pseudonyms, countries, ticks, queries,"
        " flagged, part) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            rows.hour,
            len(rows),
            ",".join(topics),
            rows.pseudonym.astype(PSEUDONYM, copy=False).tobytes(),
            rows.country.astype("<u2", copy=False).tobytes(),
            rows.tick.astype(TICK, copy=False).tobytes(),
            encode_counts(rows.queries),
            encode_counts(rows.flagged),
            part,
        ),
    )
    if rows.previous is not None:
        connection.execute(
            "insert into previous_pseudonyms (segment, previous) values (?, ?)",
            (cursor.lastrowid, rows.previous.astype(PSEUDONYM, copy=False).tobytes()),
        )


class SegmentRow(NamedTuple):
    """A row of the table ``segments``; last the pseudonyms under the key of the week before."""

    hour: int
    rows: int
    topics: str
    pseudonyms: bytes
    countries: bytes
    ticks: bytes
    queries: bytes
    flagged: bytes
    previous: bytes | None = None

    def unpacked(self, topics: Sequence[str]) -> Rows:
        """The rows, their flagged columns in the order of ``topics``."""
        names = self.topics.split(",")
        return Rows(
            self.hour,
            _pseudonyms(self.pseudonyms),
            None if self.previous is None else _pseudonyms(self.previous),
            np.frombuffer(self.countries, "<u2").astype(np.uint16, copy=False),
            _ticks(self.ticks, self.rows),
            decode_counts(self.queries, self.rows),
            _by_topic(decode_counts(self.flagged, self.rows * len(names)), names, topics),
        )


def _pseudonyms(blob: bytes) -> Pseudonyms:
    return np.frombuffer(blob, PSEUDONYM).astype(np.uint64, copy=False)


def _ticks(blob: bytes, rows: int) -> Ticks:
    """Read the ticks of a segment; before step 0005 it held minutes, a byte each."""
    if len(blob) == rows:
        return np.frombuffer(blob, np.uint8).astype(np.uint16) * np.uint16(TICKS_PER_MINUTE)
    return np.frombuffer(blob, TICK).astype(np.uint16, copy=False)


COLUMNS = ", ".join(SegmentRow._fields[:-1])
_SELECT_WITH_PREVIOUS = (
    f"select {COLUMNS}, previous"  # noqa: S608 - our own names
    " from segments left join previous_pseudonyms on segment = segments.id"
)


def load(
    connection: sqlite3.Connection, start: int, end: int, topics: Sequence[str]
) -> Iterator[Rows]:
    """The rows of the minutes in [start, end) ms by segment, oldest hour first."""
    stored_rows = connection.execute(
        f"{_SELECT_WITH_PREVIOUS} where hour > ? and hour < ? order by hour, segments.id",
        (start - HOUR, end),
    )
    for columns in stored_rows:
        yield from rows_within(SegmentRow(*columns), start, end, topics)


def rows_within(stored: SegmentRow, start: int, end: int, topics: Sequence[str]) -> Iterator[Rows]:
    """The rows of the minutes in [start, end) ms, if there are any; no other is unpacked."""
    low, high = ticks_between(stored.hour, start, end)
    if high - low == HOUR // TICK_MS:
        yield stored.unpacked(topics)
        return
    tick = _ticks(stored.ticks, stored.rows)
    kept = np.flatnonzero((tick >= low) & (tick < high))
    if len(kept):
        yield stored.unpacked(topics).take(kept)


def _by_topic(flagged: CountColumn, stored: Sequence[str], wanted: Sequence[str]) -> CountColumn:
    """Flagged columns in the order of the loaded lexicon, zeros for topics it added."""
    table = flagged.reshape(len(stored), -1)
    if tuple(stored) == tuple(wanted):
        return table
    return np.stack(
        [
            table[stored.index(topic)] if topic in stored else np.zeros_like(table[0])
            for topic in wanted
        ]
    )


def merge_small_segments(connection: sqlite3.Connection, hour: int, topics: Sequence[str]) -> None:
    """Join the short segments of an hour to one when frequent checkpoints have left many."""
    short = "from segments where hour = ? and part is null and rows <= ?"
    places = connection.execute(f"select id {short}", (hour, SMALL_SEGMENT_ROWS)).fetchall()
    if len(places) < MERGE_AT_SEGMENTS:
        return
    chosen = ",".join(str(number) for (number,) in places)
    stored_rows = connection.execute(
        f"{_SELECT_WITH_PREVIOUS} where segments.id in ({chosen})"
    ).fetchall()
    rows = merge([SegmentRow(*columns).unpacked(topics) for columns in stored_rows])
    _insert(connection, rows, None, topics)
    connection.executemany("delete from previous_pseudonyms where segment = ?", places)
    connection.executemany("delete from segments where id = ?", places)


def has_few_segments(connection: sqlite3.Connection, hour: int) -> bool:
    """Tell whether an hour has so few segments that joining them would not pay."""
    (most,) = connection.execute(
        "select coalesce(max(number), 0) from"
        " (select count(*) as number from segments where hour = ? group by part)",
        (hour,),
    ).fetchone()
    return int(most) <= MAX_SEGMENTS_UNMERGED


def count(connection: sqlite3.Connection, start: int, end: int) -> int:
    """The rows of the hours that reach into [start, end) ms."""
    (rows,) = connection.execute(
        "select coalesce(sum(rows), 0) from segments where hour > ? and hour < ?",
        (start - HOUR, end),
    ).fetchone()
    return int(rows)


def newest_time(connection: sqlite3.Connection) -> int:
    """Give the end of the newest tick that has a row, ms UTC; 0 where there is none."""
    row = connection.execute(
        "select hour, rows, ticks from segments where hour = (select max(hour) from segments)"
    )
    return max(
        (hour + (int(_ticks(t, rows).max()) + 1) * TICK_MS for hour, rows, t in row), default=0
    )


def first_hour(connection: sqlite3.Connection, start: int, end: int) -> int | None:
    """The first hour in [start, end) ms that has rows."""
    (first,) = connection.execute(
        "select min(hour) from segments where hour > ? and hour < ?", (start - HOUR, end)
    ).fetchone()
    return None if first is None else int(first)


class ExpiredHours(NamedTuple):
    """Hours in [start, end) ms of which all is to be destroyed, or previous pseudonyms alone."""

    start: int
    end: int
    previous_only: bool


def expired_hours(connection: sqlite3.Connection, week: int) -> list[ExpiredHours]:
    """Hours that have segments older than a week, or previous pseudonyms of it.

    Each stands for `DELETE_BATCH_ROWS` rows.
    """
    rows = connection.execute(
        "select hour, sum(rows) from segments where hour < ?1"
        " or (hour < ?2 and id in (select segment from previous_pseudonyms)) group by hour order"
        " by hour",
        (week, week + WEEK),
    ).fetchall()
    total = accumulate(rows for _, rows in rows)
    numbered = zip(rows, total, strict=True)
    spans = []
    for kind, run in groupby(
        numbered, lambda each: (each[0][0] >= week, each[1] // DELETE_BATCH_ROWS)
    ):
        hours = [hour for (hour, _), _ in run]
        spans.append(ExpiredHours(hours[0], hours[-1] + HOUR, previous_only=kind[0]))
    return spans


def delete(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Destroy the segments of the hours in [start, end) ms, with their previous pseudonyms."""
    delete_previous_pseudonyms(connection, start, end)
    connection.execute("delete from segments where hour >= ? and hour < ?", (start, end))


def delete_previous_pseudonyms(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Destroy the older pseudonyms of the hours in [start, end) ms."""
    connection.execute(
        "delete from previous_pseudonyms where segment in"
        " (select id from segments where hour >= ? and hour < ?)",
        (start, end),
    )
