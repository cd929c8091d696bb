"""The wall clock beside one that never jumps: how far the first can be believed."""

from __future__ import annotations

import time

from donkeywatch.counting.windows import HOUR, MINUTE

EVEN = 6 * HOUR
"""After so long without a jump the wall clock alone may end a week (ms)."""


def wall() -> int:
    """Now, ms UTC."""
    return time.time_ns() // 1_000_000


def steady() -> int:
    """A clock that never jumps, ms."""
    return time.monotonic_ns() // 1_000_000


class Clocks:
    """Both clocks at the last look; all times in ms."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._even_since = 0

    def look(self, now: int, steady: int) -> int:
        """How far the wall clock jumped since the last look; 0 for less than a minute."""
        if self._last is None:
            self._last, self._even_since = (now, steady), steady
        jump = (now - self._last[0]) - (steady - self._last[1])
        self._last = (now, steady)
        if abs(jump) <= MINUTE:
            return 0
        self._even_since = steady
        return jump

    def even(self, steady: int) -> bool:
        """Has the wall clock run evenly for hours?"""
        return self._last is not None and steady - self._even_since >= EVEN
