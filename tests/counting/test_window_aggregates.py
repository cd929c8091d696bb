"""Figures of rows equal a plain dictionary, in one piece or in many."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import MINUTE
from donkeywatch.counting.observations import pack_country
from donkeywatch.counting.window_aggregates import (
    CountryAggregate,
    RowColumns,
    TopicAggregate,
    Window,
    WindowAggregate,
    aggregate,
    empty_aggregate,
)

COUNTRIES = ("DE", "FR", "ZZ")
Row = tuple[int, int, int, int, int]
"""Pseudonym, country, queries, and flagged queries of two topics."""


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A row as the ledger makes them, pseudonyms from all of the 64 bits."""
    q = draw(st.integers(1, 5))
    address = draw(st.integers(0, 25)) * 0x9E3779B97F4A7C15 % 2**64
    return address, draw(st.integers(0, 2)), q, draw(st.integers(0, q)), draw(st.integers(0, q))


def columns(batch: list[Row]) -> WindowAggregate:
    """The figures of rows."""
    return spanned([(row, 0) for row in batch], [Window(0, MINUTE)])[0]


def spanned(timed: list[tuple[Row, int]], spans: list[Window]) -> list[WindowAggregate]:
    """The figures of rows in some windows."""
    batch = [row for row, _ in timed]
    return aggregate(
        RowColumns(
            np.array([row[0] for row in batch], np.uint64),
            np.array([pack_country(COUNTRIES[row[1]]) for row in batch], np.uint16),
            np.array([row[2] for row in batch], np.uint32),
            np.array([row[3:] for row in batch], np.uint32).reshape(-1, 2).T,
            np.array([minute for _, minute in timed], np.int32),
        ),
        spans,
    )


def bare(figures: WindowAggregate) -> WindowAggregate:
    """Without countries and without those who asked most."""
    topics = tuple(replace(topic, top=()) for topic in figures.topics)
    return replace(figures, countries={}, topics=topics)


def brute(batch: list[Row]) -> WindowAggregate:
    """The same from dictionaries."""
    total: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    home: defaultdict[int, int] = defaultdict(int)
    for address, country, *counts in batch:
        total[address] = [a + b for a, b in zip(total[address], counts, strict=True)]
        home[address] = max(home[address], country)
    topics = []
    for t in (1, 2):
        ks = [(item[0], item[t]) for item in total.values()]
        item, two, three = (sum(k >= least for _, k in ks) for least in (1, 2, 3))
        topics.append(
            TopicAggregate(
                sum(k for _, k in ks), (item, two, three), sum(q * k for q, k in ks),
                sum(k * k for _, k in ks),
                tuple(sorted((k for _, k in ks if k), reverse=True)[:10]),
            )
        )  # fmt: skip
    countries = {}
    for number, name in enumerate(COUNTRIES):
        ours = [total[address] for address in total if home[address] == number]
        if ours:
            result = tuple((sum(o[t] for o in ours), sum(o[t] > 0 for o in ours)) for t in (1, 2))
            countries[name] = CountryAggregate(sum(o[0] for o in ours), len(ours), result)
    queries = [item[0] for item in total.values()]
    squares = sum(q * q for q in queries)
    return WindowAggregate(sum(queries), len(total), squares, tuple(topics), countries)


@given(st.lists(rows(), max_size=40))
def test_figures_equal_a_dictionary(batch: list[Row]) -> None:
    """Whatever the order, and an address that changed its country counts once."""
    assert columns(batch) == (brute(batch) if batch else empty_aggregate(2))


@given(st.lists(rows(), max_size=40), st.integers(1, 63))
def test_figures_of_parts_add_up(batch: list[Row], bit: int) -> None:
    """Cut by a bit of the pseudonym, no address is in two parts."""
    high = [row for row in batch if row[0] >> bit & 1]
    low = [row for row in batch if not row[0] >> bit & 1]
    assert columns(high) + columns(low) == columns(batch)


@given(st.lists(st.tuples(rows(), st.integers(0, 9)), max_size=40), st.integers(0, 9))
def test_figures_of_spans_are_those_of_their_rows(timed: list[tuple[Row, int]], begin: int) -> None:
    """With countries or without; whether an address asked once or a thousand times."""
    for often in (1, 1000):
        many = [((a, c, q * often, k * often, m), at) for (a, c, q, k, m), at in timed]
        start, end = begin * MINUTE, 10 * MINUTE
        spans = [
            Window(0, end),
            Window(start, 9 * MINUTE),
            Window(start, end, with_breakdowns=False),
        ]
        result = spanned(many, spans)
        later = [row for row, at in many if at >= begin]
        inside = [row for row, at in many if begin <= at < 9]
        every = [row for row, _ in many]
        assert result == [columns(every), columns(inside), bare(columns(later))]


def test_the_ten_addresses_with_most_are_those_of_all_parts() -> None:
    """Eleven addresses and more, in one piece or put together; ties do not matter."""
    batch = [
        (address, 0, 9, k, 0) for address, k in enumerate((3, 1, 9, 2, 2, 7, 1, 1, 5, 4, 2, 6))
    ]
    whole = columns(batch).topics[0]
    assert whole.top == (9, 7, 6, 5, 4, 3, 2, 2, 2, 1)
    assert (columns(batch[:5]) + columns(batch[5:])).topics[0] == whole
    assert (whole.of_top(1), whole.of_top(10)) == (9, 41)
    assert columns(batch).topics[1].of_top(10) == 0


def test_sums_are_wide() -> None:
    """Counts of 32 bits have squares of 64."""
    first = np.array([4_000_000_000 // 2], np.uint32)
    ours = RowColumns(
        np.array([7], np.uint64), np.array([1], np.uint16), first, first.reshape(1, 1)
    )
    (items,) = aggregate(ours, [Window(0, MINUTE)])
    assert items.sum_qq == items.topics[0].sum_qk == int(first[0]) ** 2


def test_broken_counts_do_not_hold() -> None:
    """Each comparison of the invariants is made."""
    valid = WindowAggregate(5, 3, 9, (TopicAggregate(2, (2, 0, 0), 3, 2),))
    topic = valid.topics[0]
    assert valid.invariants_hold()
    for bad in (
        replace(valid, addresses=6),
        replace(valid, topics=(replace(topic, queries=6),)),
        replace(valid, topics=(replace(topic, addresses=(3, 0, 0)),)),
        replace(valid, topics=(replace(topic, queries=5, addresses=(4, 0, 0)),)),
        replace(valid, topics=(topic, replace(topic, queries=6))),
    ):
        assert not bad.invariants_hold()
