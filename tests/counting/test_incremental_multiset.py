"""A multiset equals a dictionary, however it came about."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.incremental_multiset import Multiset

changes = st.lists(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=30), max_size=12
)


def number(i: int) -> int:
    """Spread over all of the 64 bits, both ends included."""
    return i * 0x9E3779B97F4A7C15 % 2**64 if i < 40 else 2**64 - 1


def change(multiset: Multiset, batch: list[tuple[int, int]], sign: int) -> None:
    """Apply a batch as columns."""
    keys = np.array([number(i) for i, _ in batch], np.uint64)
    multiset.add(keys, np.array([sign * n for _, n in batch], np.int64))


@given(
    changes,
    st.lists(st.booleans(), max_size=12),
    st.sampled_from([0, 3]),
    st.sampled_from([1, 4, 4096]),
)
def test_it_equals_a_dictionary(
    batches: list[list[tuple[int, int]]], leave: list[bool], bits: int, young: int
) -> None:
    """Additions and removals in any order; what it keeps of itself is right at every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("donkeywatch.counting.incremental_multiset.MIN_RECENT", young)
        multiset, plain = Multiset(bits), Counter[int]()
        for i, batch in enumerate(batches):
            change(multiset, batch, 1)
            plain.update({number(k): 0 for k, _ in batch})
            for k, n in batch:
                plain[number(k)] += n
            if i < len(leave) and leave[i]:
                change(multiset, batch, -1)
                for k, n in batch:
                    plain[number(k)] -= n
            held = {key: n for key, n in plain.items() if n}
            assert multiset.distinct == len(held)
            assert multiset.total == sum(held.values())
            assert multiset.sum_of_squares == sum(n * n for n in held.values())
        keys, amounts = multiset.items()
        assert dict(zip(keys.tolist(), amounts.tolist(), strict=True)) == held if batches else True
        request = np.array(sorted(number(i) for i in range(41)), np.uint64)
        assert multiset.of(request).tolist() == [plain[key] for key in request.tolist()]


def test_what_has_left_does_not_pile_up() -> None:
    """A window that moves for ever holds what is in it and little more."""
    multiset = Multiset(bits=2)
    ones = np.ones(10_000, np.int64)
    rng = np.random.default_rng(1)
    last = rng.integers(0, 1 << 64, 10_000, np.uint64)
    multiset.add(last, ones)
    for _ in range(30):
        fresh = rng.integers(0, 1 << 64, 10_000, np.uint64)
        multiset.add(fresh, ones)
        multiset.add(last, -ones)
        last = fresh
    held = sum(len(table[0]) for part in multiset._parts for table in part.tables)
    assert multiset.distinct == 10_000
    assert held < 50_000
