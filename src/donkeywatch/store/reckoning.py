"""The figures of windows, reckoned from the segments of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from donkeywatch.counting.figures import Columns, Figures, Span, around, nothing
from donkeywatch.counting.windows import WEEK, week_of
from donkeywatch.store import gathering, segments
from donkeywatch.store.store import Store

Deliver = Callable[[list[Figures]], None]
Reckon = Callable[[Columns, Sequence[Span], Deliver], None]
"""Reckons the figures of some rows in some windows and delivers them, at once or later."""


class Sum:
    """The figures of some windows, of which pieces are delivered one by one."""

    def __init__(self, windows: int, topics: int) -> None:
        self.figures = [nothing(topics) for _ in range(windows)]
        self.awaited = 0
        """Pieces that are still being reckoned."""

    def deliver(self, some: list[Figures]) -> None:
        """Add a piece."""
        self.figures = [a + b for a, b in zip(self.figures, some, strict=True)]
        self.awaited -= 1


class Reckoner:
    """Reads what a store has committed; changes nothing."""

    def __init__(self, store: Store, reckon: Reckon) -> None:
        self._connection, self._topics = store.connection, store.topics
        self._reckon = reckon

    def begin(self, *spans: Span) -> Sum:
        """Have some windows reckoned; their rows may be of two weeks, one behind the other."""
        total = Sum(len(spans), len(self._topics))
        start, end = around(spans)
        first = self.begins(start, end)
        turn = end if first is None else week_of(first) + WEEK
        parts = gathering.parts_of(self._connection, start, end)
        for piece in gathering.columns(self._connection, spans, parts, self._topics, turn):
            total.awaited += 1
            self._reckon(piece, spans, total.deliver)
        return total

    def parts(self, start: int, end: int) -> Iterator[Figures]:
        """The figures of the minutes in [start, end) ms, each part when it is asked for."""
        for part in gathering.parts_of(self._connection, start, end) or (None,):
            yield gathering.figures(self._connection, [Span(start, end)], part, self._topics)[0]

    def is_short(self, hour: int) -> bool:
        """Has an hour so few segments that joining them would not pay?"""
        return segments.is_short(self._connection, hour)

    def begins(self, start: int, end: int) -> int | None:
        """The first hour that reaches into [start, end) ms and has rows."""
        return segments.begins(self._connection, start, end)
