"""Quantiles of the beta distribution, many at once."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

MIN_STIRLING = 1000.0
"""From here on two terms of Stirling's series are as exact as a float."""
MAX_NEWTON_STEPS = 100
CONVERGED = 1e-8
"""Relative step after which the next one, its square, is below what a float tells."""
MIN_CUBE_ROOT = 0.05
"""Less is no approximation any more: where the first shape is far below 1."""
MIN_SHAPE = 1e-300
"""A smaller one has the same quantile, which is 0 to any float."""
MIN_LOG = -700.0
"""Logarithm of what is as good as 0."""
MAX_LOG = -1.2e-16
"""Logarithm of the largest float below 1."""
NEGLIGIBLE = 1e-17
"""A term of a sum that is smaller by so much changes nothing."""


def beta_quantiles(probability: float, a: Numbers, b: Numbers) -> Numbers:
    """Where the regularised incomplete beta function I_x(a, b) has this value, for each a and b.

    Both are positive. What is nearer to 1 is solved as its mirror, I_x(a, b) = 1 - I_(1-x)(b, a).
    """
    a, b = np.maximum(a, MIN_SHAPE), np.maximum(b, MIN_SHAPE)
    is_mirrored = a > b
    z = NormalDist().inv_cdf(probability)
    first, last = np.where(is_mirrored, b, a), np.where(is_mirrored, a, b)
    solved = _solve(
        np.where(is_mirrored, 1 - probability, probability),
        first,
        last,
        _approximate(np.where(is_mirrored, -z, z), first, last),
    )
    return np.where(is_mirrored, 1 - solved, solved)


def _approximate(z: Numbers, a: Numbers, b: Numbers) -> Numbers:
    """Give a start: the quantile at a normal quantile, by the cube root of a gamma variable.

    Wilson & Hilferty 1931, Proc. Natl. Acad. Sci. 17, 684-688.
    """
    root = np.maximum(MIN_CUBE_ROOT, 1 - 1 / (9 * a) + z / (3 * np.sqrt(a)))
    return np.asarray(a * root**3 / (a * root**3 + b), np.float64)


def _solve(probability: Numbers, a: Numbers, b: Numbers, start: Numbers) -> Numbers:
    """Newton's method for log I as a function of log x.

    That is concave where b >= 1 and convex elsewhere, so that it converges from everywhere.
    """
    scale = _log_gamma_rise(b, a) - _log_gamma(a + 1)
    target = np.log(probability)
    log_x = np.log(np.maximum(start, math.exp(MIN_LOG)))
    is_done = np.zeros(len(log_x), np.bool_)
    for _ in range(MAX_NEWTON_STEPS):
        x = np.exp(log_x)
        total = _series(x, a, b)
        log_i = scale + a * log_x + b * np.log1p(-x) + np.log(total)
        slope = a / ((1 - x) * total)
        step = np.clip((target - log_i) / slope, MIN_LOG, -MIN_LOG)
        moved = np.clip(log_x + step, MIN_LOG, MAX_LOG)
        # Each ends for itself: its last digits do not depend on what stands beside it.
        step = np.where(is_done, 0.0, moved - log_x)
        log_x = log_x + step
        is_done |= np.abs(step) < CONVERGED
        if is_done.all():
            break
    return np.exp(log_x)


def _series(x: Numbers, a: Numbers, b: Numbers) -> Numbers:
    """Sum of Gamma(a+b+n) Gamma(a+1) / (Gamma(a+b) Gamma(a+1+n)) x^n over n from 0.

    I_x(a, b) is x^a (1-x)^b Gamma(a+b) / (Gamma(a+1) Gamma(b)) times this (Abramowitz & Stegun,
    26.5.4). All terms are positive: nothing cancels.
    """
    total, term = np.ones_like(x), np.ones_like(x)
    ratio, divisor, sum_ab = np.empty_like(x), np.empty_like(x), a + b
    for n in range(1_000_000):
        np.multiply(np.add(sum_ab, n, out=ratio), x, out=ratio)
        np.divide(ratio, np.add(a, n + 1, out=divisor), out=ratio)
        np.add(total, np.multiply(term, ratio, out=term), out=total)
        if n % 8 == 7 and (term < NEGLIGIBLE * total).all():
            break
    return total


def _log_gamma_rise(x: Numbers, rise: Numbers) -> Numbers:
    """Logarithm of Gamma(x + rise) / Gamma(x), exact also where both are huge."""
    end = x + rise
    stirling = (
        (x - 0.5) * np.log1p(rise / x) + rise * (np.log(end) - 1)
        + (1 / end - 1 / x) / 12 - (1 / end**3 - 1 / x**3) / 360
    )  # fmt: skip
    is_small = x < MIN_STIRLING
    stirling[is_small] = _log_gamma(end[is_small]) - _log_gamma(x[is_small])
    return np.asarray(stirling, np.float64)


def _log_gamma(x: Numbers) -> Numbers:
    return np.fromiter(map(math.lgamma, x.tolist()), np.float64, len(x))
