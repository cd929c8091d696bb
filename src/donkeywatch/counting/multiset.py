"""A multiset of 64-bit numbers that is changed a little at a time, and counts itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.figures import Counts
from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.sorting import order_of, summed

Amounts = npt.NDArray[np.int32]
Table = tuple[Pseudonyms, Amounts]
"""Numbers in rising order, each once, and the amount of each."""

_EMPTY: Table = (np.empty(0, np.uint64), np.empty(0, np.int32))
BITS = 6
"""A multiset is cut by so many leading bits: what is made anew at once is a small part of it."""
YOUNG = 4096
"""Numbers a part may hold apart from its bulk, at the least; beyond it an eighth of the bulk."""


class _Part:
    """Sorted numbers with an amount each, in two tables: a large one and a young one.

    A number whose amount has become zero stays until its table is made anew, at the latest
    when the young table has grown to an eighth of the large one.
    """

    def __init__(self) -> None:
        self.tables: list[Table] = [_EMPTY, _EMPTY]

    def of(self, keys: Pseudonyms) -> Counts:
        """The amount of each number, 0 where there is none."""
        found = np.zeros(len(keys), np.int64)
        for table, amounts in self.tables:
            place, there = _find(table, keys)
            found[there] += amounts[place[there]]
        return found

    def add(self, keys: Pseudonyms, amounts: Counts) -> Counts:
        """Change the amounts of numbers that each stand there once, in rising order.

        Returns the amounts they had.
        """
        before = np.zeros(len(keys), np.int64)
        left = np.arange(len(keys))
        for table, held in self.tables:
            if not len(table):
                continue
            place, there = _find(table, keys[left])
            found, place = left[there], place[there]
            before[found] = held[place]
            held[place] += amounts[found].astype(np.int32)
            left = left[~there]
        if len(left):
            self._join(keys[left], amounts[left])
        return before

    def _join(self, keys: Pseudonyms, amounts: Counts) -> None:
        bulk, young = self.tables
        young = _sorted([young[0], keys], [young[1], amounts.astype(np.int32)])
        if len(young[0]) > max(YOUNG, len(bulk[0]) >> 3):
            bulk = _sorted([bulk[0], young[0]], [bulk[1], young[1]])
            young = _EMPTY
        self.tables = [bulk, young]


def _find(table: Pseudonyms, keys: Pseudonyms) -> tuple[Counts, npt.NDArray[np.bool_]]:
    place = np.searchsorted(table, keys)
    if not len(table):
        return place, np.zeros(len(keys), bool)
    place[place == len(table)] = 0
    return place, table[place] == keys


def _sorted(keys: Sequence[Pseudonyms], amounts: Sequence[Amounts]) -> Table:
    """One table of some that have no number in common; those of amount zero are left out."""
    number, amount = np.concatenate(keys), np.concatenate(amounts)
    order = order_of(number)
    order = order[amount[order] != 0]
    return number[order], amount[order]


class Multiset:
    """Numbers with amounts; ``distinct``, ``total`` and ``squares`` are kept up to date.

    ``distinct`` counts the numbers whose amount is not zero; ``squares`` is the sum of the
    squared amounts. Memory is 12 bytes a number; an amount is at most 2**31 - 1.
    """

    def __init__(self, bits: int = BITS) -> None:
        self.distinct = self.total = self.squares = 0
        self._parts = [_Part() for _ in range(1 << bits)]
        self._bounds = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits)

    def add(self, keys: Pseudonyms, amounts: Counts) -> None:
        """Change amounts, up or down; numbers may repeat and come in any order."""
        keys, amounts = summed(keys, amounts)
        for part, own, change in self._parted(keys, amounts):
            before = part.add(own, change)
            after = before + change
            self.distinct += int(np.count_nonzero(after)) - int(np.count_nonzero(before))
            self.total += int(change.sum())
            self.squares += int(after @ after) - int(before @ before)

    def of(self, keys: Pseudonyms) -> Counts:
        """The amount of each number of a sorted column, 0 where there is none."""
        found = [part.of(own) for part, own, _ in self._parted(keys, keys.view(np.int64))]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def items(self) -> tuple[Pseudonyms, Counts]:
        """All numbers with their amounts, sorted."""
        tables = [table for part in self._parts for table in part.tables]
        keys, amounts = _sorted([table[0] for table in tables], [table[1] for table in tables])
        return keys, amounts.astype(np.int64)

    def _parted(self, keys: Pseudonyms, amounts: Counts) -> list[tuple[_Part, Pseudonyms, Counts]]:
        """Sorted columns cut at the parts' bounds; parts without any are left out."""
        cuts = [0, *np.searchsorted(keys, self._bounds).tolist(), len(keys)]
        return [
            (part, keys[low:high], amounts[low:high])
            for part, low, high in zip(self._parts, cuts[:-1], cuts[1:], strict=True)
            if low < high
        ]
