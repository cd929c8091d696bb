"""The factor between two lists has an interval that is right as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from donkeywatch.estimation.intervals import Estimate, Z
from donkeywatch.estimation.splice import splice_factor, spliced

CHANGES = 200
ADDRESSES = 3_000
TRUE_FACTOR = 1.35
COVERAGE_BOUNDS = 0.93, 0.97
"""What 200 intervals of 95 % may show; the figure itself is exact for the seed."""


def simulated_counts(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Queries of addresses that ask for few things, each of them again and again.

    Each thing is flagged by the old list with the chance 0.6 and by the new one with 0.81, four
    fifths of what the old one flags among it.
    """
    things = rng.geometric(0.6, ADDRESSES)
    address = np.repeat(np.arange(ADDRESSES), things)
    repeats = rng.geometric(0.35, len(address))
    kind = rng.random(len(address))
    by_old = kind < 0.6
    by_new = (kind < 0.48) | ((kind >= 0.6) & (kind < 0.6 + 0.6 * TRUE_FACTOR - 0.48))
    old = np.bincount(address, repeats * by_old, minlength=ADDRESSES).astype(np.int64)
    new = np.bincount(address, repeats * by_new, minlength=ADDRESSES).astype(np.int64)
    return old, new


def test_the_true_factor_lies_in_the_interval_as_often_as_it_says() -> None:
    """Of 200 simulated changes, 93 to 97 %."""
    rng = np.random.default_rng(20261130)
    inside = 0
    for _ in range(CHANGES):
        estimate = splice_factor(*simulated_counts(rng))
        assert estimate is not None
        inside += estimate.factor.lower <= TRUE_FACTOR <= estimate.factor.upper
    assert COVERAGE_BOUNDS[0] <= inside / CHANGES <= COVERAGE_BOUNDS[1], inside


def test_the_same_list_has_the_factor_one() -> None:
    """With no doubt about it: both flag the same queries."""
    counts = np.array([1, 4, 0, 2])
    estimate = splice_factor(counts, counts)
    assert estimate is not None
    assert estimate.factor[:3] == pytest.approx((1, 1, 1))
    assert (estimate.old, estimate.new, estimate.addresses) == (7, 7, 3)


def test_pairing_makes_the_interval_narrow() -> None:
    """A list that flags one query in a hundred more has a factor above 1."""
    old = np.full(1_000, 2)
    new = old + (np.arange(1_000) % 50 == 0)
    estimate = splice_factor(old, new)
    assert estimate is not None
    assert estimate.factor.lower > 1
    assert estimate.factor.value == pytest.approx(1.01)


@pytest.mark.parametrize(("old", "new"), [([], []), ([3], [4]), ([0, 0], [1, 2]), ([1, 2], [0, 0])])
def test_nothing_is_said_of_nothing(old: list[int], new: list[int]) -> None:
    """Fewer than two addresses, or a list that flagged nothing."""
    assert splice_factor(np.array(old, np.int64), np.array(new, np.int64)) is None


def test_a_spliced_estimate_holds_the_doubt_of_both() -> None:
    """By simulation: the true product lies in 95 % of the intervals."""
    rng = np.random.default_rng(7)
    inside, trials = 0, 4_000
    for _ in range(trials):
        value, factor = 0.004 * math.exp(rng.normal(0, 0.05)), 1.3 * math.exp(rng.normal(0, 0.03))
        estimate = Estimate(value, value * math.exp(-Z * 0.05), value * math.exp(Z * 0.05))
        splice = Estimate(factor, factor * math.exp(-Z * 0.03), factor * math.exp(Z * 0.03))
        result = spliced(estimate, [splice])
        inside += result.lower <= 0.004 * 1.3 <= result.upper
    assert 0.94 < inside / trials < 0.96


def test_without_a_factor_nothing_changes() -> None:
    """And nothing flagged stays nothing."""
    estimate = Estimate(0.004, 0.003, 0.006, 1.7)
    assert spliced(estimate, []) == pytest.approx(estimate)
    nothing = spliced(Estimate(0.0, 0.0, 0.001, 1.0), [Estimate(2, 1.5, 2.6)])
    assert nothing == pytest.approx((0.0, 0.0, 0.002, 1.0))
