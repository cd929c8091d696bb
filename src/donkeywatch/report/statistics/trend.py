"""Trend of a weekly series: Sen's slope, the Mann-Kendall test for dependent data, STL, growth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.estimation.intervals import Z
from donkeywatch.report.database_series import FloatArray, IntArray

YEAR = 52
"""Weeks of a season."""
MIN_SEASONAL_WEEKS = 104
"""From this many weeks on a season can be told from a trend."""
MIN_WEEKS = 8
"""With fewer complete weeks nothing is said about a trend."""
GROWTH_WEEKS = 12
"""Weeks at either end that growth compares."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Sen's slope, its 95 % interval, and the line's level at time 0."""

    value: float
    lower: float
    upper: float
    intercept: float


@dataclass(frozen=True, slots=True)
class MannKendall:
    """The score S, its variance corrected for autocorrelation, and the two-sided p-value."""

    score: float
    variance: float
    p: float


@dataclass(frozen=True, slots=True)
class Decomposition:
    """STL's parts of a series; they add up to it. NaN where the series has a gap."""

    trend: FloatArray
    season: FloatArray
    remainder: FloatArray


@dataclass(frozen=True, slots=True)
class Growth:
    """Ratio of the mean of the last weeks to that of the first, with its 95 % interval."""

    value: float
    lower: float
    upper: float


def mann_kendall(series: FloatArray) -> MannKendall:
    """Modified Mann-Kendall test (Hamed & Rao 1998, J. Hydrology 204, 182-196).

    The variance of S is that of independent values times 1 + 2/(n(n-1)(n-2)) sum (n-i)(n-i-1)
    (n-i-2) r(i) over the significant autocorrelations of the ranks of the detrended series.
    ``series`` holds no gaps: neighbours are taken for consecutive. The variance is never less
    than that of independent values: in short series the estimated correlations may be negative
    by chance, and would promise too much.
    """
    import pymannkendall

    if np.ptp(series) == 0:
        return MannKendall(0.0, float("nan"), 1.0)
    with np.errstate(invalid="ignore"):  # Its own variance may be negative.
        test = pymannkendall.hamed_rao_modification_test(series)
    variance = max(float(test.var_s), independent_variance(series))
    z = max(0.0, abs(float(test.s)) - 1) / math.sqrt(variance)
    return MannKendall(float(test.s), variance, math.erfc(z / math.sqrt(2)))


def independent_variance(series: FloatArray) -> float:
    """Variance of Mann-Kendall's S for independent values with ties (Kendall 1975)."""
    n = len(series)
    ties = np.unique(series, return_counts=True)[1]
    terms = n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    return float(terms) / 18


def sen_slope(series: FloatArray, times: FloatArray, variance: float) -> Slope:
    """Median of all pairwise slopes (Sen 1968, J. Am. Stat. Assoc. 63, 1379-1389).

    ``variance`` is that of Mann-Kendall's S: the interval is from the ranks around the median
    that z sqrt(variance) reaches. The line goes through the medians (Conover 1980).
    """
    first, second = np.triu_indices(len(series), 1)
    slopes = np.sort((series[second] - series[first]) / (times[second] - times[first]))
    reach = Z * np.sqrt(max(variance, 0.0))
    count = len(slopes)
    upper = min(round((count + reach) / 2), count - 1)
    lower = max(round((count - reach) / 2) - 1, 0)
    value = float(np.median(slopes))
    level = float(np.median(series) - value * np.median(times))
    return Slope(value, float(slopes[lower]), float(slopes[upper]), level)


def stl_decompose(series: FloatArray) -> Decomposition | None:
    """STL with a season of 52 weeks, robust (Cleveland et al. 1990, J. Official Stat. 6, 3-73).

    None below 104 weeks. Gaps are bridged by straight lines for the smoother and are gaps again
    in what comes out of it.
    """
    known = ~np.isnan(series)
    if len(series) < MIN_SEASONAL_WEEKS or known.sum() < MIN_SEASONAL_WEEKS:
        return None
    from statsmodels.tsa.seasonal import STL

    at = np.arange(len(series))
    filled = np.interp(at, at[known], series[known])
    decomposition = STL(filled, period=YEAR, robust=True).fit()
    parts = (decomposition.trend, decomposition.seasonal, decomposition.resid)
    return Decomposition(*(np.where(known, np.asarray(part, np.float64), np.nan) for part in parts))


def growth(values: FloatArray, errors: FloatArray) -> Growth | None:
    """Mean of the last 12 known weeks over that of the first 12, None with fewer than 24.

    ``errors`` are the standard errors of ``values``. The interval is that of the logarithm
    by the delta method (Cochran 1977, ch. 6); the variance of either mean is the larger of what
    the errors say and of what the weeks show around a line of their own, by Student's t.
    """
    ends = growth_weeks(values)
    if ends is None:
        return None
    from scipy import special

    means, spread = [], 0.0
    for weeks in ends:
        mean = float(values[weeks].mean())
        if mean <= 0:
            return None
        line = np.polynomial.Polynomial.fit(weeks, values[weeks], 1)
        residual = values[weeks] - line(weeks.astype(np.float64))
        observed_variance = float(residual @ residual) / (GROWTH_WEEKS - 2) / GROWTH_WEEKS
        sampling_variance = float(errors[weeks] @ errors[weeks]) / GROWTH_WEEKS**2
        means.append(mean)
        spread += max(observed_variance, sampling_variance) / mean**2
    reach = float(special.stdtrit(2 * (GROWTH_WEEKS - 2), 0.975)) * np.sqrt(spread)
    ratio = means[1] / means[0]
    return Growth(ratio, ratio * float(np.exp(-reach)), ratio * float(np.exp(reach)))


def growth_weeks(values: FloatArray) -> tuple[IntArray, IntArray] | None:
    """Places of the first and of the last 12 known weeks; None with fewer than 24."""
    known = np.flatnonzero(~np.isnan(values)).astype(np.int64)
    if len(known) < 2 * GROWTH_WEEKS:
        return None
    return known[:GROWTH_WEEKS], known[-GROWTH_WEEKS:]


def logit(fraction: FloatArray) -> FloatArray:
    """log(p / (1 - p)); NaN where p is 0 or 1, since there it is not finite."""
    inside = (fraction > 0) & (fraction < 1)
    p = np.where(inside, fraction, 0.5)
    return np.where(inside, np.log(p / (1 - p)), np.nan)


def expit(x: npt.NDArray[np.float64]) -> FloatArray:
    """The inverse of `logit`."""
    p: FloatArray = 1 / (1 + np.exp(-x))
    return p
