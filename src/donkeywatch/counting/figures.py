"""The figures of a window, and how they follow from rows: exact, whatever the number of rows."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Countries, Pseudonyms, country_name
from donkeywatch.counting.sorting import order_of, starts, summed, sums, taken
from donkeywatch.counting.windows import MINUTE

THRESHOLDS = (1, 2, 3)
"""An address counts as flagged at this many flagged queries or more."""

TOP = 10
"""How many of the addresses with most flagged queries are told apart, without their names."""

Counts = npt.NDArray[np.int64]
Minutes = npt.NDArray[np.int32]
Narrow = npt.NDArray[np.unsignedinteger[Any]]
"""Counts of a row, in as few bytes as hold the largest of them."""


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """One topic in one window: k_i is the flagged queries of address i, q_i all its queries.

    ``top`` holds the largest k_i, at most ten, in falling order; empty where nobody asked for it.
    """

    queries: int
    addresses: tuple[int, int, int]
    sum_qk: int
    sum_kk: int
    top: tuple[int, ...] = ()

    @classmethod
    def of(cls, q: Counts, k: Counts) -> TopicFigures:
        """From the queries and flagged queries of each address; those with k = 0 may lack."""
        one, two, three = (int(np.count_nonzero(k >= least)) for least in THRESHOLDS)
        return cls(int(k.sum()), (one, two, three), int(q @ k), int(k @ k))

    def __add__(self, other: TopicFigures) -> TopicFigures:
        """Of the addresses of both, which have none in common."""
        one, two, three = map(sum, zip(self.addresses, other.addresses, strict=True))
        return TopicFigures(
            self.queries + other.queries,
            (one, two, three),
            self.sum_qk + other.sum_qk,
            self.sum_kk + other.sum_kk,
            tuple(heapq.nlargest(TOP, (*self.top, *other.top))),
        )

    def of_top(self, addresses: int) -> int:
        """Flagged queries of the so many addresses with most of them, up to ten."""
        return sum(self.top[:addresses])


@dataclass(frozen=True, slots=True)
class CountryFigures:
    """One country in one window; per topic the flagged queries and the flagged addresses."""

    queries: int
    addresses: int
    topics: tuple[tuple[int, int], ...]

    def __add__(self, other: CountryFigures) -> CountryFigures:
        """Of the addresses of both, which have none in common."""
        return CountryFigures(
            self.queries + other.queries,
            self.addresses + other.addresses,
            tuple(
                (mine[0] + theirs[0], mine[1] + theirs[1])
                for mine, theirs in zip(self.topics, other.topics, strict=True)
            ),
        )


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

    def __add__(self, other: Figures) -> Figures:
        """Of the addresses of both, which have none in common."""
        countries = dict(self.countries)
        for name, theirs in other.countries.items():
            countries[name] = countries[name] + theirs if name in countries else theirs
        return Figures(
            self.queries + other.queries,
            self.addresses + other.addresses,
            self.sum_qq + other.sum_qq,
            tuple(a + b for a, b in zip(self.topics, other.topics, strict=True)),
            countries,
        )


def nothing(topics: int) -> Figures:
    """The figures of no row."""
    return Figures(0, 0, 0, (TopicFigures(0, (0, 0, 0), 0, 0),) * topics)


class Span(NamedTuple):
    """A window [start, end), whole minutes in ms UTC.

    It says also whether countries and top addresses are asked for.
    """

    start: int
    end: int
    whole: bool = True


def around(spans: Sequence[Span]) -> tuple[int, int]:
    """Start and end of what some windows cover together, ms UTC."""
    return min(span.start for span in spans), max(span.end for span in spans)


class Columns(NamedTuple):
    """Some rows, a pseudonym perhaps in many of them, in any order; ``flagged`` by topic.

    ``minute`` counts from the Unix epoch, UTC; None where all are known to lie in every window that
    is asked for.
    """

    pseudonym: Pseudonyms
    country: Countries
    queries: Narrow
    flagged: Narrow
    minute: Minutes | None = None


def figures_of(columns: Columns, spans: Sequence[Span]) -> list[Figures]:
    """The figures of the rows in each of some windows, from one look at their order.

    An address that was found in two countries (their database changed in between) counts in the
    one that is later in the alphabet.
    """
    if not len(columns.pseudonym):
        return [nothing(len(columns.flagged)) for _ in spans]
    order = order_of(columns.pseudonym)
    some = np.flatnonzero(columns.flagged.any(axis=0))
    every: _Addresses | None = None
    found = []
    for span in spans:
        inside = _inside(columns, span)
        if inside is None:
            seen = every = every or _Addresses.of(columns, order, some)
        elif inside.any():
            seen = _Addresses.of(columns, order[inside[order]], some[inside[some]])
        else:
            found.append(nothing(len(columns.flagged)))
            continue
        found.append(seen.figures(whole=span.whole))
    return found


def _inside(columns: Columns, span: Span) -> npt.NDArray[np.bool_] | None:
    """Which rows lie in a window; None when all of them do."""
    if columns.minute is None:
        return None
    start, end = span.start // MINUTE, span.end // MINUTE
    inside = (columns.minute >= start) & (columns.minute < end)
    return None if inside.all() else inside


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Queries of each address, which of them were flagged how often by topic, and its country."""

    q: Counts
    ks: Sequence[tuple[Counts, Counts]]
    home: Countries

    @classmethod
    def of(cls, columns: Columns, order: Counts, some: Counts) -> _Addresses:
        """From rows in the order of their pseudonyms; ``some`` are those with flagged queries."""
        asked = taken(columns.pseudonym, order)
        first = starts(asked)
        address = taken(asked, first)
        seekers = columns.pseudonym[some]
        ks = [_per_address(address, seekers, column[some]) for column in columns.flagged]
        q = sums(taken(columns.queries, order), first)
        return cls(q, ks, _homes(taken(columns.country, order), first))

    def figures(self, *, whole: bool) -> Figures:
        """The figures, those of countries and of the top addresses where ``whole``."""
        topics = [TopicFigures.of(self.q[which], k) for which, k in self.ks]
        countries = {}
        if whole:
            countries = _by_country(self.home, self.q, self.ks)
            pairs = zip(topics, self.ks, strict=True)
            topics = [replace(topic, top=_largest(k)) for topic, (_, k) in pairs]
        q = self.q
        return Figures(int(q.sum()), len(q), int(q @ q), tuple(topics), countries)


