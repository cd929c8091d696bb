"""Closing windows whose time is over, and destroying what must not outlive them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, floor_to, week_of
from donkeywatch.counting.key_lifetime import first_living_week, is_outlived
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.counting.tick_counts import merge, to_columns
from donkeywatch.counting.window_aggregates import (
    Window,
    WindowAggregate,
    aggregate,
    empty_aggregate,
)
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.settings.schema import Retention
from donkeywatch.store.backups import Backups
from donkeywatch.store.segment_aggregation import Aggregator, PendingAggregate, SubmitAggregation
from donkeywatch.store.store import Store

WEEK_SLICE_ROWS = 1 << 18
"""Rows of a week that are counted at a time."""
RollingResults = dict[str, tuple[int, int, WindowAggregate]]
"""Start, end and figures of each rolling window by name."""


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

    def __init__(
        self,
        store: Store,
        backups: Backups,
        keys: Keyring,
        retention: Retention,
        aggregate_rows: SubmitAggregation,
        before_destroying: Callable[[int], None] = lambda _week: None,
    ) -> None:
        self._store = store
        self.before_destroying = before_destroying
        """Called with the week (ms UTC) before which all is about to be destroyed."""
        self._aggregator = Aggregator(store, aggregate_rows)
        self._backups = backups
        self._keys = keys
        self._retention = retention
        self._topics = len(store.topics)
        self.closed_until = 0
        """End of the newest hour that is closed, ms UTC."""
        self._week_in_progress: _WeekInProgress | None = None
        self._destruction_pending = False
        """An hour was closed, and what is due with it is not destroyed yet."""
        self._sealed_rows_remain = True
        """There may be rows that were made with a key that is destroyed."""
        self._hours_in_flight: dict[int, tuple[int, PendingAggregate]] = {}
        """Hours of an archive that are being aggregated, and the queries they had then."""

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
        ``sure``, the time of a confirmed clock, and stay where that is None. If ``now`` is
        ``confirmed``, what was counted more than a day ahead of it is taken back. Of an archive the
        keys go at once, and the rows that were made with them at the next `close_hours_async`.
        """
        self._close_hours(watermark)
        self._close_weeks_incrementally(watermark)
        self._destruction_pending |= floor_to(watermark, HOUR) > self.closed_until
        self.closed_until = max(self.closed_until, floor_to(watermark, HOUR))
        # What a week is still being counted from is not destroyed.
        if (
            self._destruction_pending or (sure is not None and self._has_expired_keys(sure))
        ) and not self.week_in_progress:
            self._destruction_pending = False
            if sure is not None:
                if confirmed:
                    self._reject(now)
                self._destroy_expired_keys(sure)
                self._prune(sure)
            if not is_archive:
                self.delete_sealed_rows()
            self._store.log_left = True
        if self._store.log_left and not self._backups.busy:  # A copy in the making reads it, too.
            self._store.truncate_log()

    def destroy_due(self, watermark: int, now: int, *, confirmed: bool) -> list[int]:
        """Destroy what is over by a clock that is confirmed; the weeks (ms UTC) whose keys went."""
        overdue = self.overdue(watermark)
        while self.overdue(watermark) or self.week_in_progress:
            self.close(watermark, now, watermark, confirmed=confirmed)
        return overdue

    def close_hours_async(self, watermark: int) -> None:
        """The same for an archive: hours are aggregated while its next lines are read.

        They are closed at the next call or at the end. Not for the end of a week, which
        `crosses_week` tells: `begin_final_close` aggregates it, and `close` destroys what is due.
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
                self._count_violation_unless(self._close_hour(start, end))
        self.closed_until = max(self.closed_until, floor_to(watermark, HOUR))
        self._sealed_rows_remain = self._sealed_rows_remain and self._store.delete_some_sealed()
        self._store.write_back()

    def crosses_week(self, watermark: int) -> bool:
        """Tell whether there is a week to close, or a key that nothing needs any more."""
        return bool(self._store.windows_due("week", watermark)) or self._has_expired_keys(watermark)

    def _close_finished_hours(self) -> None:
        """Close the hours that are aggregated; one that got more since is aggregated again."""
        for start, (queries_at_start, total) in list(self._hours_in_flight.items()):
            if not total.outstanding:
                del self._hours_in_flight[start]
                if self._store.queries("hour", start) == queries_at_start:
                    self._count_violation_unless(
                        self._store.close_hour(start, None, *total.figures)
                    )

    def begin_final_close(
        self, watermark: int, rolling_end: int | None
    ) -> Callable[[], RollingResults]:
        """The same, destroying nothing: a line that comes later opens its window again.

        The rolling windows at ``rolling_end`` are counted, with the week they are in if that is
        one. To be called when everything has been delivered that was asked, and what it returns
        again: it gives start, end and figures of each by name, if they have any rows.
        """
        self._close_finished_hours()
        self._hours_in_flight.clear()
        self._close_hours(watermark)
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

        def closed() -> RollingResults:
            for start, total in weeks:
                self._count_violation_unless(self._store.close_week(start, total.figures[0]))
            figures = pending.figures[-len(rolling) :] if pending is not None else []
            each = zip(rolling.items(), figures, strict=True)
            return {name: (span.start, span.end, figures) for (name, span), figures in each}

        return closed

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

    @property
    def week_in_progress(self) -> bool:
        """Tell whether a week is being counted, a part at each call."""
        return self._week_in_progress is not None

    @property
    def log_left(self) -> bool:
        """Tell whether rows that were destroyed may still stand in the write-ahead log."""
        return self._store.log_left

    def _close_hours(self, watermark: int) -> None:
        for start, end in self._store.windows_due("hour", watermark):
            self._count_violation_unless(self._close_hour(start, end))

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
                parts = self._aggregator.partial_aggregates(start, end)
                week = _WeekInProgress(start, queries, parts, empty_aggregate(self._topics))
            if not week.advance():
                self._week_in_progress = week
                return
            self._count_violation_unless(self._store.close_week(start, week.total))

    def _close_hour(self, start: int, end: int) -> bool:
        if self._aggregator.has_few_segments(start):
            figures = sum(
                self._aggregator.partial_aggregates(start, end), empty_aggregate(self._topics)
            )
            return self._store.close_hour(start, None, figures)
        rows = merge(list(self._store.segments(start, end)))
        (figures,) = aggregate(
            to_columns([(rows, 0, len(rows))], timed=False), [Window(start, end)]
        )
        return self._store.close_hour(start, rows, figures)

    def _count_violation_unless(self, agree: bool) -> None:
        if not agree:
            self._store.increment_counter("invariant_violations")

    def take_back(self, now: int) -> None:
        """A clock that was believed was ahead of ``now`` (ms UTC): what comes is not late."""
        self.closed_until = min(self.closed_until, floor_to(now, HOUR))

    def _reject(self, now: int) -> None:
        """Take back what was counted more than a day after ``now`` (ms UTC), which is confirmed.

        It was logged and read by a clock that was ahead. The keys of the weeks that begin after
        it are destroyed; when their time comes, they get others.
        """
        hour, week = floor_to(now + DAY, HOUR) + HOUR, week_of(now + DAY) + WEEK
        if week_of(now) in self._keys.destroyed_weeks():
            week += WEEK  # An operator destroyed this one's: fingerprints are under the next one's.
        if self._store.newest_hour() >= hour or max(self._keys.active_weeks(), default=0) >= week:
            self._store.take_back(hour, week)
            self._keys.discard(week)

    def _destroy_expired_keys(self, watermark: int) -> None:
        """When a week has ended, all that was made with the keys before it goes.

        No rolling window reaches back behind it any more, and its own rows no longer need
        the pseudonyms under the older key.
        """
        if self._has_expired_keys(watermark):
            ended = first_living_week(watermark)
            self.before_destroying(ended)
            self._backups.destroy()
            self._store.record_key_destruction(ended)
            self._keys.destroy_before(ended)
            self._sealed_rows_remain = True

    def delete_sealed_rows(self) -> None:
        """Destroy what is left that was made with keys that are destroyed."""
        if self._sealed_rows_remain:
            self._store.delete_sealed()
            self._sealed_rows_remain = False

    def _has_expired_keys(self, watermark: int) -> bool:
        """Tell whether there are keys of weeks that nothing needs any more."""
        return bool(self.overdue(watermark))

    @property
    def key_weeks(self) -> list[int]:
        """Weeks (ms UTC) whose keys exist."""
        return self._keys.active_weeks()

    @property
    def lost_weeks(self) -> list[int]:
        """Weeks (ms UTC) whose keys were lost before this start."""
        return self._keys.lost

    def overdue(self, watermark: int) -> list[int]:
        """Weeks (ms UTC) whose keys nothing needs any more, and are there yet."""
        return [week for week in self._keys.active_weeks() if is_outlived(week, watermark)]

    def _prune(self, now: int) -> None:
        for kind, weeks in (
            ("hour", self._retention.hourly_weeks),
            ("week", self._retention.weekly_weeks),
        ):
            if weeks is not None:
                self._store.prune(kind, week_of(now - weeks * WEEK))
