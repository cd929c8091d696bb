"""Rolling windows of an hour, a day and a week, exact to the minute across the weekly keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from donkeywatch.counting.address_totals import AddressTotals
from donkeywatch.counting.aggregates import WindowAggregate
from donkeywatch.counting.calendar import HOUR, MINUTE, ROLLING_LENGTHS, floor_to, week_of
from donkeywatch.counting.rows import Rows, merge

Load = Callable[[int, int], Iterable[Rows]]
"""Gives the committed rows of the minutes in [start, end) ms, the oldest hour first."""

MAX_PENDING_PIECES = 100
"""Pieces that wait for the windows before they are put together."""
END_OF_TIME = 1 << 60
"""Later than any row (ms)."""
REBUILD_AFTER = 90 * MINUTE
"""A window that has to move further than this is built anew from the segments."""
REBUILD_ROWS_PER_CALL = 1 << 19
"""Rows read at a time while windows are built, so that nobody waits long for anything else."""


@dataclass(slots=True)
class RollingWindow:
    """One rolling window [end - length, end) and the totals of the addresses in it.

    A window of at most seven days touches at most two ISO weeks; all its rows are taken under
    the key of the week it starts in.
    """

    name: str
    length: int
    topics: int
    end: int | None = None
    tallies: AddressTotals | None = None
    built_until: int | None = None
    """While it is built: the rows of the hours before this are in (ms)."""

    def key_week(self) -> int:
        """Start of the week whose key the totals are under."""
        assert self.end is not None  # noqa: S101 - only asked after the first advance
        return week_of(self.end - self.length)

    def add(self, rows: Rows, sign: int = 1) -> None:
        """Add or take away rows that lie in the window."""
        assert self.tallies is not None  # noqa: S101 - only asked after the first advance
        if not len(rows):
            return
        bridged = week_of(rows.hour) != self.key_week() and rows.previous is not None
        pseudonym = rows.previous if bridged and rows.previous is not None else rows.pseudonym
        self.tallies.add(pseudonym, rows.queries, rows.flagged, sign)

    def start_rebuild(self, end: int) -> None:
        """Build it anew, from the committed segments."""
        self.end, self.tallies = end, AddressTotals(self.topics)
        self.built_until = floor_to(end - self.length, HOUR)

    def build(self, load: Load, budget: int) -> int:
        """Take in hour after hour; what is left of a budget of rows."""
        assert self.end is not None  # noqa: S101 - it was begun
        if self.built_until is None:
            return budget
        for rows in load(max(self.built_until, self.end - self.length), self.end):
            if rows.hour >= self.built_until:
                if budget <= 0:
                    return budget
                self.built_until = rows.hour + HOUR
            self.add(rows)
            budget -= len(rows)
        self.built_until = None
        return budget

    def record(self, rows: Rows) -> bool:
        """Take over what was just committed and lies in it; the next hours will be read."""
        assert self.end is not None  # noqa: S101 - only asked after the first advance
        inside = rows.between(self.end - self.length, self.end)
        if not len(inside) or (self.built_until is not None and rows.hour >= self.built_until):
            return False
        self.add(inside)
        return True


class RollingWindows:
    """The three windows, moved together; rows newer than their end wait in memory."""

    def __init__(self, topics: int, load: Load) -> None:
        self.windows = [
            RollingWindow(name, length, topics) for name, length in ROLLING_LENGTHS.items()
        ]
        self._load = load
        self._future_rows: list[Rows] = []
        self.end: int | None = None
        """End of the windows whose figures can be had."""
        self._target: int | None = None
        """End of those that are being built."""
        self._rebuilding = False
        """What waits is read from the segments when they are built."""

    @property
    def is_building(self) -> bool:
        """Has `advance` to be called again before there are figures?"""
        return self._target is not None

    def record(self, batch: Iterable[Rows]) -> bool:
        """Take over rows that were just committed; true when a shown window changed."""
        end = self._target if self.is_building else self.end
        if end is None:
            return False
        changed = False
        for rows in batch:
            ahead = rows.between(end, rows.hour + HOUR)
            self._future_rows.append(ahead)
            if len(ahead) < len(rows):
                for window in self.windows:
                    changed |= window.record(rows)
        self._future_rows = [rows for rows in self._future_rows if len(rows)]
        if len(self._future_rows) > MAX_PENDING_PIECES:
            hours = sorted({rows.hour for rows in self._future_rows})
            self._future_rows = [
                merge([r for r in self._future_rows if r.hour == hour]) for hour in hours
            ]
        return changed

    @property
    def buffered_rows(self) -> int:
        """Rows in memory that are newer than the windows."""
        return sum(len(rows) for rows in self._future_rows)

    def reset(self) -> None:
        """Drop everything in memory; the next advance builds it from the segments."""
        self.end, self._target, self._future_rows = None, None, []

    def advance(self, watermark: int) -> bool:
        """Move the windows' end to the watermark's minute; true when they moved.

        A long window that has to be built is built a piece at each call, and moves with the last.
        """
        if self._target is None:
            end = floor_to(watermark, MINUTE)
            if self.end is not None and end <= self.end:
                return False
            self._start_move(end)
        return self._finish_move()

    def advance_fully(self, end: int) -> None:
        """Move all the way."""
        while self.end is None or self.end < end:
            self.advance(end)

    def _start_move(self, end: int) -> None:
        self._target = end
        self._rebuilding = self.end is None or end - self.end > REBUILD_AFTER
        for window in self.windows:
            if self.end is None or self._rebuilding or self._crosses(window, end):
                window.start_rebuild(end)
            else:
                self._step(window, self.end, end)
        self._future_rows = [rows.between(end, rows.hour + HOUR) for rows in self._future_rows]

    def _finish_move(self) -> bool:
        budget, end = REBUILD_ROWS_PER_CALL, self._target
        assert end is not None  # noqa: S101 - it has set out
        for window in self.windows:
            budget = window.build(self._load, budget)
        if any(window.built_until is not None for window in self.windows):
            return False
        if self._rebuilding:
            self._future_rows = list(self._load(end, END_OF_TIME))
        self._future_rows = [rows for rows in self._future_rows if len(rows)]
        self.end, self._target = end, None
        return True

    @staticmethod
    def _crosses(window: RollingWindow, end: int) -> bool:
        return week_of(end - window.length) != window.key_week()

    def _step(self, window: RollingWindow, old: int, new: int) -> None:
        for rows in self._future_rows:
            window.add(rows.between(old, new))
        for rows in self._load(old - window.length, new - window.length):
            window.add(rows, -1)
        window.end = new

    def figures(self) -> dict[str, tuple[int, int, WindowAggregate]]:
        """Start, end and figures of each window by name; empty while there are none."""
        if self.end is None or self.is_building:
            return {}
        return {
            window.name: (window.end - window.length, window.end, window.tallies.figures())
            for window in self.windows
            if window.end is not None and window.tallies is not None
        }
