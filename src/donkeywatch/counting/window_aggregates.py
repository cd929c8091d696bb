"""Counts of a window, in all, by topic and by country, and how they follow from rows."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import MINUTE
from donkeywatch.counting.observations import Countries, Pseudonyms, unpack_country
from donkeywatch.counting.sorting import (
    group_sums,
    run_starts,
    run_sums,
    stable_argsort,
    take_items,
)

THRESHOLDS = (1, 2, 3)
"""An address counts as flagged at this many flagged queries or more."""

TOP_ADDRESSES = 10
"""How many of the addresses with most flagged queries are told apart, without their names."""

Counts = npt.NDArray[np.int64]
Minutes = npt.NDArray[np.int32]
CountColumn = npt.NDArray[np.unsignedinteger[Any]]
"""Counts of a row, in as few bytes as hold the largest of them."""


@dataclass(frozen=True, slots=True)
class TopicAggregate:
    """One topic in one window: k_i is the flagged queries of address i, q_i all its queries.

    ``top`` holds the largest k_i, at most ten, in falling order; empty where nobody asked for it.
    """

    queries: int
    addresses: tuple[int, int, int]
    sum_qk: int
    sum_kk: int
    top: tuple[int, ...] = ()

    @classmethod
    def of(cls, q: Counts, k: Counts) -> TopicAggregate:
        """From the queries and flagged queries of each address; those with k = 0 may lack."""
        at_least_one, two, three = (int(np.count_nonzero(k >= least)) for least in THRESHOLDS)
        return cls(int(k.sum()), (at_least_one, two, three), int(q @ k), int(k @ k))

    def __add__(self, other: TopicAggregate) -> TopicAggregate:
        """Add the aggregates of two sets of addresses that have none in common."""
        at_least_one, two, three = map(sum, zip(self.addresses, other.addresses, strict=True))
        return TopicAggregate(
            self.queries + other.queries,
            (at_least_one, two, three),
            self.sum_qk + other.sum_qk,
            self.sum_kk + other.sum_kk,
            tuple(heapq.nlargest(TOP_ADDRESSES, (*self.top, *other.top))),
        )

    def of_top(self, addresses: int) -> int:
        """Flagged queries of the so many addresses with most of them, up to ten."""
        return sum(self.top[:addresses])


@dataclass(frozen=True, slots=True)
class CountryAggregate:
    """One country in one window; per topic the flagged queries and the flagged addresses."""

    queries: int
    addresses: int
    topics: tuple[tuple[int, int], ...]

    def __add__(self, other: CountryAggregate) -> CountryAggregate:
        """Add the aggregates of two sets of addresses that have none in common."""
        return CountryAggregate(
            self.queries + other.queries,
            self.addresses + other.addresses,
            tuple(
                (mine[0] + theirs[0], mine[1] + theirs[1])
                for mine, theirs in zip(self.topics, other.topics, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True)
class WindowAggregate:
    """All counts of a window; ``sum_qq`` is the sum of squared queries per address."""

    queries: int
    addresses: int
    sum_qq: int
    topics: tuple[TopicAggregate, ...]
    countries: dict[str, CountryAggregate] = field(default_factory=dict)

    def invariants_hold(self) -> bool:
        """No more flagged than there are, and no more addresses than queries."""
        return self.addresses <= self.queries and all(
            topic.addresses[0] <= min(topic.queries, self.addresses)
            and topic.queries <= self.queries
            for topic in self.topics
        )

    def __add__(self, other: WindowAggregate) -> WindowAggregate:
        """Add the aggregates of two sets of addresses that have none in common."""
        countries = dict(self.countries)
        for name, theirs in other.countries.items():
            countries[name] = countries[name] + theirs if name in countries else theirs
        return WindowAggregate(
            self.queries + other.queries,
            self.addresses + other.addresses,
            self.sum_qq + other.sum_qq,
            tuple(a + b for a, b in zip(self.topics, other.topics, strict=True)),
            countries,
        )


def empty_aggregate(topics: int) -> WindowAggregate:
    """The figures of no row."""
    return WindowAggregate(0, 0, 0, (TopicAggregate(0, (0, 0, 0), 0, 0),) * topics)


class Window(NamedTuple):
    """A window [start, end), whole minutes in ms UTC.

    It says also whether countries and top addresses are asked for.
    """

    start: int
    end: int
    with_breakdowns: bool = True


def bounds(spans: Sequence[Window]) -> tuple[int, int]:
    """Start and end of what some windows cover together, ms UTC."""
    return min(span.start for span in spans), max(span.end for span in spans)


class RowColumns(NamedTuple):
    """Some rows, a pseudonym perhaps in many of them, in any order; ``flagged`` by topic.

    ``minute`` counts from the Unix epoch, UTC; None where all are known to lie in every window that
    is asked for.
    """

    pseudonym: Pseudonyms
    country: Countries
    queries: CountColumn
    flagged: CountColumn
    minute: Minutes | None = None


def aggregate(columns: RowColumns, spans: Sequence[Window]) -> list[WindowAggregate]:
    """The figures of the rows in each of some windows, from one look at their order.

    An address that was found in two countries (their database changed in between) counts in the
    one that is later in the alphabet.
    """
    if not len(columns.pseudonym):
        return [empty_aggregate(len(columns.flagged)) for _ in spans]
    order = stable_argsort(columns.pseudonym)
    flagged_rows = np.flatnonzero(columns.flagged.any(axis=0))
    all_rows: _PerAddress | None = None
    aggregates = []
    for span in spans:
        in_window = _inside(columns, span)
        if in_window is None:
            per_address = all_rows = all_rows or _PerAddress.of(columns, order, flagged_rows)
        elif in_window.any():
            per_address = _PerAddress.of(
                columns, order[in_window[order]], flagged_rows[in_window[flagged_rows]]
            )
        else:
            aggregates.append(empty_aggregate(len(columns.flagged)))
            continue
        aggregates.append(per_address.figures(whole=span.with_breakdowns))
    return aggregates


def _inside(columns: RowColumns, span: Window) -> npt.NDArray[np.bool_] | None:
    """Tell which rows lie in a window; None when all of them do."""
    if columns.minute is None:
        return None
    start, end = span.start // MINUTE, span.end // MINUTE
    inside = (columns.minute >= start) & (columns.minute < end)
    return None if inside.all() else inside


@dataclass(frozen=True, slots=True)
class _PerAddress:
    """Queries of each address, which of them were flagged how often by topic, and its country."""

    q: Counts
    flagged_by_topic: Sequence[tuple[Counts, Counts]]
    country_of_address: Countries

    @classmethod
    def of(cls, columns: RowColumns, order: Counts, flagged_counts: Counts) -> _PerAddress:
        """Sum rows in the order of their pseudonyms; ``flagged_counts`` are of those flagged."""
        ordered = take_items(columns.pseudonym, order)
        first = run_starts(ordered)
        address = take_items(ordered, first)
        flagged_pseudonyms = columns.pseudonym[flagged_counts]
        ks = [
            _per_address(address, flagged_pseudonyms, column[flagged_counts])
            for column in columns.flagged
        ]
        q = run_sums(take_items(columns.queries, order), first)
        return cls(q, ks, _country_of_address(take_items(columns.country, order), first))

    def figures(self, *, whole: bool) -> WindowAggregate:
        """The figures, those of countries and of the top addresses where ``whole``."""
        topics = [TopicAggregate.of(self.q[which], k) for which, k in self.flagged_by_topic]
        countries = {}
        if whole:
            countries = _by_country(self.country_of_address, self.q, self.flagged_by_topic)
            pairs = zip(topics, self.flagged_by_topic, strict=True)
            topics = [replace(topic, top=_top_counts(k)) for topic, (_, k) in pairs]
        q = self.q
        return WindowAggregate(int(q.sum()), len(q), int(q @ q), tuple(topics), countries)


def _country_of_address(country: Countries, first: Counts) -> Countries:
    """The country of each address; nearly always all its rows name the same."""
    other = country[1:] != country[:-1]
    other[first[1:] - 1] = False
    return np.maximum.reduceat(country, first) if bool(other.any()) else take_items(country, first)


def _per_address(
    address: Pseudonyms, pseudonym: Pseudonyms, flagged: CountColumn
) -> tuple[Counts, Counts]:
    """Give which of the addresses (sorted) were flagged, and how often; few are."""
    rows = np.flatnonzero(flagged != 0)
    place = np.searchsorted(address, pseudonym[rows]).view(np.uint64)
    which, k = group_sums(place, flagged[rows])
    return which.view(np.int64), k


def _top_counts(k: Counts) -> tuple[int, ...]:
    top_k = (
        np.partition(k, len(k) - TOP_ADDRESSES)[-TOP_ADDRESSES:] if len(k) > TOP_ADDRESSES else k
    )
    return tuple(np.sort(top_k)[::-1].tolist())


def _by_country(
    home: Countries, q: Counts, ks: Iterable[tuple[Counts, Counts]]
) -> dict[str, CountryAggregate]:
    addresses = np.bincount(home)
    codes = np.flatnonzero(addresses)
    columns = [np.bincount(home, q)[codes], addresses[codes]]
    for which, k in ks:
        flagged = home[which]
        columns.append(np.bincount(flagged, k, minlength=len(addresses))[codes])
        columns.append(np.bincount(flagged, minlength=len(addresses))[codes])
    table = np.rint(np.stack(columns, axis=1)).astype(np.int64).tolist()
    return {
        unpack_country(code): CountryAggregate(
            row[0], row[1], tuple(zip(row[2::2], row[3::2], strict=True))
        )
        for code, row in zip(codes.tolist(), table, strict=True)
    }
