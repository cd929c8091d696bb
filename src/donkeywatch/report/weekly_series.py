"""The weeks: both fractions with their intervals, stretches between breaks, and their trends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from donkeywatch.counting.calendar import HOUR, WEEK
from donkeywatch.estimation import correction, level_shift
from donkeywatch.estimation.correction import Accuracy
from donkeywatch.estimation.intervals import Estimate, Z, address_fraction, query_fraction
from donkeywatch.estimation.splice import spliced
from donkeywatch.report.database_series import (
    SERIES_BREAKS,
    BoolArray,
    Break,
    FloatArray,
    IntArray,
    Windows,
)
from donkeywatch.report.hour_exclusion import COVERED, Rule
from donkeywatch.report.statistics import trend
from donkeywatch.report.statistics.change_points import change_points, remove_annual_cycle
from donkeywatch.report.statistics.trend import Decomposition, Growth, MannKendall, Slope

QUERY_BREAKS = ("format", "normalisation")
"""Kinds of breaks that change which lines are queries."""
ROLLING = 5
"""Weeks in the rolling mean of queries, centred."""
YEAR = 365.2425 / 7
"""Weeks in a year."""


@dataclass(frozen=True, slots=True)
class Fractions:
    """A fraction by week with its 95 % interval; NaN where the week does not count."""

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    effect: FloatArray

    @property
    def error(self) -> FloatArray:
        """Standard errors as far as the interval is symmetric."""
        half: FloatArray = (self.upper - self.lower) / (2 * Z)
        return half


@dataclass(frozen=True, slots=True)
class Trend:
    """What can be said of one stretch of weeks without a break; weeks are places in the series.

    ``growth_weeks`` are the first and the last 12 whole weeks, whose means ``growth`` compares.
    ``slope`` is Sen's, of the logit of the query fraction by week; `None` all through when
    there are fewer than 8 whole weeks.
    """

    first: int
    last: int
    complete: int
    slope: Slope | None = None
    test: MannKendall | None = None
    growth: Growth | None = None
    growth_weeks: tuple[IntArray, IntArray] | None = None
    parts: Decomposition | None = None
    changes: tuple[int, ...] = ()
    alarms: tuple[int, ...] = ()

    @property
    def yearly(self) -> tuple[float, float, float] | None:
        """Factor by which the odds change in a year, with its 95 % interval."""
        if self.slope is None:
            return None
        ends = (self.slope.value, self.slope.lower, self.slope.upper)
        value, lower, upper = (float(np.exp(YEAR * end)) for end in ends)
        return value, lower, upper


@dataclass(frozen=True, slots=True)
class WeeklySeries:
    """The weeks of one topic: ``whole`` ones count, ``mixed`` ones have a break inside."""

    windows: Windows
    whole: BoolArray
    contains_break: BoolArray
    queries: Fractions
    addresses: tuple[Fractions, Fractions, Fractions]
    trends: tuple[Trend, ...]

    @property
    def queries_or_nan(self) -> FloatArray:
        """Queries of the whole weeks, NaN elsewhere; a changed lexicon does not change them."""
        return np.where(self.whole, self.windows.queries, np.nan)

    def rolling(self, breaks: Sequence[Break]) -> FloatArray:
        """Centred mean of five weeks' queries, none of them across a change of the log."""
        means, queries = np.full(len(self.windows), np.nan), self.queries_or_nan
        times = [at.time for at in breaks if at.kind in QUERY_BREAKS]
        for first, last in segments_between_breaks(self.windows, times):
            means[first:last] = rolling_mean(queries[first:last])
        return means


def complete_weeks(weeks: Windows, hours: Windows, keep: BoolArray, rule: Rule) -> BoolArray:
    """Weeks covered for 95 % of which 95 % of the hours are left in; with other rules, all."""
    if rule != "coverage":
        return weeks.stored & ((weeks.coverage > 0) | (weeks.queries > 0))
    whole = weeks.stored & (weeks.coverage >= COVERED)
    if len(weeks) and len(hours):
        place = (hours.start - weeks.start[0]) // WEEK
        inside = (place >= 0) & (place < len(weeks))
        known = np.bincount(place[inside & hours.stored], minlength=len(weeks))
        kept = np.bincount(place[inside & keep], minlength=len(weeks))
        # Hours may have been pruned before their weeks: then the week speaks for itself.
        whole &= (known == 0) | (kept >= COVERED * WEEK / HOUR)
    return whole


def weekly(windows: Windows, whole: BoolArray, breaks: Sequence[Break]) -> WeeklySeries:
    """Fractions and trends of weeks; no trend goes across a break."""
    times = [each.time for each in breaks if each.kind in SERIES_BREAKS]
    mixed = np.zeros(len(windows), bool)
    for time in times:
        mixed |= (windows.start < time) & (time < windows.start + WEEK)
    usable = np.flatnonzero(whole & ~mixed).tolist()
    figures = {at: windows.figures(at) for at in usable}
    queries = _fractions(len(windows), {at: query_fraction(figures[at], 0) for at in usable})
    each, two, three = (
        _fractions(len(windows), {at: address_fraction(figures[at], 0, least) for at in usable})
        for least in (1, 2, 3)
    )
    trends = tuple(
        _trend(windows, queries, *span) for span in segments_between_breaks(windows, times)
    )
    return WeeklySeries(windows, whole, mixed, queries, (each, two, three), trends)


