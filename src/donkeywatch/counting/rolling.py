"""Rolling windows of an hour, a day and a week, exact to the minute across the weekly keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from donkeywatch.counting.figures import Figures
from donkeywatch.counting.rows import Rows, joined
from donkeywatch.counting.tallies import Tallies
from donkeywatch.counting.windows import HOUR, MINUTE, ROLLING, floor, week_of

Load = Callable[[int, int], Iterable[Rows]]
"""Gives the committed rows of the minutes in [start, end) ms."""

MANY = 100
"""Pieces that wait for the windows before they are put together."""
FAR = 1 << 60
"""Later than any row (ms)."""
STEPS = 90 * MINUTE
"""A window that has to move further than this is built anew from the segments."""


@dataclass(slots=True)
class Window:
    """One rolling window [end - length, end) and the totals of the addresses in it.

    A window of at most seven days touches at most two ISO weeks; all its rows are taken under
    the key of the week it starts in.
    """

    name: str
    length: int
    topics: int
    end: int | None = None
    tallies: Tallies | None = None

    def basis(self) -> int:
        """Start of the week whose key the totals are under."""
        assert self.end is not None  # noqa: S101 - only asked after the first advance
        return week_of(self.end - self.length)

    def add(self, rows: Rows, sign: int = 1) -> None:
        """Add or take away rows that lie in the window."""
        assert self.tallies is not None  # noqa: S101 - only asked after the first advance
        if not len(rows):
            return
        bridged = week_of(rows.hour) != self.basis() and rows.previous is not None
        pseudonym = rows.previous if bridged and rows.previous is not None else rows.pseudonym
        self.tallies.add(pseudonym, rows.queries, rows.flagged, sign)

    def build(self, end: int, load: Load) -> None:
        """Fill the window from the committed segments."""
        self.end, self.tallies = end, Tallies(self.topics)
        for rows in load(end - self.length, end):
            self.add(rows)


class Rolling:
    """The three windows, moved together; rows newer than their end wait in memory."""

    def __init__(self, topics: int, load: Load) -> None:
        self.windows = [Window(name, length, topics) for name, length in ROLLING.items()]
        self._load = load
        self._ahead: list[Rows] = []
        self.end: int | None = None

    def record(self, batch: Iterable[Rows]) -> bool:
        """Take over rows that were just committed; true when a shown window changed."""
        if self.end is None:
            return False
        changed = False
        for rows in batch:
            self._ahead.append(rows.between(self.end, rows.hour + HOUR))
            for window in self.windows:
                inside = rows.between(self.end - window.length, self.end)
                if len(inside):
                    window.add(inside)
                    changed = True
        self._ahead = [rows for rows in self._ahead if len(rows)]
        if len(self._ahead) > MANY:
            hours = sorted({rows.hour for rows in self._ahead})
            self._ahead = [joined([r for r in self._ahead if r.hour == hour]) for hour in hours]
        return changed

    @property
    def waiting(self) -> int:
        """Rows in memory that are newer than the windows."""
        return sum(len(rows) for rows in self._ahead)

    def forget(self) -> None:
        """Drop everything in memory; the next advance builds it from the segments."""
        self.end, self._ahead = None, []

    def advance(self, watermark: int) -> bool:
        """Move the windows' end to the watermark's minute; true when they moved."""
        end = floor(watermark, MINUTE)
        if self.end is not None and end <= self.end:
            return False
        for window in self.windows:
            if self.end is None or end - self.end > STEPS or self._crosses(window, end):
                window.build(end, self._load)
            else:
                self._step(window, self.end, end)
        if self.end is None or end - self.end > STEPS:
            self._ahead = list(self._load(end, FAR))
        else:
            self._ahead = [rows.between(end, rows.hour + HOUR) for rows in self._ahead]
        self._ahead = [rows for rows in self._ahead if len(rows)]
        self.end = end
        return True

    @staticmethod
    def _crosses(window: Window, end: int) -> bool:
        return week_of(end - window.length) != window.basis()

    def _step(self, window: Window, old: int, new: int) -> None:
        for rows in self._ahead:
            window.add(rows.between(old, new))
        for rows in self._load(old - window.length, new - window.length):
            window.add(rows, -1)
        window.end = new

    def figures(self) -> dict[str, tuple[int, int, Figures]]:
        """Start, end and figures of each window by name; empty before the first advance."""
        if self.end is None:
            return {}
        return {
            window.name: (window.end - window.length, window.end, window.tallies.figures())
            for window in self.windows
            if window.end is not None and window.tallies is not None
        }
