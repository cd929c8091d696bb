"""Closing windows whose time is over, by hours at once and by weeks a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from donkeywatch.counting.calendar import HOUR, floor_to
from donkeywatch.counting.tick_counts import merge, to_columns
from donkeywatch.counting.window_aggregates import (
    Window,
    WindowAggregate,
    aggregate,
    empty_aggregate,
)
from donkeywatch.runtime.data_destroyer import DataDestroyer
from donkeywatch.store.segment_aggregation import Aggregator
from donkeywatch.store.store import Store

WEEK_SLICE_ROWS = 1 << 18
"""Rows of a week that are counted at a time."""


@dataclass(slots=True)
class _WeekInProgress:
    """A week that is being counted."""

    start: int
    queries: int
    """What it had when the counting began."""
    parts: Iterator[WindowAggregate]
    total: WindowAggregate

    def advance(self) -> bool:
        """Count some parts; true when it is done."""
        until = self.total.queries + WEEK_SLICE_ROWS
        for part in self.parts:
            self.total += part
            if self.total.queries >= until:
                return False
        return True


class WindowCloser:
    """Merges segments into the figures of hours and weeks; safe to repeat after any crash."""

    def __init__(self, store: Store, destroyer: DataDestroyer, aggregator: Aggregator) -> None:
        self._store, self._destroyer, self.aggregator = store, destroyer, aggregator
        self._topics = len(store.topics)
        self.closed_until = 0
        """End of the newest hour that is closed, ms UTC."""
        self._week_in_progress: _WeekInProgress | None = None
        self._destruction_pending = False
        """An hour was closed, and what is due with it is not destroyed yet."""

    def close(
        self,
        watermark: int,
        now: int,
        sure: int | None,
        *,
        confirmed: bool,
        is_archive: bool = False,
    ) -> None:
        """Close every hour and week that ends at or before ``watermark``; all ms UTC.

        A later line opens a window again, but what is destroyed is gone: keys and rows go by
        ``sure``, the time of a confirmed clock, and stay where that is None. ``confirmed`` says
        that ``now`` is such a time, too. Of an archive the keys go at once, and the rows that were
        made with them a part at each commit.
        """
        self.close_hours(watermark)
        self._close_weeks_incrementally(watermark)
        self._destruction_pending |= self.note_closed(watermark)
        # What a week is still being counted from is not destroyed.
        if (
            self._destruction_pending or (sure is not None and self._destroyer.overdue(sure))
        ) and not self.week_in_progress:
            self._destruction_pending = False
            if sure is not None:
                self._destroyer.destroy(sure, now, confirmed=confirmed)
            if not is_archive:
                self._destroyer.delete_sealed_rows()
            self._store.log_left = True
        self._destroyer.truncate_log()

    def close_until_destroyed(self, watermark: int, now: int, *, confirmed: bool) -> list[int]:
        """Close, and destroy what is over by ``watermark``, the time of a confirmed clock.

        Gives the weeks (ms UTC) whose keys went.
        """
        overdue = self._destroyer.overdue(watermark)
        while self._destroyer.overdue(watermark) or self.week_in_progress:
            self.close(watermark, now, watermark, confirmed=confirmed)
        return overdue

    def note_closed(self, watermark: int) -> bool:
        """Note that all hours up to ``watermark`` (ms UTC) are closed; true when that is news."""
        before, self.closed_until = (
            self.closed_until,
            max(self.closed_until, floor_to(watermark, HOUR)),
        )
        return self.closed_until > before

    @property
    def log_left(self) -> bool:
        """Tell whether rows that were destroyed may still stand in the write-ahead log."""
        return self._store.log_left

    def close_hours(self, watermark: int) -> None:
        """Close every hour that ends at or before ``watermark``, ms UTC."""
        for start, end in self._store.windows_due("hour", watermark):
            self.close_hour(start, end)

    @property
    def week_in_progress(self) -> bool:
        """Tell whether a week is being counted, a part at each call."""
        return self._week_in_progress is not None

    def _close_weeks_incrementally(self, watermark: int) -> None:
        """Weeks of many rows a part at a time, so that nobody waits for them."""
        due = self._store.windows_due("week", watermark)
        if self._week_in_progress is not None and all(
            start != self._week_in_progress.start for start, _ in due
        ):
            self._week_in_progress = None  # It was begun by a clock that was ahead.
        for start, end in due:
            queries = self._store.queries("week", start)
            # It is put back when there is more to count: not when the database failed.
            week, self._week_in_progress = self._week_in_progress, None
            if week is None or (week.start, week.queries) != (start, queries):
                # A line that came meanwhile may have missed its part.
                parts = self.aggregator.partial_aggregates(start, end)
                week = _WeekInProgress(start, queries, parts, empty_aggregate(self._topics))
            if not week.advance():
                self._week_in_progress = week
                return
            self.count_violation_unless(self._store.close_week(start, week.total))

    def close_hour(self, start: int, end: int) -> None:
        """Aggregate an hour, [start, end) ms UTC, merge its segments, and close it."""
        if self.aggregator.has_few_segments(start):
            figures = sum(
                self.aggregator.partial_aggregates(start, end), empty_aggregate(self._topics)
            )
            rows = None
        else:
            rows = merge(list(self._store.segments(start, end)))
            (figures,) = aggregate(
                to_columns([(rows, 0, len(rows))], timed=False), [Window(start, end)]
            )
        self.count_violation_unless(self._store.close_hour(start, rows, figures))

    def count_violation_unless(self, agree: bool) -> None:
        """Count it where the figures of a window disagree with its counters."""
        if not agree:
            self._store.increment_counter("invariant_violations")

    def take_back(self, now: int) -> None:
        """A clock that was believed was ahead of ``now`` (ms UTC): what comes is not late."""
        self.closed_until = min(self.closed_until, floor_to(now, HOUR))