def corrected(windows: Windows, observed: Fractions, accuracy: Accuracy, since: int) -> Fractions:
    """The corrected query fraction of the weeks from a time on; NaN where the observed one is."""
    estimates: dict[int, Estimate | None] = {}
    for at in np.flatnonzero(~np.isnan(observed.value) & (windows.start >= since)).tolist():
        columns = (observed.value, observed.lower, observed.upper, observed.effect)
        estimate = Estimate(*(float(column[at]) for column in columns))
        estimates[at] = correction.corrected(estimate, int(windows.queries[at]), accuracy)
    return _fractions(len(windows), estimates)


def spliced_weeks(
    windows: Windows, observed: Fractions, splices: Sequence[tuple[int, Estimate]]
) -> Fractions:
    """The query fraction as the last word list would have counted it, by the splice factors.

    Weeks are multiplied by the factors of all lists that took over after them; a week in which one
    did is NaN, as is one whose observed fraction is.
    """
    estimates: dict[int, Estimate | None] = {}
    for at in np.flatnonzero(~np.isnan(observed.value)).tolist():
        columns = (observed.value, observed.lower, observed.upper, observed.effect)
        estimate = Estimate(*(float(column[at]) for column in columns))
        later = [factor for time, factor in splices if time >= windows.start[at] + WEEK]
        estimates[at] = spliced(estimate, later)
    return _fractions(len(windows), estimates)


def segments_between_breaks(windows: Windows, breaks: Sequence[int]) -> list[tuple[int, int]]:
    """First window and one behind the last between breaks (ms); a mixed one is in none."""
    edges = [0]
    for time in sorted(breaks):
        edges += [
            int(np.searchsorted(windows.start + windows.length, time, "right")),
            int(np.searchsorted(windows.start, time, "left")),
        ]
    edges.append(len(windows))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(first, last) for first, last in pairs if first < last]


def rolling_mean(series: FloatArray) -> FloatArray:
    """Centred mean over five weeks; NaN unless all five are known."""
    means = np.full(len(series), np.nan)
    if len(series) >= ROLLING:
        windows = np.lib.stride_tricks.sliding_window_view(series, ROLLING)
        means[ROLLING // 2 : -(ROLLING // 2)] = windows.mean(axis=1)
    return means


def _fractions(size: int, by_window: dict[int, Estimate | None]) -> Fractions:
    columns = np.full((4, size), np.nan)
    for at, estimate in by_window.items():
        if estimate is not None:
            columns[:, at] = (
                estimate.value,
                estimate.lower,
                estimate.upper,
                estimate.design_effect,
            )
    return Fractions(*columns)


def _trend(windows: Windows, queries: Fractions, first: int, last: int) -> Trend:
    span = slice(first, last)
    series = trend.logit(queries.value[span])
    known = np.flatnonzero(~np.isnan(series))
    whole = int(np.count_nonzero(~np.isnan(queries.value[span])))
    if len(known) < trend.MIN_WEEKS:
        return Trend(first, last, whole)
    values, times = series[known], known.astype(np.float64)
    test = trend.mann_kendall(values)
    slope = trend.sen_slope(values, times, 0.0 if np.isnan(test.variance) else test.variance)
    parts = trend.stl_decompose(series)
    deseasonalised = values if parts is None else remove_annual_cycle(values, times)
    value, effect = queries.value[span][known], queries.effect[span][known]
    error = np.sqrt(effect / (windows.queries[span][known] * value * (1 - value)))
    changes = change_points(deseasonalised - slope.value * times, float(np.median(error)))
    return Trend(
        first,
        last,
        whole,
        slope,
        test,
        trend.growth(queries.value[span], queries.error[span]),
        _growth_weeks(queries.value[span], first),
        parts,
        tuple(first + int(known[at]) for at in changes),
        _alarms(windows, queries, first, last),
    )


def _growth_weeks(values: FloatArray, first: int) -> tuple[IntArray, IntArray] | None:
    ends = trend.growth_weeks(values)
    return None if ends is None else (first + ends[0], first + ends[1])


def _alarms(windows: Windows, queries: Fractions, first: int, last: int) -> tuple[int, ...]:
    points = (
        level_shift.logit_point(
            at, int(windows.flagged[at]), int(windows.queries[at]), float(queries.effect[at])
        )
        for at in range(first, last)
        if not np.isnan(queries.value[at])
    )
    scores = level_shift.level_shifts(point for point in points if point is not None)
    return tuple(score.week for score in scores if score.alarm)
