"""Fractions and their 95 % intervals; the sources of the formulas are in the docstrings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from donkeywatch.counting.aggregates import WindowAggregate

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
SMALL_SAMPLE = 30
"""With fewer flagged addresses the exact interval has its say too."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fraction with its 95 % interval; ``design_effect`` is 1 for independent trials."""

    value: float
    lower: float
    upper: float
    design_effect: float = 1.0


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212)."""
    if trials <= 0:
        return 0.0, 1.0
    p, z2 = successes / trials, Z * Z
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    lower = 0.0 if successes <= 0 else max(0.0, centre - half)
    upper = 1.0 if successes >= trials else min(1.0, centre + half)
    return lower, upper


def clopper_pearson(successes: float, trials: float) -> tuple[float, float]:
    """Exact interval (Clopper & Pearson 1934, Biometrika 26, 404-413), by beta quantiles.

    Both arguments may be fractional, as effective sample sizes are (Korn & Graubard 1998).
    """
    if trials <= 0:
        return 0.0, 1.0
    failures = trials - successes
    lower = 0.0 if successes <= 0 else _beta_quantile(0.025, successes, failures + 1)
    upper = 1.0 if failures <= 0 else _beta_quantile(0.975, successes + 1, failures)
    return lower, upper


def query_fraction(figures: WindowAggregate, topic: int) -> Estimate | None:
    """Flagged queries over queries with the interval clustered by address; None without queries.

    Queries of one address are not independent. The variance is that of a ratio estimator over
    clusters (Cochran 1977, Sampling Techniques, ch. 6), u_i = k_i - p q_i, and the design
    effect shrinks the sample that goes into Wilson's interval. Where nothing or everything is
    flagged the data hold no variance: there each address counts as one unit of its size,
    deff = sum q_i^2 / q (Kish 1965).

    With n < 30 flagged addresses the variance is made of little more than n terms: the interval
    takes it n / (n - 1) times (as of n clusters, not of all; 2 times where n is 1), and the exact
    interval may widen what comes of it. Without that the interval covers 90 % where n is about 5.
    """
    q, k = figures.queries, figures.topics[topic].queries
    if q == 0:
        return None
    p, addresses, topic_aggregate = k / q, figures.addresses, figures.topics[topic]
    if k in (0, q) or addresses < 2:
        effect = max(1.0, figures.sum_qq / q)
    else:
        squares = topic_aggregate.sum_kk - 2 * p * topic_aggregate.sum_qk + p * p * figures.sum_qq
        variance = addresses / (addresses - 1) * max(0.0, squares) / q**2
        effect = max(1.0, variance / (p * (1 - p) / q))
    size = effect if k in (0, q) else effect * _small_cluster_factor(topic_aggregate.addresses[0])
    lower, upper = wilson(k / size, q / size)
    if topic_aggregate.addresses[0] < SMALL_SAMPLE:
        exact = clopper_pearson(k / size, q / size)
        lower, upper = min(lower, exact[0]), max(upper, exact[1])
    return Estimate(p, lower, upper, effect)


def _small_cluster_factor(flagged: int) -> float:
    """Give the factor that a variance made of few flagged addresses lacks."""
    return 1.0 if flagged >= SMALL_SAMPLE else flagged / (flagged - 1) if flagged > 1 else 2.0


def address_fraction(figures: WindowAggregate, topic: int, min_flagged: int = 1) -> Estimate | None:
    """Addresses with at least ``min_flagged`` flagged queries over addresses, by Wilson."""
    if figures.addresses == 0:
        return None
    flagged = figures.topics[topic].addresses[min_flagged - 1]
    return Estimate(flagged / figures.addresses, *wilson(flagged, figures.addresses))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Inverse of the regularised incomplete beta function, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function (Press et al., Numerical Recipes, 6.4)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1.0 - front * _continued_fraction(1 - x, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method for the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd_term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd_term):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value
