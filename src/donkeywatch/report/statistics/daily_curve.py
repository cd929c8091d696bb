"""Where a daily curve has its highest and lowest hour, how far they differ, and when it turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from donkeywatch.report.database_series import FloatArray

HOURS = 24


@dataclass(frozen=True, slots=True)
class Extremes:
    """Highest and lowest hour of a curve, the hours that may be it, and their ratio.

    ``highest`` and ``lowest`` are 95 % confidence sets of hours in rising order; they are empty
    and the ratio's interval is NaN without replicates. Its upper end is infinite where the lowest
    hour may be 0.
    """

    peak: int
    highest: tuple[int, ...]
    trough: int
    lowest: tuple[int, ...]
    ratio: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Lag:
    """By how many hours one daily curve is later than another, with its 95 % interval."""

    value: float
    lower: float
    upper: float


def extremes(
    curve: FloatArray, replicates: FloatArray, ends: tuple[float, float]
) -> Extremes | None:
    """Extremes of a curve of 24 hours; None where an hour is missing or the lowest is 0.

    Choosing the highest of noisy hours adds to the ratio, the more so the more hours are nearly
    highest. The basic bootstrap interval of the logarithm takes that back, too much where there
    is a tie; the percentile interval does not (Davison & Hinkley 1997, Bootstrap Methods, 5.2
    and 5.3). The interval goes from the lower end of the one to the upper end of the other;
    ``ends`` are the quantiles.
    """
    if np.isnan(curve).any() or curve.min() <= 0:
        return None
    peak, trough = int(curve.argmax()), int(curve.argmin())
    ratio = float(curve.max() / curve.min())
    sound = replicates[~np.isnan(replicates).any(axis=1)] if len(replicates) else replicates
    if not len(sound):
        return Extremes(peak, (), trough, (), ratio, float("nan"), float("nan"))
    low, high = _log_ratio_quantiles(sound, ends)
    return Extremes(
        peak,
        highest_hour_set(curve, sound),
        trough,
        highest_hour_set(-curve, -sound),
        ratio,
        max(1.0, float(ratio**2 * np.exp(-high))),
        float(max(np.exp(high), ratio**2 * np.exp(-low))),
    )


def _log_ratio_quantiles(replicates: FloatArray, ends: tuple[float, float]) -> tuple[float, float]:
    """Quantiles of the logarithm of highest over lowest; infinite where the lowest may be 0."""
    highest, lowest = replicates.max(axis=1), replicates.min(axis=1)
    bounded = lowest > 0
    logs = np.full(len(replicates), np.inf)
    logs[bounded] = np.log(highest[bounded]) - np.log(lowest[bounded])
    ordered = np.sort(logs)
    if not np.isfinite(ordered[math.ceil(ends[1] * (len(ordered) - 1))]):
        return float(ordered[int(ends[0] * (len(ordered) - 1))]), math.inf
    low, high = np.quantile(ordered, ends)
    return float(low), float(high)


def highest_hour_set(curve: FloatArray, replicates: FloatArray) -> tuple[int, ...]:
    """Hours that cannot be told from the highest: a 95 % confidence set of it.

    An hour stays unless another is higher by more than chance makes the largest of such
    differences in 95 % of replicates, in units of their deviations (multiple comparisons with
    the best, Hsu 1981, Annals of Statistics 9, 1026-1034, with bootstrap quantiles). The hours
    that occur most often in resampling would not do: they gather around a peak that is itself
    made of noise.
    """
    error = replicates - curve
    candidates = []
    for hour in range(HOURS):
        others = np.delete(np.arange(HOURS), hour)
        spread = error[:, others] - error[:, [hour]]
        deviation = spread.std(axis=0)
        sure = deviation > 0
        if not sure.all() and (curve[others] > curve[hour])[~sure].any():
            continue
        gap = (curve[others] - curve[hour])[sure] / deviation[sure]
        null_maxima = (spread[:, sure] / deviation[sure]).max(axis=1, initial=-np.inf)
        if not len(gap) or gap.max() <= np.quantile(null_maxima, 0.95):
            candidates.append(hour)
    return tuple(candidates)


def lag(
    curves: tuple[FloatArray, FloatArray],
    replicates: tuple[FloatArray, FloatArray],
    ends: tuple[float, float],
) -> Lag:
    """By how many hours the first curve is later than the second, within +-12.

    It is the difference of their acrophases, the hours at which their first harmonics are
    highest (Nelson et al. 1979, Chronobiologia 6, 305-323); ``ends`` are the quantiles.
    """
    turns = [_acrophase(curve[None]) for curve in curves]
    value = float((turns[0] - turns[1] + HOURS / 2)[0] % HOURS - HOURS / 2)
    if not len(replicates[0]):
        return Lag(value, float("nan"), float("nan"))
    drawn = _acrophase(replicates[0]) - _acrophase(replicates[1])
    shifted = (drawn - value + HOURS / 2) % HOURS - HOURS / 2
    low, high = np.quantile(shifted, ends)
    return Lag(value, value + float(low), value + float(high))


def _acrophase(curves: FloatArray) -> FloatArray:
    """Give the hour, 0 to 24, at which the first harmonic of curves (n, 24) is highest."""
    middles = (np.arange(HOURS) + 0.5) * 2 * np.pi / HOURS
    angle = np.arctan2(curves @ np.sin(middles), curves @ np.cos(middles))
    hours: FloatArray = angle * HOURS / (2 * np.pi) % HOURS
    return hours
