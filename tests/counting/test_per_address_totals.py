"""Totals per address equal a plain dictionary, whatever was added and taken away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.counting.per_address_totals import AddressTotals
from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate

Row = tuple[int, int, int, int]
"""Address, queries, and flagged queries of two topics."""


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A row as the ledger makes them."""
    q = draw(st.integers(1, 5))
    return draw(st.integers(0, 12)), q, draw(st.integers(0, q)), draw(st.integers(0, q))


batches = st.lists(st.lists(rows(), max_size=10), max_size=8)


def pseudonym(address: int) -> int:
    """Pseudonyms at both ends of 64 bits."""
    return (address * 0x9E3779B97F4A7C15 + 3) % 2**64 if address else 2**64 - 1


def add(tallies: AddressTotals, batch: list[Row], sign: int = 1) -> None:
    """Add a batch as columns."""
    tallies.add(
        np.array([pseudonym(row[0]) for row in batch], np.uint64),
        np.array([row[1] for row in batch], np.uint32),
        np.array([row[2:] for row in batch], np.uint32).reshape(-1, 2).T,
        sign,
    )


def brute(batch: list[Row]) -> WindowAggregate:
    """The figures from a dictionary."""
    total: dict[int, list[int]] = {}
    for address, *counts in batch:
        total[address] = [a + b for a, b in zip(total.get(address, [0] * 3), counts, strict=True)]

    def topic(t: int) -> TopicAggregate:
        ks = [(item[0], item[t]) for item in total.values()]
        at_least = [sum(k >= least for _, k in ks) for least in (1, 2, 3)]
        return TopicAggregate(
            sum(k for _, k in ks),
            (at_least[0], at_least[1], at_least[2]),
            sum(q * k for q, k in ks),
            sum(k * k for _, k in ks),
        )

    queries = [item[0] for item in total.values()]
    return WindowAggregate(
        sum(queries), len(total), sum(q * q for q in queries), (topic(1), topic(2))
    )


@given(batches, st.sampled_from([0, 3, 1 << 18]), st.lists(st.booleans(), max_size=8))
def test_figures_equal_a_dictionary(parts: list[list[Row]], size: int, ask: list[bool]) -> None:
    """Merged at any time, in any order, asked in between or not: the same figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("donkeywatch.counting.per_address_totals.FLUSH_ROWS", size)
        tallies = AddressTotals(2)
        so_far: list[Row] = []
        for i, part in enumerate(parts):
            add(tallies, part)
            so_far += part
            if i < len(ask) and ask[i]:
                assert tallies.figures() == brute(so_far)
        assert tallies.figures() == brute(so_far)
        assert tallies.figures().invariants_hold()


@given(batches, st.data(), st.sampled_from([0, 3, 1 << 18]))
def test_what_is_taken_away_leaves_no_trace(
    parts: list[list[Row]], data: st.DataObject, size: int
) -> None:
    """After additions and removals the figures are those of what is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("donkeywatch.counting.per_address_totals.FLUSH_ROWS", size)
        tallies = AddressTotals(2)
        inside: list[list[Row]] = []
        for part in parts:
            add(tallies, part)
            inside.append(part)
            if data.draw(st.booleans()):
                add(tallies, inside.pop(data.draw(st.integers(0, len(inside) - 1))), -1)
        left = [row for part in inside for row in part]
        assert tallies.figures() == brute(left)
        for part in inside:
            add(tallies, part, -1)
        assert tallies.figures() == brute([])
        assert [len(column) for column in tallies.queries.items()] == [0, 0]


@settings(max_examples=10)
@given(st.integers(1, 4))
def test_nothing_is_zero_everywhere(topics: int) -> None:
    """No rows, or only empty ones, make a window of zeros."""
    tallies = AddressTotals(topics)
    tallies.add(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty((topics, 0), np.uint32))
    figures = tallies.figures()
    assert figures == WindowAggregate(0, 0, 0, (TopicAggregate(0, (0, 0, 0), 0, 0),) * topics)
    assert figures.invariants_hold()


def test_squares_of_a_very_busy_address_do_not_overflow() -> None:
    """Sums of squares are 64 bits wide."""
    tallies = AddressTotals(1)
    count = 2_000_000_000
    first = np.array([count], np.uint32)
    tallies.add(np.array([5], np.uint64), first, first.reshape(1, 1))
    figures = tallies.figures()
    assert figures.sum_qq == count * count == figures.topics[0].sum_kk
