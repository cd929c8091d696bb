"""The searches that were counted in an hour, as they are looked up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.tick_counts import TICK_MS, Rows

Counts = npt.NDArray[np.int32]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number, so that different ticks move a pseudonym by different amounts."""


def search_keys(pseudonym: Pseudonyms, tick: npt.NDArray[np.integer[npt.NBitBase]]) -> Pseudonyms:
    """Join pseudonyms and ticks of the hour to one number each."""
    return pseudonym + tick.astype(np.uint64) * _MULTIPLIER


@dataclass(slots=True)
class CountedSearches:
    """What was counted in an hour, less what was found again since; ``left`` goes by ``keys``."""

    keys: Pseudonyms
    left: Counts
    by_tick: Counts
    """Queries of each tick of the hour, all addresses together."""
    queries: int = 0
    addresses: int = 0

    @classmethod
    def of(cls, parts: Sequence[Rows]) -> CountedSearches:
        """Collect the rows of an hour."""
        by_tick = np.zeros(HOUR // TICK_MS, np.int32)
        if not parts:
            return cls(np.empty(0, np.uint64), np.empty(0, np.int32), by_tick)
        pseudonym = np.concatenate([part.pseudonym for part in parts])
        tick = np.concatenate([part.tick for part in parts])
        queries = np.concatenate([part.queries for part in parts]).astype(np.int32)
        np.add.at(by_tick, tick, queries)
        keys, place = np.unique(search_keys(pseudonym, tick), return_inverse=True)
        left = np.bincount(place, queries).astype(np.int32)
        return cls(keys, left, by_tick, int(queries.sum()), len(np.unique(pseudonym)))

    def find(self, keys: Pseudonyms) -> npt.NDArray[np.bool_]:
        """Tell which searches are among those counted, each of which is found once."""
        is_counted = np.zeros(len(keys), bool)
        if not len(self.keys):
            return is_counted
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        there = np.flatnonzero(self.keys[place] == keys)
        order = there[np.argsort(place[there], kind="stable")]
        first = np.flatnonzero(np.diff(place[order], prepend=-1))
        nth = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
        is_counted[order] = nth < self.left[place[order]]
        return is_counted

    def take(self, keys: Pseudonyms, ticks: npt.NDArray[np.int64]) -> None:
        """Note that these were found again, so that none is found twice."""
        np.subtract.at(self.left, np.searchsorted(self.keys, keys), 1)
        np.subtract.at(self.by_tick, ticks, 1)