def _homes(country: Countries, first: Counts) -> Countries:
    """The country of each address; nearly always all its rows name the same."""
    other = country[1:] != country[:-1]
    other[first[1:] - 1] = False
    return np.maximum.reduceat(country, first) if bool(other.any()) else taken(country, first)


def _per_address(
    address: Pseudonyms, pseudonym: Pseudonyms, flagged: Narrow
) -> tuple[Counts, Counts]:
    """Which of the addresses (sorted) were flagged at all, and how often; few are."""
    rows = np.flatnonzero(flagged != 0)
    place = np.searchsorted(address, pseudonym[rows]).view(np.uint64)
    which, k = summed(place, flagged[rows])
    return which.view(np.int64), k


def _largest(k: Counts) -> tuple[int, ...]:
    few = np.partition(k, len(k) - TOP)[-TOP:] if len(k) > TOP else k
    return tuple(np.sort(few)[::-1].tolist())


def _by_country(
    home: Countries, q: Counts, ks: Iterable[tuple[Counts, Counts]]
) -> dict[str, CountryFigures]:
    addresses = np.bincount(home)
    codes = np.flatnonzero(addresses)
    columns = [np.bincount(home, q)[codes], addresses[codes]]
    for which, k in ks:
        flagged = home[which]
        columns.append(np.bincount(flagged, k, minlength=len(addresses))[codes])
        columns.append(np.bincount(flagged, minlength=len(addresses))[codes])
    table = np.rint(np.stack(columns, axis=1)).astype(np.int64).tolist()
    return {
        country_name(code): CountryFigures(
            row[0], row[1], tuple(zip(row[2::2], row[3::2], strict=True))
        )
        for code, row in zip(codes.tolist(), table, strict=True)
    }
