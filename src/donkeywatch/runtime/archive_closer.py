"""Closing the windows of an archive, whose rows are aggregated while its next lines are read."""

from __future__ import annotations

from collections.abc import Callable

from donkeywatch.counting.calendar import week_of
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.counting.window_aggregates import Window, WindowAggregate
from donkeywatch.runtime.data_destroyer import DataDestroyer
from donkeywatch.runtime.window_closer import WindowCloser
from donkeywatch.store.segment_aggregation import PendingAggregate
from donkeywatch.store.store import Store

RollingResults = dict[str, tuple[int, int, WindowAggregate]]
"""Start, end and figures of each rolling window by name."""


class ArchiveCloser:
    """Closes hours with a delay, and weeks at once, with the help of worker processes.

    The figures are those of `WindowCloser`, which closes what is left when the archive ends.
    """

    def __init__(self, store: Store, closer: WindowCloser, destroyer: DataDestroyer) -> None:
        self._store, self._closer, self._destroyer = store, closer, destroyer
        self._aggregator = closer.aggregator
        self._hours_in_flight: dict[int, tuple[int, PendingAggregate]] = {}
        """Hours that are being aggregated, and the queries they had when that began."""

    def close_hours(self, watermark: int) -> None:
        """Have every hour aggregated that ends at or before ``watermark``, ms UTC.

        They are closed at the next call or at the end. Not for the end of a week, which
        `crosses_week` tells: `close_all` closes it, and `WindowCloser.close` destroys what is due.
        """
        self._close_finished_hours()
        for start, end in self._store.windows_due("hour", watermark):
            if start in self._hours_in_flight:
                continue
            if self._aggregator.has_few_segments(start):
                queries_at_start = self._store.queries("hour", start)
                self._hours_in_flight[start] = (
                    queries_at_start,
                    self._aggregator.submit(Window(start, end)),
                )
            else:
                self._closer.close_hour(start, end)
        self._closer.note_closed(watermark)
        self._destroyer.delete_some_sealed_rows()
        self._store.write_back()

    def crosses_week(self, watermark: int) -> bool:
        """Tell whether there is a week to close, or a key that nothing needs any more."""
        return bool(self._store.windows_due("week", watermark)) or bool(
            self._destroyer.overdue(watermark)
        )

    def close_all(
        self, watermark: int, rolling_end: int | None, drain: Callable[[], object]
    ) -> RollingResults:
        """Close every window that ends at or before ``watermark``, ms UTC; destroy nothing.

        All that was read has to be stored. The rolling windows at ``rolling_end`` are counted, with
        the week that they are in if that is one: each that has any rows is given by its name.
        ``drain`` is called once, to have everything delivered that workers were asked for.
        """
        self._close_finished_hours()
        self._hours_in_flight.clear()
        self._closer.close_hours(watermark)
        rolling, in_week = self._rolling(rolling_end)
        weeks: list[tuple[int, PendingAggregate]] = []
        pending: PendingAggregate | None = None
        for start, end in self._store.windows_due("week", watermark):
            own_hours = rolling if in_week == start else {}
            total = self._aggregator.submit(Window(start, end), *own_hours.values())
            weeks.append((start, total))
            pending = total if own_hours else pending
        if rolling and pending is None:
            pending = self._aggregator.submit(*rolling.values())
        drain()
        for start, total in weeks:
            self._closer.count_violation_unless(self._store.close_week(start, total.figures[0]))
        figures = pending.figures[-len(rolling) :] if pending is not None else []
        each = zip(rolling.items(), figures, strict=True)
        return {name: (span.start, span.end, figures) for (name, span), figures in each}

    def _close_finished_hours(self) -> None:
        """Close the hours that are aggregated; one that got more since is aggregated again."""
        for start, (queries_at_start, total) in list(self._hours_in_flight.items()):
            if not total.outstanding:
                del self._hours_in_flight[start]
                if self._store.queries("hour", start) == queries_at_start:
                    self._closer.count_violation_unless(
                        self._store.close_hour(start, None, *total.figures)
                    )

    def _rolling(self, end: int | None) -> tuple[dict[str, Window], int | None]:
        """The rolling windows that end at ``end`` ms, and the week that all their rows are of."""
        first = (
            None
            if end is None
            else self._aggregator.first_hour(end - max(ROLLING_LENGTHS.values()), end)
        )
        if end is None or first is None:
            return {}, None
        spans = {
            name: Window(end - length, end, with_breakdowns=False)
            for name, length in ROLLING_LENGTHS.items()
        }
        return spans, week_of(first) if week_of(first) == week_of(end - 1) else None
