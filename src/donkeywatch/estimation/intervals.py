"""Fractions and their 95 % intervals; the sources of the formulas are in the docstrings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.window_aggregates import WindowAggregate
from donkeywatch.estimation.beta_quantile import beta_quantiles

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
SMALL_SAMPLE = 30
"""With fewer flagged addresses the exact interval has its say too."""

Numbers = npt.NDArray[np.float64]
Bounds = tuple[Numbers, Numbers]
"""Lower and upper bound of each."""


class Estimate(NamedTuple):
    """A fraction with its 95 % interval; ``design_effect`` is 1 for independent trials."""

    value: float
    lower: float
    upper: float
    design_effect: float = 1.0


@dataclass(frozen=True, slots=True)
class TopicColumns:
    """One topic in many windows: whole numbers as floats, all of one length.

    The sums go over the addresses of a window: q is the queries of one, k its flagged queries.
    """

    queries: Numbers
    addresses: Numbers
    sum_qq: Numbers
    flagged_queries: Numbers
    flagged_addresses: Numbers
    """Addresses with at least one flagged query."""
    sum_qk: Numbers
    sum_kk: Numbers


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212)."""
    return _first(wilson_bounds(_column(successes), _column(trials)))


def wilson_bounds(successes: Numbers, trials: Numbers) -> Bounds:
    """Score intervals of many proportions; (0, 1) where there are no trials."""
    n = np.where(trials > 0, trials, 1.0)
    p, z2 = successes / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * np.sqrt(np.maximum(0.0, p * (1 - p) / n + z2 / (4 * n**2)))
    lower = np.where(successes <= 0, 0.0, np.maximum(0.0, centre - half))
    upper = np.where(successes >= trials, 1.0, np.minimum(1.0, centre + half))
    return np.where(trials > 0, lower, 0.0), np.where(trials > 0, upper, 1.0)


def clopper_pearson(successes: float, trials: float) -> tuple[float, float]:
    """Exact interval (Clopper & Pearson 1934, Biometrika 26, 404-413), by beta quantiles.

    Both arguments may be fractional, as effective sample sizes are (Korn & Graubard 1998).
    """
    return _first(clopper_pearson_bounds(_column(successes), _column(trials)))


def clopper_pearson_bounds(successes: Numbers, trials: Numbers) -> Bounds:
    """Exact intervals of many proportions; (0, 1) where there are no trials."""
    failures = trials - successes
    lower, upper = np.zeros(len(trials)), np.ones(len(trials))
    inside = (trials > 0) & (successes > 0)
    lower[inside] = beta_quantiles(0.025, successes[inside], failures[inside] + 1)
    inside = (trials > 0) & (failures > 0)
    upper[inside] = beta_quantiles(0.975, successes[inside] + 1, failures[inside])
    return lower, upper


def query_fraction(figures: WindowAggregate, topic: int) -> Estimate | None:
    """Flagged queries over queries of one window, as `query_fractions` has it."""
    aggregate = figures.topics[topic]
    numbers = (
        figures.queries, figures.addresses, figures.sum_qq,
        aggregate.queries, aggregate.addresses[0], aggregate.sum_qk, aggregate.sum_kk,
    )  # fmt: skip
    return query_fractions(TopicColumns(*map(_column, numbers)))[0]


def query_fractions(of: TopicColumns) -> list[Estimate | None]:
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
    q, k = np.maximum(of.queries, 1.0), of.flagged_queries
    p, has_no_variance = k / q, (k == 0) | (k == q)
    squares = of.sum_kk - 2 * p * of.sum_qk + p * p * of.sum_qq
    clusters = of.addresses / np.maximum(of.addresses - 1, 1.0)
    simple = np.where(has_no_variance, 1.0, p * (1 - p) / q)
    effect = clusters * np.maximum(0.0, squares) / q**2 / simple
    effect = np.where(has_no_variance | (of.addresses < 2), of.sum_qq / q, effect)
    effect = np.maximum(1.0, effect)
    size = np.where(has_no_variance, 1.0, _small_cluster_factor(of.flagged_addresses)) * effect
    lower, upper = wilson_bounds(k / size, q / size)
    small = of.flagged_addresses < SMALL_SAMPLE
    exact = clopper_pearson_bounds((k / size)[small], (q / size)[small])
    lower[small] = np.minimum(lower[small], exact[0])
    upper[small] = np.maximum(upper[small], exact[1])
    return _estimates(of.queries > 0, p, lower, upper, effect)


def _small_cluster_factor(flagged: Numbers) -> Numbers:
    """Give the factor that a variance made of few flagged addresses lacks."""
    few = np.where(flagged > 1, flagged / np.maximum(flagged - 1, 1.0), 2.0)
    return np.where(flagged >= SMALL_SAMPLE, 1.0, few)


def address_fraction(figures: WindowAggregate, topic: int, min_flagged: int = 1) -> Estimate | None:
    """Addresses with at least ``min_flagged`` flagged queries over addresses, by Wilson."""
    flagged = figures.topics[topic].addresses[min_flagged - 1]
    return plain_fractions(_column(flagged), _column(figures.addresses))[0]


def plain_fractions(flagged: Numbers, of: Numbers) -> list[Estimate | None]:
    """Independent ones that are flagged over all, by Wilson; None where there are none."""
    lower, upper = wilson_bounds(flagged, of)
    return _estimates(of > 0, flagged / np.maximum(of, 1.0), lower, upper, np.ones(len(of)))


def _estimates(is_known: npt.NDArray[np.bool_], *columns: Numbers) -> list[Estimate | None]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    # As Estimate._make does, which takes three times as long.
    estimates: list[Estimate | None] = list(map(partial(tuple.__new__, Estimate), rows))
    for i in np.flatnonzero(~is_known).tolist():
        estimates[i] = None
    return estimates


def _column(number: float) -> Numbers:
    return np.array([number], np.float64)


def _first(bounds: Bounds) -> tuple[float, float]:
    return float(bounds[0][0]), float(bounds[1][0])
