"""Intervals against published values, definitions, other libraries and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.estimation.intervals import (
    SMALL_SAMPLE,
    Z,
    address_fraction,
    clopper_pearson,
    query_fraction,
    wilson,
)

Addresses = list[tuple[int, int]]
"""Queries and flagged queries of each address."""
counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
fractional = st.floats(0.5, 5000).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n)))


def figures(addresses: Addresses) -> WindowAggregate:
    """The figures of a window with one topic."""
    ks = [k for _, k in addresses]
    first, two, three = (sum(k >= least for k in ks) for least in (1, 2, 3))
    topic = TopicAggregate(
        sum(ks), (first, two, three), sum(q * k for q, k in addresses), sum(k * k for k in ks)
    )
    qs = [q for q, _ in addresses]
    return WindowAggregate(sum(qs), len(addresses), sum(q * q for q in qs), (topic,))


NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]
"""Newcombe 1998, Statistics in Medicine 17, 857-872, table I: score and exact intervals."""


@pytest.mark.parametrize(("k", "n", "score", "exact"), NEWCOMBE)
def test_published_intervals(
    k: int, n: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    """Both intervals print as in the paper that compared them."""
    assert wilson(k, n) == pytest.approx(score, abs=5.1e-5)
    assert clopper_pearson(k, n) == pytest.approx(exact, abs=5.1e-5)


@given(counts | fractional)
def test_wilson_bounds_solve_the_score_equation(pair: tuple[float, float]) -> None:
    """At each bound b, (p - b)^2 = z^2 b (1 - b) / n."""
    k, n = pair
    p = k / n
    lower, upper = wilson(k, n)
    assert 0 <= lower <= p + 1e-12
    assert p - 1e-12 <= upper <= 1
    for bound in (lower, upper):
        assert (p - bound) ** 2 == pytest.approx(Z * Z * bound * (1 - bound) / n, abs=1e-9)


def tail(n: int, low: int, high: int, p: float) -> float:
    """Probability of low..high successes in n trials."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(low, high + 1))


@settings(deadline=None)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_bounds_have_their_binomial_tails(pair: tuple[int, int]) -> None:
    """At the lower bound k or more successes, at the upper k or fewer, have 2.5 %."""
    k, n = pair
    lower, upper = clopper_pearson(k, n)
    assert (tail(n, k, n, lower) == pytest.approx(0.025, rel=1e-9)) if k else lower == 0
    assert (tail(n, 0, k, upper) == pytest.approx(0.025, rel=1e-9)) if k < n else upper == 1
    assert 0 <= lower <= k / n <= upper <= 1


@given(st.floats(0.3, 1e7))
def test_clopper_pearson_of_none_and_all_has_a_closed_form(n: float) -> None:
    """For k = 0 the upper bound is 1 - 0.025^(1/n), for k = n the lower is its mirror."""
    assert clopper_pearson(0, n) == pytest.approx((0, -math.expm1(math.log(0.025) / n)), rel=1e-7)
    assert clopper_pearson(n, n) == pytest.approx((math.exp(math.log(0.025) / n), 1), rel=1e-7)


def beta_probability(x: float, a: float, b: float) -> float:
    """P(X <= x) for a Beta(a, b) with a, b >= 1, by Simpson's rule."""
    at = np.linspace(0, x, 200_001)
    density = at ** (a - 1) * (1 - at) ** (b - 1)
    weights = np.full(len(at), 2.0)
    weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))
    return float((weights * density).sum()) * x / (len(at) - 1) / 3 * scale


@pytest.mark.parametrize(
    ("k", "n"), [(3.7, 41.3), (2.5, 5.0), (17.2, 18.9), (29.9, 880.5), (4.25, 4000.75)]
)
def test_fractional_clopper_pearson_by_integration(k: float, n: float) -> None:
    """Effective sizes are not whole: the bounds are beta quantiles all the same."""
    lower, upper = clopper_pearson(k, n)
    assert beta_probability(lower, k, n - k + 1) == pytest.approx(0.025, rel=1e-5)
    assert beta_probability(upper, k + 1, n - k) == pytest.approx(0.975, rel=1e-5)


@pytest.fixture(scope="module")
def oracles() -> tuple[Any, Any]:
    """Libraries that the project does without."""
    return (
        pytest.importorskip("scipy.stats"),
        pytest.importorskip("statsmodels.stats.proportion"),
    )


@settings(deadline=None)
@given(counts | fractional)
@example((29.0, 1e9))
@example((1e-5, 1.0))
@example((0.0, 0.5))
def test_other_libraries_agree(oracles: tuple[Any, Any], pair: tuple[float, float]) -> None:
    """scipy's beta quantiles, and statsmodels' two intervals."""
    stats, proportion = oracles
    k, n = pair
    assume(k in (0, n) or min(k, n - k) > 1e-6)  # scipy itself overflows there
    lower = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
    upper = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    assert clopper_pearson(k, n) == pytest.approx((lower, upper), rel=1e-6, abs=1e-12)
    assert wilson(k, n) == pytest.approx(
        proportion.proportion_confint(k, n, method="wilson"), rel=1e-6, abs=1e-12
    )


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_nothing_known_is_the_whole_range(
    interval: Callable[[float, float], tuple[float, float]],
) -> None:
    """Without trials every fraction is possible."""
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(0, -1) == (0.0, 1.0)


