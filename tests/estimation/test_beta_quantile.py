"""Beta quantiles against their definition, their closed forms and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from donkeywatch.estimation.beta_quantile import beta_quantiles
from donkeywatch.estimation.intervals import clopper_pearson, clopper_pearson_bounds

shapes = st.lists(
    st.tuples(st.floats(1, 2000), st.floats(1, 1e7), st.booleans()),
    min_size=1,
    max_size=8,
)
probabilities = st.sampled_from([0.025, 0.5, 0.975])
proportions = st.lists(
    st.floats(0.5, 5000).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))), max_size=8
)


def columns(rows: list[tuple[float, float, bool]]) -> list[np.ndarray[Any, Any]]:
    """The shapes, either of them first."""
    pairs = [(b, a) if is_turned else (a, b) for a, b, is_turned in rows]
    return [np.array(column) for column in zip(*pairs, strict=True)]


@settings(deadline=None)
@given(probabilities, shapes)
@example(0.025, [(29.0, 1e9, False)])
@example(0.975, [(1.0, 1.0, False)])
def test_quantiles_are_those_of_scipy(
    probability: float, rows: list[tuple[float, float, bool]]
) -> None:
    """Whichever end they are near to."""
    stats = pytest.importorskip("scipy.stats")
    a, b = columns(rows)
    result = beta_quantiles(probability, a, b)
    assert result == pytest.approx(stats.beta.ppf(probability, a, b), rel=1e-7, abs=1e-15)


@settings(deadline=None)
@given(probabilities, st.lists(st.floats(0.01, 1e6), min_size=1, max_size=8))
def test_a_shape_of_1_has_a_closed_form(probability: float, given_b: list[float]) -> None:
    """I_x(1, b) = 1 - (1 - x)^b, and I_x(a, 1) = x^a."""
    b, unit = np.array(given_b), np.ones(len(given_b))
    first = beta_quantiles(probability, unit, b)
    assert first == pytest.approx(-np.expm1(np.log1p(-probability) / b), rel=1e-9, abs=1e-15)
    last = beta_quantiles(probability, b, unit)
    assert last == pytest.approx(probability ** (1 / b), rel=1e-9, abs=1e-15)


@settings(deadline=None)
@given(proportions)
@example([])
def test_many_intervals_are_those_of_each(rows: list[tuple[float, float]]) -> None:
    """What stands beside a proportion does not move its bounds, not by a digit."""
    k, n = (np.array([row[i] for row in rows]) for i in (0, 1))
    lower, upper = clopper_pearson_bounds(k, n)
    assert len(lower) == len(upper) == len(rows)
    for i, row in enumerate(rows):
        assert (lower[i], upper[i]) == clopper_pearson(*row)
