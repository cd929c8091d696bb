"""Per-address totals of a window that moves: rows come in on one side and leave on the other."""

from __future__ import annotations

import numpy as np

from donkeywatch.counting.figures import Counts, Figures, Narrow, TopicFigures
from donkeywatch.counting.multiset import Multiset
from donkeywatch.counting.observations import Pseudonyms

BATCH = 1 << 19
"""Rows that wait before they are counted, so that a long window is built in few steps."""


class Tallies:
    """How often each address asked, and per topic how often it was flagged.

    Costs grow with what changes, not with what is held: 12 bytes an address, and a look-up
    in a sorted column for each row.
    """

    def __init__(self, topics: int) -> None:
        self.queries = Multiset()
        self.flagged = tuple(Multiset(bits=0) for _ in range(topics))
        self._waiting: list[list[tuple[Pseudonyms, Counts]]] = [[] for _ in range(1 + topics)]
        self._rows = 0

    def add(self, pseudonym: Pseudonyms, queries: Narrow, flagged: Narrow, sign: int = 1) -> None:
        """Add (or with ``sign=-1`` take away) rows; pseudonyms may repeat and come in any order."""
        asked, *waiting = self._waiting
        asked.append((pseudonym, queries.astype(np.int64) * sign))
        self._rows += len(pseudonym)
        for parts, column in zip(waiting, flagged, strict=True):
            some = np.flatnonzero(column)
            if len(some):
                parts.append((pseudonym[some], column[some].astype(np.int64) * sign))
        if self._rows > BATCH:
            self._count()

    def _count(self) -> None:
        for multiset, parts in zip((self.queries, *self.flagged), self._waiting, strict=True):
            if parts:
                multiset.add(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
                parts.clear()
        self._rows = 0

    def figures(self) -> Figures:
        """The figures of the window, without countries."""
        self._count()
        topics = []
        for multiset in self.flagged:
            flagged, k = multiset.items()
            topics.append(TopicFigures.of(self.queries.of(flagged), k))
        q = self.queries
        return Figures(q.total, q.distinct, q.squares, tuple(topics))
