"""Whether a weekly fraction has changed its level: two-sided CUSUM on standardised residuals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ALLOWANCE = 0.5
"""``k``: half of the smallest shift that is looked for, in standard deviations of a week."""
THRESHOLD = 4.0
"""``h``: how much evidence is an alarm; `level_shifts` says how often it errs."""
MIN_REFERENCE = 8
"""Weeks that a reference needs."""
MAX_REFERENCE = 13
"""Weeks that a reference looks back at the most: a quarter, in which a year is nearly a line."""
MAX_RESIDUAL = 3.0
"""A residual counts as no more than this: one odd week alone is no change of level."""
MIN_LOGIT_SD = 0.05
"""Standard deviation of the logit that a week is granted beyond sampling: about 5 percent.

Without it a large server, whose sampling error is under one percent, would be alarmed by every
turn of the year.
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One complete week: its number (in weeks, from any origin), logit and the logit's variance."""

    week: int
    logit: float
    variance: float


@dataclass(frozen=True, slots=True)
class Score:
    """Both statistics after a week, each over its threshold: more than 1 is an alarm.

    While nothing changes ``residual`` scatters like a standard normal variable, or less where
    weeks vary by less than `MIN_LOGIT_SD`; it is None while there is no reference.
    """

    week: int
    residual: float | None
    up: float
    down: float

    @property
    def alarm(self) -> bool:
        """Whether the level has changed, one way or the other."""
        return self.up > 1 or self.down > 1


def logit_point(week: int, flagged: int, queries: int, design_effect: float) -> Point | None:
    """The empirical logit of ``flagged / queries`` and its variance; None without queries.

    Half a query is added on either side, so that zero has a logit too (Gart & Zweifel 1967,
    Biometrika 54, 181-187). The variance of independent trials is multiplied by the design
    effect (Kish 1965, Survey Sampling).
    """
    if queries <= 0:
        return None
    yes, no = flagged + 0.5, queries - flagged + 0.5
    return Point(week, math.log(yes / no), design_effect * (1 / yes + 1 / no))


def level_shifts(points: Iterable[Point]) -> list[Score]:
    """The statistics after each week of one stretch without a break, oldest first.

    S+ = max(0, S+ + z - k) and S- = max(0, S- - z - k) (Page 1954, Biometrika 41, 100-115). The
    reference is estimated from the weeks before and moves with them, as in a self-starting CUSUM
    (Hawkins 1987, The Statistician 36, 299-315): a line through the last 8 to 13 weeks, so that
    slow growth and the year's cycle are not taken for a change. Weeks may be missing.

    After an alarm both sums begin again, and the reference with the weeks since the change
    began; until it has 8 weeks the statistics stay 0.

    Calibrated by simulation with the estimated reference (tests/counting/test_cusum.py): with
    h = 4 there is less than one false alarm in two years in each kind of series tried, from pure
    sampling noise to the study's growth, a yearly cycle of 15 percent, and weeks that vary by 5
    percent and lean on the week before (autocorrelation up to 0.7). A doubling is found within
    four weeks in 95 percent where a week has 100 flagged queries or more, a halving from 150 on
    (design effect 1.7).
    """
    scores: list[Score] = []
    reference: list[Point] = []
    up = down = 0.0
    rising = falling = 0
    for point in points:
        residual = None
        if len(reference) >= MIN_REFERENCE:
            residual, point = _residual(reference[-MAX_REFERENCE:], point)
            up = max(0.0, up + residual - ALLOWANCE)
            down = max(0.0, down - residual - ALLOWANCE)
            rising = rising + 1 if up else 0
            falling = falling + 1 if down else 0
        scores.append(Score(point.week, residual, up / THRESHOLD, down / THRESHOLD))
        reference.append(point)
        if scores[-1].alarm:
            reference = reference[-(rising if up > THRESHOLD else falling) :]
            up = down = 0.0
            rising = falling = 0
    return scores


def _residual(reference: Sequence[Point], point: Point) -> tuple[float, Point]:
    """Clipped residual of a week, and the week as it may enter the reference, clipped as well.

    The residual is recursive (Brown, Durbin & Evans 1975, J. R. Stat. Soc. B 37, 149-192): over
    the standard error of the forecast. Weeks that scatter more than their variances say widen it
    (quasi-likelihood, McCullagh & Nelder 1989, ch. 4; for charts Laney 2002, Quality Engineering
    14, 531-537). As that scale is estimated, too, t becomes normal by Wallace's transformation
    (1959, Ann. Math. Stat. 30, 1121-1130).
    """
    total = centre = mean = 0.0
    for past in reference:
        weight = 1 / (past.variance + MIN_LOGIT_SD**2)
        total += weight
        centre += weight * past.week
        mean += weight * past.logit
    centre, mean = centre / total, mean / total
    sxx = sxy = syy = 0.0
    for past in reference:
        weight = 1 / (past.variance + MIN_LOGIT_SD**2)
        x, y = past.week - centre, past.logit - mean
        sxx += weight * x * x
        sxy += weight * x * y
        syy += weight * y * y
    freedom = len(reference) - 2
    dispersion = max(1.0, (syy - sxy * sxy / sxx) / freedom)
    weeks_ahead = point.week - centre
    expected = mean + sxy / sxx * weeks_ahead
    variance = point.variance + MIN_LOGIT_SD**2 + 1 / total + weeks_ahead * weeks_ahead / sxx
    error = math.sqrt(dispersion * variance)
    t = (point.logit - expected) / error
    normal = math.sqrt(freedom * math.log1p(t * t / freedom))
    normal = math.copysign(normal * (8 * freedom + 1) / (8 * freedom + 3), t)
    if abs(normal) <= MAX_RESIDUAL:
        return normal, point
    clipped = math.copysign(MAX_RESIDUAL, normal)
    return clipped, Point(point.week, expected + clipped * error, point.variance)
