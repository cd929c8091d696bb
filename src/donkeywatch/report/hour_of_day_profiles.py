"""Curves by local hour of the day, figures 4 to 8 of the study, by both estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from donkeywatch.report.database_series import FloatArray, IntArray
from donkeywatch.report.local_hours import LocalHourTable
from donkeywatch.report.statistics.bootstrap import block_bootstrap, interval, interval_quantiles

Estimator = Literal["ratio_of_sums", "mean_of_ratios"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
WHISKER = 1.5


@dataclass(frozen=True, slots=True)
class Curve:
    """One value for each local hour of the day with its 95 % interval.

    ``replicates`` has shape (replicates, 24), with no row where there are too few days;
    ``levels`` are the quantiles of them that make an interval.
    """

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    replicates: FloatArray
    levels: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """Curves of a group of countries; counts are means per hour, fractions from 0 to 1.

    ``mean_of_ratios`` is the mean over days of an hour's own fraction, ``ratio_of_sums`` all
    that is flagged over all there is. They are two estimators of two things: the one weighs
    days alike, the other queries.
    """

    local: LocalHourTable
    days: IntArray
    queries: Curve
    flagged: Curve
    query_fraction: dict[Estimator, Curve]
    address_fraction: dict[Estimator, Curve]


def profile(local: LocalHourTable) -> Profile:
    """Curves over the days of some local hours, by the moving-block bootstrap over days."""
    parts = (local.queries, local.flagged, local.addresses, local.flagged_addresses)
    known = ~np.isnan(local.queries)
    q, k, a, b = (np.where(known, part, 0.0) for part in parts)
    columns = [known, q, k, a, b, q > 0, _ratio(k, q), a > 0, _ratio(b, a)]
    days = np.stack([np.asarray(column, np.float64) for column in columns], axis=2)
    total, boot_sums = days.sum(axis=0), block_bootstrap(days)
    ends = interval_quantiles(int(known.any(axis=1).sum()))

    def curve(over: int, under: int) -> Curve:
        value = _ratio(total[:, over], total[:, under], np.nan)
        replicates = _ratio(boot_sums[:, :, over], boot_sums[:, :, under], np.nan)
        return Curve(value, *interval(replicates, ends), replicates, ends)

    return Profile(
        local,
        known.sum(axis=0),
        curve(1, 0),
        curve(2, 0),
        {"ratio_of_sums": curve(2, 1), "mean_of_ratios": curve(6, 5)},
        {"ratio_of_sums": curve(4, 3), "mean_of_ratios": curve(8, 7)},
    )


def _ratio(over: FloatArray, under: FloatArray, otherwise: float = 0.0) -> FloatArray:
    ratio = np.full(np.shape(over), otherwise)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


@dataclass(frozen=True, slots=True)
class BoxPlots:
    """How one hour of the day scatters over days, as a box-plot shows it."""

    days: int
    mean: float
    median: float
    q1: float
    q3: float
    low: float
    high: float
    outliers: FloatArray


def boxes(table: FloatArray) -> list[BoxPlots | None]:
    """A box for each of the 24 columns of a table of days; None where no day is known.

    Quartiles by linear interpolation (definition 7 of Hyndman & Fan 1996, Am. Statistician 50,
    361-365), whiskers to the last value within 1.5 interquartile ranges (Tukey 1977).
    """
    return [_box(column[~np.isnan(column)]) for column in table.T]


def _box(values: FloatArray) -> BoxPlots | None:
    if not len(values):
        return None
    first, median, third = np.quantile(values, (0.25, 0.5, 0.75))
    reach = WHISKER * (third - first)
    inside = values[(values >= first - reach) & (values <= third + reach)]
    outside = np.sort(values[(values < first - reach) | (values > third + reach)])
    ends = (float(inside.min()), float(inside.max()))
    shape = (float(values.mean()), float(median), float(first), float(third))
    return BoxPlots(len(values), *shape, *ends, outside)


def hourly_ratios(over: FloatArray, under: FloatArray) -> FloatArray:
    """The fraction of each single hour; NaN where nothing was asked or the hour is not known."""
    has_queries = ~np.isnan(under) & (under > 0)
    return np.where(
        has_queries,
        _ratio(np.where(has_queries, over, 0.0), np.where(has_queries, under, 0.0)),
        np.nan,
    )
