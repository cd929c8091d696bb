"""Orders, runs and sums of columns equal the plain ways to find them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.sorting import run_starts, run_sums, stable_argsort

alike = st.integers(0, 7).map(lambda low: 0xFEDC_BA98_7654_3210 + low)
"""Numbers that differ in their last bits alone, where places stand while they are sorted."""
columns = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5) | alike, max_size=300).map(
    lambda items: np.array(items, np.uint64)
)


@given(columns)
def test_an_order_is_that_of_a_stable_sort(column: np.ndarray) -> None:
    """Equal numbers stay in their order, and numbers that hardly differ are not mixed up."""
    assert stable_argsort(column).tolist() == sorted(
        range(len(column)), key=column.tolist().__getitem__
    )
    assert stable_argsort(np.sort(column)).tolist() == list(range(len(column)))


@given(columns, st.integers(1, 40), st.sampled_from((np.int32, np.uint8)))
def test_runs_are_summed_whole(column: np.ndarray, every: int, kind: type[np.integer]) -> None:
    """Where each run begins, and the sum of what belongs to it; most amounts may be one."""
    result = np.sort(column)
    first = run_starts(result)
    amounts = np.arange(len(result)).astype(kind) * 7
    amounts[np.arange(len(result)) % every != 0] = 1
    expected: dict[int, int] = {}
    for item, amount in zip(result.tolist(), amounts.tolist(), strict=True):
        expected[item] = expected.get(item, 0) + amount
    assert result[first].tolist() == list(expected)
    assert run_sums(amounts, first).tolist() == list(expected.values())
