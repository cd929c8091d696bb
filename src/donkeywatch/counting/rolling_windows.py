"""Rolling windows of an hour, a day and a week, exact to the minute across the weekly keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, WEEK, floor_to, week_of
from donkeywatch.counting.per_address_totals import AddressTotals
from donkeywatch.counting.tick_counts import Rows, merge
from donkeywatch.counting.window_aggregates import WindowAggregate

ROLLING_LENGTHS = {"1h": HOUR, "24h": DAY, "7d": WEEK}
"""Length of each rolling window by name, ms. None is longer than a week: an address has a pseudonym
in the week that runs and in the one before, and older ones are destroyed."""
assert max(ROLLING_LENGTHS.values()) <= WEEK  # noqa: S101 - a longer one would count addresses twice
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
    end: int
    totals: AddressTotals

    @property
    def start(self) -> int:
        """Start of the window, ms UTC."""
        return self.end - self.length

    def key_week(self) -> int:
        """Give the start of the week whose key the totals are under, ms UTC."""
        return week_of(self.start)

    def add(self, rows: Rows, sign: int = 1) -> None:
        """Add or take away rows that lie in the window."""
        if not len(rows):
            return
        bridged = week_of(rows.hour) != self.key_week() and rows.previous is not None
        pseudonym = rows.previous if bridged and rows.previous is not None else rows.pseudonym
        self.totals.add(pseudonym, rows.queries, rows.flagged, sign)

    def record(self, rows: Rows) -> bool:
        """Take over what was just committed and lies in it; true when there was any."""
        inside = rows.between(self.start, self.end)
        self.add(inside)
        return len(inside) > 0


@dataclass(slots=True)
class WindowBuild:
    """A rolling window that is being built from the committed segments, hour after hour."""

    window: RollingWindow
    built_until: int
    """The rows of the hours before this are in (ms UTC)."""
    is_done: bool = False

    @classmethod
    def begin(cls, name: str, length: int, topics: int, end: int) -> WindowBuild:
        """Begin a window [end - length, end) with nothing in it."""
        window = RollingWindow(name, length, end, AddressTotals(topics))
        return cls(window, floor_to(window.start, HOUR))

    def build(self, load: Load, budget: int) -> int:
        """Take in hour after hour; return what is left of a budget of rows."""
        if self.is_done:
            return budget
        for rows in load(max(self.built_until, self.window.start), self.window.end):
            if rows.hour >= self.built_until:
                if budget <= 0:
                    return budget
                self.built_until = rows.hour + HOUR
            self.window.add(rows)
            budget -= len(rows)
        self.is_done = True
        return budget

    def record(self, rows: Rows) -> bool:
        """Take over what was just committed; the hours to come will be read."""
        will_be_read = not self.is_done and rows.hour >= self.built_until
        return not will_be_read and self.window.record(rows)


class RollingWindows:
    """The three windows, moved together; rows newer than their end wait in memory."""

    def __init__(self, topics: int, load: Load) -> None:
        self._topics, self._load = topics, load
        self._windows: dict[str, RollingWindow] = {}
        self._builds: dict[str, WindowBuild] = {}
        """Of those that are being built, by the name of the window."""
        self._future_rows: list[Rows] = []
        self.end: int | None = None
        """End of the windows whose figures can be had."""
        self._target: int | None = None
        """End of those that are being built."""
        self._rebuilding = False
        """What waits is read from the segments when they are built."""

    @property
    def is_building(self) -> bool:
        """Tell whether `advance` has to be called again before there are figures."""
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
                for name, window in self._windows.items():
                    changed |= self._builds.get(name, window).record(rows)
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
        target = self._target
        if target is None:
            target = floor_to(watermark, MINUTE)
            if self.end is not None and target <= self.end:
                return False
            self._start_move(target)
        return self._finish_move(target)

    def advance_fully(self, end: int) -> None:
        """Move all the way."""
        while self.end is None or self.end < end:
            self.advance(end)

    def _start_move(self, end: int) -> None:
        self._target = end
        self._rebuilding = self.end is None or end - self.end > REBUILD_AFTER
        self._builds.clear()
        for name, length in ROLLING_LENGTHS.items():
            window = self._windows.get(name)
            if window is None or self.end is None or self._rebuilding or self._crosses(window, end):
                build = WindowBuild.begin(name, length, self._topics, end)
                self._builds[name], self._windows[name] = build, build.window
            else:
                self._step(window, self.end, end)
        self._future_rows = [rows.between(end, rows.hour + HOUR) for rows in self._future_rows]

    def _finish_move(self, end: int) -> bool:
        budget = REBUILD_ROWS_PER_CALL
        for build in self._builds.values():
            budget = build.build(self._load, budget)
        if not all(build.is_done for build in self._builds.values()):
            return False
        self._builds.clear()
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
            name: (window.start, window.end, window.totals.figures())
            for name, window in self._windows.items()
        }
