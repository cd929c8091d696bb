"""When the daemon reads, stores and sleeps: promptly after a silence, at leisure in a stream."""

from __future__ import annotations

from donkeywatch.counting.calendar import SECOND
from donkeywatch.settings.schema import Checkpoint

COVERAGE_COMMIT_MS = 30 * SECOND
"""After so long without a commit the next turn of the loop stores coverage alone (ms)."""
MAX_COALESCE_MS = 334
"""Longest time between two looks at a log that is being written (ms): three in a second."""
_NEVER = -(10**12)


class CommitScheduler:
    """What waits to be stored, and since when; all times are of a steady clock in ms."""

    def __init__(self, checkpoint: Checkpoint, scan: float) -> None:
        self._interval = round(checkpoint.interval * SECOND)
        self._bytes = checkpoint.bytes
        self._scan = scan
        self._last_attempt = self._stored = _NEVER
        self.pending_bytes = 0
        """Log bytes that were read since the last commit."""

    def commit_due(self, steady: int) -> bool:
        """Tell whether it is time for a commit."""
        return self.pending_bytes >= self._bytes or steady - self._last_attempt >= self._interval

    def coverage_commit_due(self, steady: int) -> bool:
        """Tell whether nothing was stored for so long that coverage alone is worth a commit."""
        return steady - self._stored >= COVERAGE_COMMIT_MS

    def on_commit(self, steady: int) -> None:
        """A commit with something in it was tried and done."""
        self._last_attempt = self._stored = steady

    def on_failed_commit(self, steady: int) -> None:
        """Nothing was stored, and what was pending is read again."""
        self._last_attempt, self.pending_bytes = steady, 0

    def coalesce_seconds(self, steady: int) -> float:
        """Seconds in which a growing log need not be looked at; 0 when it has been silent.

        What is read before the next commit is shown no sooner, and many small blocks cost more
        than one. A log may be truncated at any time, though: it is not left alone for long.
        """
        return max(0, min(MAX_COALESCE_MS, self._last_attempt + self._interval - steady)) / SECOND

    def sleep_seconds(self, steady: int) -> float:
        """Seconds the loop may sleep: until the next scan, or until a commit is due."""
        due = (self._last_attempt + self._interval - steady) / SECOND
        return min(self._scan, max(0.0, due)) if self.pending_bytes else self._scan
