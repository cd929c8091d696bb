"""The generator's own count of what it writes: no line is read again, nothing is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np

from comparison.figures import Counts, Figures
from comparison.stock import Bools, Longs
from donkeywatch.simulation.truth import HOUR, TOPICS

WEEK = 7 * 24 * HOUR
MONDAY = 4 * 24 * HOUR
"""The first Monday of 1970, ms."""


class Tally:
    """Counts by hour and ISO week; a window is closed two windows later, to bound memory."""

    def __init__(self, addresses: int) -> None:
        """Serials of addresses are below `addresses`."""
        self.hours: Figures = {}
        self.weeks: Figures = {}
        self._size = addresses
        self._open: dict[tuple[Callable[[int], str], int], _Window] = {}

    def add(self, times: Longs, serials: Longs, flagged: dict[str, Bools]) -> None:
        """Count some lines: ms since 1970 (UTC), serial of the address, flagged by topic."""
        for name, number in ((hour_name, times // HOUR), (week_name, (times - MONDAY) // WEEK)):
            for item in range(int(number.min()), int(number.max()) + 1):
                mine = number == item
                if mine.any():
                    window = self._open.setdefault((name, item), _Window(self._size))
                    window.add(serials[mine], {t: f[mine] for t, f in flagged.items()})
            self._close(name, int(number.max()) - 1)

    def close(self) -> None:
        """Count what is still open."""
        for name in (hour_name, week_name):
            self._close(name, 1 << 40)

    def _close(self, name: Callable[[int], str], before: int) -> None:
        done = sorted(item for kind, item in self._open if kind is name and item < before)
        into = self.hours if name is hour_name else self.weeks
        for item in done:
            into[name(item)] = self._open.pop((name, item)).counts()


class _Window:
    def __init__(self, size: int) -> None:
        self._queries = 0
        self._is_counted = np.zeros(size, np.bool_)
        self._flagged: dict[str, list[Longs]] = {topic: [] for topic in TOPICS}

    def add(self, serials: Longs, flagged: dict[str, Bools]) -> None:
        self._queries += len(serials)
        self._is_counted[serials] = True
        for topic, mask in flagged.items():
            self._flagged[topic].append(serials[mask])

    def counts(self) -> Counts:
        return dict(_columns(self._queries, int(np.count_nonzero(self._is_counted)), self._flagged))


def _columns(
    queries: int, addresses: int, flagged: dict[str, list[Longs]]
) -> Iterator[tuple[str, int]]:
    yield "queries", queries
    yield "addresses", addresses
    for topic, serials in flagged.items():
        together = np.concatenate(serials)
        yield topic, len(together)
        yield f"{topic}_addresses", len(np.unique(together))


def hour_name(number: int) -> str:
    """Like `2026-10-05T07`, from the hours since 1970."""
    return datetime.fromtimestamp(number * 3600, UTC).strftime("%Y-%m-%dT%H")


def week_name(number: int) -> str:
    """Like `2026-W41`, from the weeks since the first Monday of 1970."""
    return datetime.fromtimestamp((number * WEEK + MONDAY) // 1000, UTC).strftime("%G-W%V")
