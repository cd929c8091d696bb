"""Reads the rows around some windows, one partition of the pseudonyms at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.sorting import stable_argsort
from donkeywatch.counting.tick_counts import Rows, concat, split_by_pseudonym, to_columns
from donkeywatch.counting.window_aggregates import (
    RowColumns,
    Window,
    WindowAggregate,
    aggregate,
    bounds,
    empty_aggregate,
)
from donkeywatch.store import segments
from donkeywatch.store.segments import PARTITION_BITS, PARTITIONS

PARTITION_ABOVE_ROWS = 1 << 20
"""Rows of a window above which it is counted part by part."""
MAX_HELD_ROWS = 4 << 19
"""Rows of a second week that are held at a time, to be taken under the key of the first one."""
_SELECT_HOURS = f"select {segments.COLUMNS}, null, part from segments where hour > ? and hour < ?"  # noqa: S608 - our own names
_SELECT_PARTITION = (
    f"select {segments.COLUMNS}, null, part from segments where id in (select id from segments"  # noqa: S608 - our own names
    " where hour > ? and hour < ? and (part = ? or part is null))"
)
"""Segments that have rows of a part; their places are found without a look at them."""

Partitions = Sequence[int] | None
"""First bits of pseudonyms, in rising order without a gap; None for all at once."""


def parts_of(connection: sqlite3.Connection, start: int, end: int) -> Partitions:
    """The parts to count the minutes in [start, end) ms by, so that memory holds one of them."""
    return (
        None
        if segments.count(connection, start, end) <= PARTITION_ABOVE_ROWS
        else range(PARTITIONS)
    )


def aggregate_partition(
    connection: sqlite3.Connection, spans: Sequence[Window], part: int | None, topics: Sequence[str]
) -> list[WindowAggregate]:
    """The figures of some windows that lie in one week, of the pseudonyms of a part or of all."""
    aggregates = [empty_aggregate(len(topics)) for _ in spans]
    for piece in row_chunks(connection, spans, None if part is None else (part,), topics):
        aggregates = [a + b for a, b in zip(aggregates, aggregate(piece, spans), strict=True)]
    return aggregates


def row_chunks(
    connection: sqlite3.Connection,
    spans: Sequence[Window],
    parts: Partitions,
    topics: Sequence[str],
    week_boundary: int | None = None,
) -> Iterator[RowColumns]:
    """The rows around some windows whose pseudonyms begin with one of ``parts``, in pieces.

    No address is in two pieces. The windows are to lie in one week, since each pseudonym is under
    its own week's key; or in two of which the second begins at ``week_boundary`` (ms), whose rows
    are then taken under the key of the first one.
    """
    start, end = bounds(spans)
    week_boundary = end if week_boundary is None else min(week_boundary, end)
    for group in _partition_groups(
        parts, segments.count(connection, week_boundary, end) if week_boundary < end else 0
    ):
        for rows in _load_partitions(connection, (start, week_boundary, end), group, topics):
            # A piece holds the segments it is cut from: the last one is gone with the generator.
            yield from (
                to_columns(piece, timed=len(spans) > 1) for piece in split_by_pseudonym(rows)
            )
            rows.clear()


def _load_partitions(
    connection: sqlite3.Connection,
    times: tuple[int, int, int],
    parts: Partitions,
    topics: Sequence[str],
) -> Iterator[list[Rows]]:
    """The rows of each part in two weeks, or in one; the caller empties the list."""
    start, week_boundary, end = times
    later = _load_under_previous_key(connection, week_boundary, end, parts, topics)
    for part, rows in zip((None,) if parts is None else parts, later, strict=True):
        rows += _load_partition(connection, start, week_boundary, part, topics)
        yield rows


def _partition_groups(parts: Partitions, rows: int) -> Iterator[Partitions]:
    """The parts of so many rows of a second week that are held at a time."""
    if parts is None:
        yield None
        return
    size = max(1, MAX_HELD_ROWS * PARTITIONS // max(rows, 1))
    for first in range(0, len(parts), size):
        yield parts[first : first + size]


def _load_partition(
    connection: sqlite3.Connection, start: int, end: int, part: int | None, topics: Sequence[str]
) -> list[Rows]:
    """The rows of the minutes in [start, end) ms whose pseudonyms begin with ``part``."""
    within = (start - HOUR, end)
    rows = connection.execute(
        *((_SELECT_HOURS, within) if part is None else (_SELECT_PARTITION, (*within, part)))
    )
    return [
        rows if part is None or chunk is not None else _split(rows, (part,))[0]
        for *fields, chunk in rows
        for rows in segments.rows_within(segments.SegmentRow(*fields), start, end, topics)
    ]


def _load_under_previous_key(
    connection: sqlite3.Connection, start: int, end: int, parts: Partitions, topics: Sequence[str]
) -> list[list[Rows]]:
    """For each part, the rows of the minutes in [start, end) ms whose older pseudonyms begin so.

    Under these and sorted by them, hour by hour.
    """
    partitions: list[list[Rows]] = [[] for _ in parts or (None,)]
    if start >= end:
        return partitions
    every = segments.load(connection, start, end, topics)
    for _, hour in groupby(every, attrgetter("hour")):
        rows = concat([_with_previous_key(rows, parts) for rows in hour])
        rows = rows.take(stable_argsort(rows.pseudonym))
        for partition, cut in zip(
            partitions, [rows] if parts is None else _split(rows, parts), strict=True
        ):
            partition.append(cut)
    return partitions


def _with_previous_key(rows: Rows, parts: Partitions) -> Rows:
    older = rows.pseudonym if rows.previous is None else rows.previous
    renamed = replace(rows, pseudonym=older, previous=None)
    if parts is None or len(parts) == PARTITIONS:
        return renamed
    first = older >> np.uint64(64 - PARTITION_BITS)
    return renamed.take(np.flatnonzero((first >= parts[0]) & (first <= parts[-1])))


def _split(rows: Rows, parts: Sequence[int]) -> list[Rows]:
    """The rows of each part, from rows in the order of their pseudonyms."""
    first = rows.pseudonym >> np.uint64(64 - PARTITION_BITS)
    bounds = np.array((*parts, parts[-1] + 1), np.uint64)
    return [rows.row_slice(*cut) for cut in pairwise(np.searchsorted(first, bounds).tolist())]
