"""Per-address totals over any window, and the figures that follow from them, all exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Countries, Pseudonyms, country_name

THRESHOLDS = (1, 2, 3)
"""An address counts as flagged at this many flagged queries or more."""
BATCH = 1 << 18
"""Rows that wait before they are merged into the totals, at the least."""

Counts = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """One topic in one window: k_i is the flagged queries of address i, q_i all its queries."""

    queries: int
    addresses: tuple[int, int, int]
    sum_qk: int
    sum_kk: int


@dataclass(frozen=True, slots=True)
class CountryFigures:
    """One country in one window; per topic the flagged queries and the flagged addresses."""

    queries: int
    addresses: int
    topics: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All counts of a window; ``sum_qq`` is the sum of squared queries per address."""

    queries: int
    addresses: int
    sum_qq: int
    topics: tuple[TopicFigures, ...]
    countries: dict[str, CountryFigures] = field(default_factory=dict)

    def invariants_hold(self) -> bool:
        """No more flagged than there are, and no more addresses than queries."""
        return self.addresses <= self.queries and all(
            topic.addresses[0] <= min(topic.queries, self.addresses)
            and topic.queries <= self.queries
            for topic in self.topics
        )


class Tallies:
    """Sorted columns: pseudonym, country, queries and flagged queries per topic.

    Additions wait until there are enough of them to pay for a merge, so that a week costs a
    few merges and the peak is the totals plus a batch.
    """

    def __init__(self, topics: int) -> None:
        self.pseudonym: Pseudonyms = np.empty(0, np.uint64)
        self.country: Countries = np.empty(0, np.uint16)
        self.queries: Small = np.empty(0, np.int32)
        self.flagged: Small = np.empty((topics, 0), np.int32)
        self._waiting: list[tuple[Pseudonyms, Countries, Counts, Counts, int]] = []
        self._rows = 0

    def add(
        self,
        pseudonym: Pseudonyms,
        country: Countries,
        queries: Counts,
        flagged: Counts,
        sign: int = 1,
    ) -> None:
        """Add (or with ``sign=-1`` take away) rows; pseudonyms may repeat and come in any order."""
        self._waiting.append((pseudonym, country, queries, flagged, sign))
        self._rows += len(pseudonym)
        if self._rows > max(BATCH, len(self.pseudonym) // 2):
            self._merge()

    def _merge(self) -> None:
        if not self._waiting:
            return
        parts, self._waiting, self._rows = self._waiting, [], 0
        pseudonym = np.concatenate([self.pseudonym, *(part[0] for part in parts)])
        order = np.argsort(pseudonym, kind="stable")
        pseudonym = pseudonym[order]
        first = np.flatnonzero(np.concatenate(([True], pseudonym[1:] != pseudonym[:-1])))
        if not len(pseudonym):
            return
        country = np.concatenate([self.country, *(part[1] for part in parts)])[order][first]
        queries = self._summed(
            [self.queries, *(_signed(part[2], part[4]) for part in parts)], order, first
        )
        flagged = np.stack(
            [
                self._summed(
                    [self.flagged[t], *(_signed(part[3][t], part[4]) for part in parts)],
                    order,
                    first,
                )
                for t in range(len(self.flagged))
            ]
        )
        kept = queries > 0
        self.pseudonym, self.country = pseudonym[first][kept], country[kept]
        self.queries, self.flagged = queries[kept], flagged[:, kept]

    @staticmethod
    def _summed(parts: Iterable[Small], order: Counts, first: Counts) -> Small:
        column = np.concatenate(list(parts))[order]
        return np.asarray(np.add.reduceat(column, first), np.int32)

    def figures(self, *, countries: bool = False) -> Figures:
        """Compute the window's figures; those per country only when asked for."""
        self._merge()
        q = self.queries.astype(np.int64)
        topics = tuple(self._topic(q, k.astype(np.int64)) for k in self.flagged)
        return Figures(
            queries=int(q.sum()),
            addresses=len(q),
            sum_qq=int(q @ q),
            topics=topics,
            countries=self._countries() if countries else {},
        )

    @staticmethod
    def _topic(q: Counts, k: Counts) -> TopicFigures:
        one, two, three = (int(np.count_nonzero(k >= least)) for least in THRESHOLDS)
        return TopicFigures(int(k.sum()), (one, two, three), int(q @ k), int(k @ k))

    def _countries(self) -> dict[str, CountryFigures]:
        codes, place = np.unique(self.country, return_inverse=True)
        size = len(codes)

        def summed(weights: Small) -> list[int]:
            return [round(x) for x in np.bincount(place, weights, size).tolist()]

        queries, addresses = summed(self.queries), np.bincount(place, minlength=size).tolist()
        topics = [
            (summed(k), np.bincount(place, k > 0, size).astype(np.int64).tolist())
            for k in self.flagged
        ]
        return {
            country_name(code): CountryFigures(
                queries[i], addresses[i], tuple((ks[i], bs[i]) for ks, bs in topics)
            )
            for i, code in enumerate(codes.tolist())
        }


def _signed(column: Counts, sign: int) -> Small:
    return (column * sign).astype(np.int32)
