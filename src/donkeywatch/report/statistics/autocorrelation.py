"""Autocorrelation of a series with gaps, with its flat and its Bartlett bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.estimation.intervals import Z
from donkeywatch.report.database_series import FloatArray, IntArray

Z99 = 2.5758293035489004
"""99.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """r(h) for h = 0 ... lags; ``pairs`` says of how many pairs each is made.

    ``flat95`` and ``flat99`` are half widths under the hypothesis of white noise; ``bartlett``
    is the half width of a 95 % interval of r(h) when all before it are what they seem.
    """

    r: FloatArray
    pairs: IntArray
    flat95: float
    flat99: float
    bartlett: FloatArray


def autocorrelation(series: FloatArray, lags: int) -> Autocorrelation | None:
    """Autocorrelation of a series in which gaps are NaN; None when it is too short or constant.

    r(h) = sum (x_t - m)(x_{t+h} - m) / n / c0 over the pairs that are known, n the number of
    known values (Box & Jenkins 1976, Time Series Analysis, ch. 2); flat bands z / sqrt(n);
    Bartlett's variance (1 + 2 sum_{i<h} r_i^2) / n (Bartlett 1946, J. R. Stat. Soc. Suppl. 8,
    27-41).
    """
    known = ~np.isnan(series)
    count = int(known.sum())
    lags = min(lags, len(series) - 1)
    if count < 3 or lags < 1:
        return None
    x = np.where(known, series - np.mean(series[known]), 0.0)
    power = float(x @ x)
    if power <= 1e-12 * float(np.mean(series[known])) ** 2:
        return None
    ends = [len(x) - h for h in range(lags + 1)]
    r = np.array([x[:end] @ x[h:] for h, end in enumerate(ends)]) / power
    pairs = np.array([np.count_nonzero(known[:end] & known[h:]) for h, end in enumerate(ends)])
    before = np.concatenate(([0.0], np.cumsum(r[1:] ** 2)[:-1]))
    bartlett = Z * np.sqrt(np.concatenate(([0.0], 1 + 2 * before)) / count)
    root = float(np.sqrt(count))
    return Autocorrelation(r, pairs, Z / root, Z99 / root, bartlett)
