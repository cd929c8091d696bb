"""When the daemon reads, stores and sleeps: promptly after a silence, at leisure in a stream."""

from __future__ import annotations

from donkeywatch.counting.windows import SECOND
from donkeywatch.settings.schema import Checkpoint

IDLE = 30 * SECOND
"""Longest time between two commits when only coverage is new (ms)."""
LEISURE = 334
"""Longest time between two looks at a log that is being written (ms): three in a second."""
_NEVER = -(10**12)


class Pace:
    """What waits to be stored, and since when; all times are of a steady clock in ms."""

    def __init__(self, checkpoint: Checkpoint, scan: float) -> None:
        self._interval = round(checkpoint.interval * SECOND)
        self._bytes = checkpoint.bytes
        self._scan = scan
        self._tried = self._stored = _NEVER
        self.pending = 0
        """Log bytes that were read since the last commit."""

    def due(self, steady: int) -> bool:
        """Is it time for a commit?"""
        return self.pending >= self._bytes or steady - self._tried >= self._interval

    def stale(self, steady: int) -> bool:
        """Was nothing stored for so long that coverage alone is worth a commit?"""
        return steady - self._stored >= IDLE

    def stored(self, steady: int) -> None:
        """A commit with something in it was tried and done."""
        self._tried = self._stored = steady

    def failed(self, steady: int) -> None:
        """Nothing was stored, and what was pending is read again."""
        self._tried, self.pending = steady, 0

    def pause(self, steady: int) -> float:
        """Seconds in which a growing log need not be looked at; 0 when it has been silent.

        What is read before the next commit is shown no sooner, and many small blocks cost more
        than one. A log may be truncated at any time, though: it is not left alone for long.
        """
        return max(0, min(LEISURE, self._tried + self._interval - steady)) / SECOND

    def wait(self, steady: int) -> float:
        """Seconds the loop may sleep: until the next scan, or until a commit is due."""
        due = (self._tried + self._interval - steady) / SECOND
        return min(self._scan, max(0.0, due)) if self.pending else self._scan
