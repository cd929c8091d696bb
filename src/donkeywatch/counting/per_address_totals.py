"""Per-address totals of a window that moves: rows come in on one side and leave on the other."""

from __future__ import annotations

import numpy as np

from donkeywatch.counting.incremental_multiset import Multiset
from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.window_aggregates import (
    CountColumn,
    Counts,
    TopicAggregate,
    WindowAggregate,
)

FLUSH_ROWS = 1 << 19
"""Rows that wait before they are counted, so that a long window is built in few steps."""


class AddressTotals:
    """How often each address asked, and per topic how often it was flagged.

    Costs grow with what changes, not with what is held: 12 bytes an address, and a look-up
    in a sorted column for each row.
    """

    def __init__(self, topics: int) -> None:
        self.queries = Multiset()
        self.flagged = tuple(Multiset(bits=0) for _ in range(topics))
        self._pending: list[list[tuple[Pseudonyms, Counts]]] = [[] for _ in range(1 + topics)]
        self._rows = 0

    def add(
        self, pseudonym: Pseudonyms, queries: CountColumn, flagged: CountColumn, sign: int = 1
    ) -> None:
        """Add (or with ``sign=-1`` take away) rows; pseudonyms may repeat and come in any order."""
        query_parts, *waiting = self._pending
        query_parts.append((pseudonym, queries.astype(np.int64) * sign))
        self._rows += len(pseudonym)
        for parts, column in zip(waiting, flagged, strict=True):
            flagged_rows = np.flatnonzero(column)
            if len(flagged_rows):
                parts.append(
                    (pseudonym[flagged_rows], column[flagged_rows].astype(np.int64) * sign)
                )
        if self._rows > FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        for multiset, parts in zip((self.queries, *self.flagged), self._pending, strict=True):
            if parts:
                multiset.add(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
                parts.clear()
        self._rows = 0

    def figures(self) -> WindowAggregate:
        """The figures of the window, without countries."""
        self._flush()
        topics = []
        for multiset in self.flagged:
            flagged, k = multiset.items()
            topics.append(TopicAggregate.of(self.queries.of(flagged), k))
        q = self.queries
        return WindowAggregate(q.total, q.distinct, q.sum_of_squares, tuple(topics))
