"""The rows around some windows, gathered from the segments, a part of the pseudonyms at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np

from donkeywatch.counting.figures import Columns, Figures, Span, around, figures_of, nothing
from donkeywatch.counting.rows import Rows, chained, columns_of, pieces
from donkeywatch.counting.sorting import order_of
from donkeywatch.counting.windows import HOUR
from donkeywatch.store import segments
from donkeywatch.store.segments import BITS, PARTS

MUCH = 1 << 19
"""Rows of a window above which it is counted part by part."""
HELD = 4 << 19
"""Rows of a second week that are held at a time, to be taken under the key of the first one."""
WITHIN = f"select {segments.COLUMNS}, null, part from segments where hour > ? and hour < ?"  # noqa: S608 - our own names
OWN = (
    f"select {segments.COLUMNS}, null, part from segments where id in (select id from segments"  # noqa: S608 - our own names
    " where hour > ? and hour < ? and (part = ? or part is null))"
)
"""Segments that have rows of a part; their places are found without a look at them."""

Parts = Sequence[int] | None
"""First bits of pseudonyms, in rising order without a gap; None for all at once."""


def parts_of(connection: sqlite3.Connection, start: int, end: int) -> Parts:
    """The parts to count the minutes in [start, end) ms by, so that memory holds one of them."""
    return None if segments.count(connection, start, end) <= MUCH else range(PARTS)


def figures(
    connection: sqlite3.Connection, spans: Sequence[Span], part: int | None, topics: Sequence[str]
) -> list[Figures]:
    """The figures of some windows that lie in one week, of the pseudonyms of a part or of all."""
    found = [nothing(len(topics)) for _ in spans]
    for piece in columns(connection, spans, None if part is None else (part,), topics):
        found = [a + b for a, b in zip(found, figures_of(piece, spans), strict=True)]
    return found


def columns(
    connection: sqlite3.Connection,
    spans: Sequence[Span],
    parts: Parts,
    topics: Sequence[str],
    turn: int | None = None,
) -> Iterator[Columns]:
    """The rows around some windows whose pseudonyms begin with one of ``parts``, in pieces.

    No address is in two pieces. The windows are to lie in one week, since each pseudonym is under
    its own week's key; or in two of which the second begins at ``turn`` (ms), whose rows are then
    taken under the key of the first one.
    """
    start, end = around(spans)
    turn = end if turn is None else min(turn, end)
    for some in _together(parts, segments.count(connection, turn, end) if turn < end else 0):
        for rows in _gathered(connection, (start, turn, end), some, topics):
            # A piece holds the segments it is cut from: the last one is gone with the generator.
            yield from (columns_of(piece, timed=len(spans) > 1) for piece in pieces(rows))
            rows.clear()


def _gathered(
    connection: sqlite3.Connection,
    times: tuple[int, int, int],
    parts: Parts,
    topics: Sequence[str],
) -> Iterator[list[Rows]]:
    """The rows of each part in two weeks, or in one; the caller empties the list."""
    start, turn, end = times
    later = _bridged(connection, turn, end, parts, topics)
    for part, rows in zip((None,) if parts is None else parts, later, strict=True):
        rows += _of_part(connection, start, turn, part, topics)
        yield rows


def _together(parts: Parts, rows: int) -> Iterator[Parts]:
    """The parts of so many rows of a second week that are held at a time."""
    if parts is None:
        yield None
        return
    size = max(1, HELD * PARTS // max(rows, 1))
    for first in range(0, len(parts), size):
        yield parts[first : first + size]


def _of_part(
    connection: sqlite3.Connection, start: int, end: int, part: int | None, topics: Sequence[str]
) -> list[Rows]:
    """The rows of the minutes in [start, end) ms whose pseudonyms begin with ``part``."""
    within = (start - HOUR, end)
    found = connection.execute(*((WITHIN, within) if part is None else (OWN, (*within, part))))
    return [
        rows if part is None or own is not None else _cut(rows, (part,))[0]
        for *fields, own in found
        for rows in segments.inside(segments.Stored(*fields), start, end, topics)
    ]


def _bridged(
    connection: sqlite3.Connection, start: int, end: int, parts: Parts, topics: Sequence[str]
) -> list[list[Rows]]:
    """For each part, the rows of the minutes in [start, end) ms whose older pseudonyms begin so.

    Under these and sorted by them, hour by hour.
    """
    found: list[list[Rows]] = [[] for _ in parts or (None,)]
    if start >= end:
        return found
    every = segments.load(connection, start, end, topics)
    for _, hour in groupby(every, attrgetter("hour")):
        rows = chained([_under_older(rows, parts) for rows in hour])
        rows = rows.at(order_of(rows.pseudonym))
        for own, cut in zip(found, [rows] if parts is None else _cut(rows, parts), strict=True):
            own.append(cut)
    return found


def _under_older(rows: Rows, parts: Parts) -> Rows:
    older = rows.pseudonym if rows.previous is None else rows.previous
    own = replace(rows, pseudonym=older, previous=None)
    if parts is None or len(parts) == PARTS:
        return own
    first = older >> np.uint64(64 - BITS)
    return own.at(np.flatnonzero((first >= parts[0]) & (first <= parts[-1])))


def _cut(rows: Rows, parts: Sequence[int]) -> list[Rows]:
    """The rows of each part, from rows in the order of their pseudonyms."""
    first = rows.pseudonym >> np.uint64(64 - BITS)
    bounds = np.array((*parts, parts[-1] + 1), np.uint64)
    return [rows.span(*cut) for cut in pairwise(np.searchsorted(first, bounds).tolist())]
