"""Where a daily curve has its highest and lowest hour, how far they differ, and when it turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.study.series import Floats

HOURS = 24


@dataclass(frozen=True, slots=True)
class Extremes:
    """Highest and lowest hour of a curve with the hours that may be it, and their ratio.

    ``highest`` and ``lowest`` are the smallest sets of hours, most likely first, that hold
    95 % of the replicates. The ratio's interval is NaN without replicates.
    """

    peak: int
    highest: tuple[int, ...]
    trough: int
    lowest: tuple[int, ...]
    ratio: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Phase:
    """Local time of day at which the first harmonic is highest, in hours, and its interval."""

    value: float
    lower: float
    upper: float


def extremes(curve: Floats, replicates: Floats) -> Extremes | None:
    """Extremes of a curve of 24 hours; None where an hour is missing or the lowest is 0.

    The interval is the basic bootstrap one of the logarithm (Davison & Hinkley 1997, Bootstrap
    Methods, 5.2), which takes back what choosing the highest of noisy hours adds to the ratio.
    """
    if np.isnan(curve).any() or curve.min() <= 0:
        return None
    peak, trough = int(curve.argmax()), int(curve.argmin())
    ratio = float(curve.max() / curve.min())
    sound = replicates[~np.isnan(replicates).any(axis=1)] if len(replicates) else replicates
    if not len(sound):
        return Extremes(peak, (), trough, (), ratio, float("nan"), float("nan"))
    with np.errstate(divide="ignore"):
        logs = np.log(sound.max(axis=1)) - np.log(sound.min(axis=1))
    low, high = np.quantile(logs, (0.025, 0.975))
    return Extremes(
        peak,
        _likely(sound.argmax(axis=1)),
        trough,
        _likely(sound.argmin(axis=1)),
        ratio,
        max(1.0, float(ratio**2 * np.exp(-high))),
        float(ratio**2 * np.exp(-low)),
    )


def _likely(hours: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[int, ...]:
    """The fewest hours that hold 95 % of the draws."""
    counts = np.bincount(hours, minlength=HOURS)
    order = np.argsort(-counts, kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[order]), 0.95 * len(hours))) + 1
    return tuple(order[:enough].tolist())


def phase(curve: Floats, replicates: Floats) -> Phase:
    """When the curve's first harmonic is highest (the acrophase of Nelson et al. 1979,
    Chronobiologia 6, 305-323); hours hold their middles. The interval may reach beyond 0-24.
    """
    value = float(_acrophase(curve[None])[0])
    if not len(replicates):
        return Phase(value, float("nan"), float("nan"))
    shifted = (_acrophase(replicates) - value + HOURS / 2) % HOURS - HOURS / 2
    low, high = np.quantile(shifted, (0.025, 0.975))
    return Phase(value, value + float(low), value + float(high))


def lag(curves: tuple[Floats, Floats], replicates: tuple[Floats, Floats]) -> Phase:
    """By how many hours the first curve's harmonic is later than the second's, within +-12."""
    ends = [_acrophase(curve[None]) for curve in curves]
    value = float((ends[0] - ends[1] + HOURS / 2)[0] % HOURS - HOURS / 2)
    if not len(replicates[0]):
        return Phase(value, float("nan"), float("nan"))
    drawn = _acrophase(replicates[0]) - _acrophase(replicates[1])
    shifted = (drawn - value + HOURS / 2) % HOURS - HOURS / 2
    low, high = np.quantile(shifted, (0.025, 0.975))
    return Phase(value, value + float(low), value + float(high))


def _acrophase(curves: Floats) -> Floats:
    """Of curves of shape (n, 24): hour of the maximum of the first harmonic, 0 to 24."""
    middles = (np.arange(HOURS) + 0.5) * 2 * np.pi / HOURS
    angle = np.arctan2(curves @ np.sin(middles), curves @ np.cos(middles))
    hours: Floats = angle * HOURS / (2 * np.pi) % HOURS
    return hours
