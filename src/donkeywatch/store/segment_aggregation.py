"""The figures of windows, aggregated from the segments of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from donkeywatch.counting.calendar import WEEK, week_of
from donkeywatch.counting.window_aggregates import (
    RowColumns,
    Window,
    WindowAggregate,
    bounds,
    empty_aggregate,
)
from donkeywatch.store import partitioned_reads, segments
from donkeywatch.store.store import Store

OnAggregate = Callable[[list[WindowAggregate]], None]
SubmitAggregation = Callable[[RowColumns, Sequence[Window], OnAggregate], None]
"""Reckons the figures of some rows in some windows and delivers them, at once or later."""


class PendingAggregate:
    """The figures of some windows, of which pieces are delivered one by one."""

    def __init__(self, windows: int, topics: int) -> None:
        self.figures = [empty_aggregate(topics) for _ in range(windows)]
        self.outstanding = 0
        """Pieces that are still being aggregated."""

    def deliver(self, aggregates: list[WindowAggregate]) -> None:
        """Add a piece."""
        self.figures = [a + b for a, b in zip(self.figures, aggregates, strict=True)]
        self.outstanding -= 1


class Aggregator:
    """Reads what a store has committed; changes nothing."""

    def __init__(self, store: Store, submit: SubmitAggregation) -> None:
        self._connection, self._topics = store.connection, store.topics
        self._submit = submit

    def submit(self, *spans: Window) -> PendingAggregate:
        """Have some windows aggregated; their rows may be of two weeks, one behind the other."""
        total = PendingAggregate(len(spans), len(self._topics))
        start, end = bounds(spans)
        first = self.first_hour(start, end)
        turn = end if first is None else week_of(first) + WEEK
        parts = partitioned_reads.parts_of(self._connection, start, end)
        for piece in partitioned_reads.row_chunks(
            self._connection, spans, parts, self._topics, turn
        ):
            total.outstanding += 1
            self._submit(piece, spans, total.deliver)
        return total

    def partial_aggregates(self, start: int, end: int) -> Iterator[WindowAggregate]:
        """The figures of the minutes in [start, end) ms, each part when it is asked for."""
        for part in partitioned_reads.parts_of(self._connection, start, end) or (None,):
            yield partitioned_reads.aggregate_partition(
                self._connection, [Window(start, end)], part, self._topics
            )[0]

    def has_few_segments(self, hour: int) -> bool:
        """Tell whether an hour has so few segments that joining them would not pay."""
        return segments.has_few_segments(self._connection, hour)

    def first_hour(self, start: int, end: int) -> int | None:
        """The first hour that reaches into [start, end) ms and has rows."""
        return segments.first_hour(self._connection, start, end)