def test_no_queries_have_no_fraction() -> None:
    """None, not zero."""
    assert query_fraction(figures([]), 0) is None
    assert address_fraction(figures([]), 0) is None


addresses = st.lists(
    st.integers(1, 30).flatmap(lambda q: st.tuples(st.just(q), st.integers(0, q))),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(addresses)
@example([(1, 0)])
@example([(7, 7)])
@example([(5, 0)] * 50)
@example([(5, 5)] * 50)
@example([(1, i % 2) for i in range(100)])
def test_the_clustered_interval_follows_its_definition(first: Addresses) -> None:
    """se = sqrt(A/(A-1) sum u_i^2)/q, deff = max(1, se^2/(p(1-p)/q)), Wilson(k/deff, q/deff).

    With n < 30 flagged addresses the interval takes deff n/(n-1) times.
    """
    result = query_fraction(figures(first), 0)
    assert result is not None
    q, k, size = sum(a[0] for a in first), sum(a[1] for a in first), len(first)
    p, scarce = k / q, 1.0
    few = sum(a[1] > 0 for a in first)
    if 0 < k < q and few < SMALL_SAMPLE:
        scarce = few / (few - 1) if few > 1 else 2.0
    if 0 < k < q and size > 1:
        se2 = size / (size - 1) * math.fsum((a[1] - p * a[0]) ** 2 for a in first) / q**2
        deff = max(1.0, se2 / (p * (1 - p) / q))
    else:
        deff = max(1.0, sum(a[0] ** 2 for a in first) / q)
    effective = deff * scarce
    lower, upper = wilson(k / effective, q / effective)
    if sum(a[1] > 0 for a in first) < SMALL_SAMPLE:
        exact = clopper_pearson(k / effective, q / effective)
        lower, upper = min(lower, exact[0]), max(upper, exact[1])
    assert result.value == p
    assert result.design_effect == pytest.approx(deff, rel=1e-9)
    assert (result.lower, result.upper) == pytest.approx((lower, upper), rel=1e-7, abs=1e-12)
    assert 0 <= result.lower <= p <= result.upper <= 1
    assert result.lower < result.upper


def test_nothing_flagged_has_an_upper_limit() -> None:
    """Zero of many is not 0 +- 0, and heavy addresses make the limit wider."""
    light = query_fraction(figures([(1, 0)] * 1000), 0)
    heavy = query_fraction(figures([(1, 0)] * 500 + [(500, 0)]), 0)
    assert light is not None
    assert heavy is not None
    assert light.value == light.lower == heavy.lower == 0
    assert light.upper == pytest.approx(Z * Z / (1000 + Z * Z)), "Wilson's is the wider one here"
    assert heavy.upper > 10 * light.upper


def test_from_thirty_flagged_addresses_on_wilson_speaks_alone() -> None:
    """At 29 the exact interval may widen it; at 30 it does not."""
    few = figures([(1, 1)] * 29 + [(1, 0)] * 971)
    many = figures([(1, 1)] * 30 + [(1, 0)] * 970)
    low, high = query_fraction(few, 0), query_fraction(many, 0)
    assert low is not None
    assert high is not None
    assert low.lower < wilson(29 / low.design_effect, 1000 / low.design_effect)[0]
    assert (high.lower, high.upper) == wilson(30 / high.design_effect, 1000 / high.design_effect)


@pytest.mark.parametrize(("least", "flagged"), [(1, 5), (2, 3), (3, 1)])
def test_the_address_fraction_is_plain_wilson(least: int, flagged: int) -> None:
    """Addresses with one, two or three flagged queries or more, over all addresses."""
    first = figures([(4, 1)] * 2 + [(4, 2)] * 2 + [(4, 3)] + [(4, 0)] * 15)
    result = address_fraction(first, 0, least)
    assert result is not None
    assert result.value == flagged / 20
    assert (result.lower, result.upper) == wilson(flagged, 20)
    assert result.design_effect == 1


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_95_percent_covers_95_percent_of_clustered_queries(share: float) -> None:
    """With few busy flagged addresses among many, 93-97 % of the intervals hold the truth."""
    rng = np.random.default_rng(20261123)
    runs, size, inside, plain = 1500, 4000, 0, 0
    mean_q, seeking = 1 + 4.0, 0.5
    truth = share * seeking
    for _ in range(runs):
        q = 1 + rng.negative_binomial(0.8, 0.8 / (0.8 + mean_q - 1), size)
        k = rng.binomial(q, np.where(rng.random(size) < share, seeking, 0.0))
        topic = TopicAggregate(int(k.sum()), (int((k > 0).sum()), 0, 0), int(q @ k), int(k @ k))
        result = query_fraction(WindowAggregate(int(q.sum()), size, int(q @ q), (topic,)), 0)
        assert result is not None
        inside += result.lower <= truth <= result.upper
        lower, upper = wilson(topic.queries, int(q.sum()))
        plain += lower <= truth <= upper
    assert 0.93 <= inside / runs <= 0.97
    assert plain / runs < 0.85, "the simulation is not clustered enough to prove anything"
