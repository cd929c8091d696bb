"""A multiset of 64-bit numbers that is changed a little at a time, and counts itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.sorting import group_sums, stable_argsort
from donkeywatch.counting.window_aggregates import Counts

Amounts = npt.NDArray[np.int32]
Table = tuple[Pseudonyms, Amounts]
"""Numbers in rising order, each once, and the amount of each."""

_EMPTY: Table = (np.empty(0, np.uint64), np.empty(0, np.int32))
BITS = 6
"""A multiset is cut by so many leading bits: what is made anew at once is a small part of it."""
MIN_RECENT = 4096
"""Numbers a part may hold apart from its bulk, at the least; beyond it an eighth of the bulk."""


class _Shard:
    """Sorted numbers with an amount each, in two tables: a large one and a young one.

    A number whose amount has become zero stays until its table is made anew, at the latest
    when the young table has grown to an eighth of the large one.
    """

    def __init__(self) -> None:
        self.tables: list[Table] = [_EMPTY, _EMPTY]

    def amounts_of(self, keys: Pseudonyms) -> Counts:
        """The amount of each number, 0 where there is none."""
        result = np.zeros(len(keys), np.int64)
        for table, amounts in self.tables:
            place, matched = _find(table, keys)
            result[matched] += amounts[place[matched]]
        return result

    def add(self, keys: Pseudonyms, amounts: Counts) -> Counts:
        """Change the amounts of numbers that each stand there once, in rising order.

        Returns the amounts they had.
        """
        before = np.zeros(len(keys), np.int64)
        unmatched = np.arange(len(keys))
        for table, held in self.tables:
            if not len(table):
                continue
            place, there = _find(table, keys[unmatched])
            new_keys, place = unmatched[there], place[there]
            before[new_keys] = held[place]
            held[place] += amounts[new_keys].astype(np.int32)
            unmatched = unmatched[~there]
        if len(unmatched):
            self._merge_recent(keys[unmatched], amounts[unmatched])
        return before

    def _merge_recent(self, keys: Pseudonyms, amounts: Counts) -> None:
        main, recent = self.tables
        recent = _sorted([recent[0], keys], [recent[1], amounts.astype(np.int32)])
        if len(recent[0]) > max(MIN_RECENT, len(main[0]) >> 3):
            main = _sorted([main[0], recent[0]], [main[1], recent[1]])
            recent = _EMPTY
        self.tables = [main, recent]


def _find(table: Pseudonyms, keys: Pseudonyms) -> tuple[Counts, npt.NDArray[np.bool_]]:
    place = np.searchsorted(table, keys)
    if not len(table):
        return place, np.zeros(len(keys), bool)
    place[place == len(table)] = 0
    return place, table[place] == keys


def _sorted(keys: Sequence[Pseudonyms], amounts: Sequence[Amounts]) -> Table:
    """One table of some that have no number in common; those of amount zero are left out."""
    number, amount = np.concatenate(keys), np.concatenate(amounts)
    order = stable_argsort(number)
    order = order[amount[order] != 0]
    return number[order], amount[order]


class Multiset:
    """Numbers with amounts; ``distinct``, ``total`` and ``sum_of_squares`` are kept up to date.

    ``distinct`` counts the numbers whose amount is not zero; ``sum_of_squares`` is the sum of the
    squared amounts. Memory is 12 bytes a number; an amount is at most 2**31 - 1.
    """

    def __init__(self, bits: int = BITS) -> None:
        self.distinct = self.total = self.sum_of_squares = 0
        self._parts = [_Shard() for _ in range(1 << bits)]
        self._bounds = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits)

    def add(self, keys: Pseudonyms, amounts: Counts) -> None:
        """Change amounts, up or down; numbers may repeat and come in any order."""
        keys, amounts = group_sums(keys, amounts)
        for part, shard_keys, change in self._by_shard(keys, amounts):
            before = part.add(shard_keys, change)
            after = before + change
            self.distinct += int(np.count_nonzero(after)) - int(np.count_nonzero(before))
            self.total += int(change.sum())
            self.sum_of_squares += int(after @ after) - int(before @ before)

    def of(self, keys: Pseudonyms) -> Counts:
        """The amount of each number of a sorted column, 0 where there is none."""
        by_shard = [
            part.amounts_of(shard_keys)
            for part, shard_keys, _ in self._by_shard(keys, keys.view(np.int64))
        ]
        return np.concatenate(by_shard) if by_shard else np.empty(0, np.int64)

    def items(self) -> tuple[Pseudonyms, Counts]:
        """All numbers with their amounts, sorted."""
        tables = [table for part in self._parts for table in part.tables]
        keys, amounts = _sorted([table[0] for table in tables], [table[1] for table in tables])
        return keys, amounts.astype(np.int64)

    def _by_shard(
        self, keys: Pseudonyms, amounts: Counts
    ) -> list[tuple[_Shard, Pseudonyms, Counts]]:
        """Sorted columns cut at the parts' bounds; parts without any are left out."""
        cuts = [0, *np.searchsorted(keys, self._bounds).tolist(), len(keys)]
        return [
            (part, keys[low:high], amounts[low:high])
            for part, low, high in zip(self._parts, cuts[:-1], cuts[1:], strict=True)
            if low < high
        ]
