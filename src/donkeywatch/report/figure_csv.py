"""The numbers behind each figure, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from donkeywatch.counting.calendar import iso_utc, week_name
from donkeywatch.report import csv_columns
from donkeywatch.report.analysis import Analysis
from donkeywatch.report.database_series import FloatArray
from donkeywatch.report.hour_of_day_profiles import Curve, Estimator, boxes, hourly_ratios
from donkeywatch.report.weekly_series import Fractions, Trend

Value = str | int | float | None
Rows = list[list[Value]]
DIGITS = 10
"""Digits shown: fewer than may differ between two processors."""


def to_csv(rows: Iterable[Sequence[Value]]) -> str:
    """Rows as CSV; what is not known is empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [[_format_cell(cell) for cell in row] for row in rows]
    )
    return out.getvalue()


def _format_cell(cell: Value) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    return f"{cell:z.{DIGITS}g}" if isinstance(cell, float) else str(cell)


def weekly_queries(analysis: Analysis) -> Rows:
    """Queries, coverage, whether the week counts, and the mean over five."""
    weeks = analysis.weeks.windows
    mean = analysis.weeks.rolling(analysis.breaks)
    rows: Rows = [[*csv_columns.WEEKLY_QUERIES]]
    for at in np.flatnonzero(weeks.stored).tolist():
        rows.append(
            [
                *_week(analysis, at), int(weeks.queries[at]), float(weeks.coverage[at]),
                int(analysis.weeks.whole[at]), float(mean[at]),
            ]
        )  # fmt: skip
    return rows


def autocorrelation(analysis: Analysis) -> Rows:
    """r by lag, of how many pairs, and the half widths of the bands."""
    rows: Rows = [[*csv_columns.AUTOCORRELATION]]
    cycle = analysis.cycle
    if cycle is None:
        return rows
    for h in range(len(cycle.r)):
        rows.append(
            [
                h, float(cycle.r[h]), int(cycle.pairs[h]), cycle.flat95, cycle.flat99,
                float(cycle.bartlett[h]),
            ]
        )  # fmt: skip
    return rows


def weekly_query_fraction(analysis: Analysis) -> Rows:
    """Fractions of queries by whole week, in all forms; trend and season of a stretch.

    What is not known is empty: a correction without a record, a season of a short stretch.
    """
    rows: Rows = [[*csv_columns.WEEKLY_QUERY_FRACTION]]
    weeks = analysis.weeks.windows
    for number, trend in enumerate(analysis.weeks.trends, 1):
        for at in range(trend.first, trend.last):
            if math.isnan(analysis.weeks.queries.value[at]):
                continue
            row = [*_week(analysis, at), int(weeks.queries[at]), int(weeks.flagged[at])]
            row += _fraction(analysis.weeks.queries, at)
            row += _fraction(analysis.corrected, at)[:3] if analysis.corrected else [None] * 3
            row += _fraction(analysis.spliced, at)[:3] if analysis.spliced else [None] * 3
            row += [number, _growth_end(trend, at), int(at in trend.alarms)]
            rows.append([*row, *_season(trend, at - trend.first)])
    return rows


def _growth_end(trend: Trend, at: int) -> str:
    ends = zip(("first", "last"), trend.growth_weeks or (), strict=False)
    return next((name for name, weeks in ends if at in weeks), "")


def _season(trend: Trend, place: int) -> list[Value]:
    if trend.parts is None:
        return [None] * 3
    parts = (trend.parts.trend, trend.parts.season, trend.parts.remainder)
    return [float(part[place]) for part in parts]


def weekly_address_fraction(analysis: Analysis) -> Rows:
    """Observed fractions of addresses by whole week, at three thresholds."""
    rows: Rows = [[*csv_columns.WEEKLY_ADDRESS_FRACTION]]
    weeks = analysis.weeks.windows
    for at in np.flatnonzero(~np.isnan(analysis.weeks.queries.value)).tolist():
        for least, fractions in enumerate(analysis.weeks.addresses, 1):
            flagged = int(weeks.flagged_addresses[least - 1, at])
            row = [*_week(analysis, at), int(weeks.addresses[at]), least, flagged]
            rows.append([*row, *_fraction(fractions, at)[:3]])
    return rows


def _week(analysis: Analysis, at: int) -> list[Value]:
    start = int(analysis.weeks.windows.start[at])
    return [week_name(start), iso_utc(start)]


def _fraction(fractions: Fractions, at: int) -> list[Value]:
    return [
        float(column[at])
        for column in (fractions.value, fractions.lower, fractions.upper, fractions.effect)
    ]


def profile_rows(curve: Curve, days: Sequence[int], *labels: str) -> Rows:
    """A curve by local hour, one row an hour, each behind the same labels."""
    ends = zip(curve.value, curve.lower, curve.upper, strict=True)
    return [
        [*labels, hour, int(days[hour]), *map(float, values)] for hour, values in enumerate(ends)
    ]


def count_profile(analysis: Analysis, curve: Curve) -> Rows:
    """Counts by local hour."""
    return [[*csv_columns.PROFILE], *profile_rows(curve, analysis.whole.days.tolist())]


def fraction_profile(analysis: Analysis, curves: Mapping[Estimator, Curve]) -> Rows:
    """Fractions by local hour, for both estimators."""
    rows: Rows = [[*csv_columns.FRACTION_PROFILE]]
    for name, curve in curves.items():
        rows += profile_rows(curve, analysis.whole.days.tolist(), name)
    return rows


def box_plot_table(table: FloatArray) -> Rows:
    """Give the numbers that the box-plots show, one row an hour."""
    rows: Rows = [[*csv_columns.BOX_PLOTS]]
    for hour, box in enumerate(boxes(table)):
        if box is not None:
            quartiles = [box.mean, box.median, box.q1, box.q3, box.low, box.high]
            rows.append([hour, box.days, *quartiles, len(box.outliers)])
    return rows


def local_hours_table(analysis: Analysis) -> Rows:
    """Each local hour of each day with its counts: all that the profiles are made of."""
    local = analysis.whole.local
    rows: Rows = [[*csv_columns.LOCAL_HOURS]]
    parts = (local.queries, local.flagged, local.addresses, local.flagged_addresses)
    for day, hour in zip(*np.nonzero(~np.isnan(local.queries)), strict=True):
        counts = [int(part[day, hour]) for part in parts]
        rows.append([date.fromordinal(local.first + int(day)).isoformat(), int(hour), *counts])
    return rows


def country_profiles(analysis: Analysis) -> Rows:
    """Both estimators of each group of countries by local hour."""
    rows: Rows = [[*csv_columns.COUNTRY_PROFILE]]
    for group, profile in analysis.groups.items():
        for name, curve in profile.query_fraction.items():
            rows += profile_rows(curve, profile.days.tolist(), group, name)
    return rows


def topic_profiles(analysis: Analysis) -> Rows:
    """Both estimators of the topic and of the one it is compared with, by local hour."""
    rows: Rows = [[*csv_columns.TOPIC_PROFILE]]
    other = analysis.comparison or ""
    for topic, without, profile in (
        (analysis.topic, "", analysis.whole),
        (other, "", analysis.whole_compared),
        (other, analysis.topic, analysis.compared_alone),
    ):
        for name, curve in profile.query_fraction.items() if profile else ():
            rows += profile_rows(curve, analysis.whole.days.tolist(), topic, without, name)
    return rows


def differences(analysis: Analysis) -> Rows:
    """Each hour of the day against the one with the highest fraction, paired by day."""
    rows: Rows = [[*csv_columns.HOUR_DIFFERENCES]]
    for hour, difference in sorted(analysis.hour_differences.items()):
        rows.append(
            [
                hour,
                difference.value,
                difference.lower,
                difference.upper,
                difference.p,
                difference.p_holm,
            ]
        )
    return rows


def gaps(analysis: Analysis) -> Rows:
    """When the log was not followed in full."""
    rows: Rows = [[*csv_columns.GAPS]]
    for gap in analysis.provenance.gaps:
        rows.append([iso_utc(gap.start), iso_utc(gap.end), gap.hours, gap.followed_hours])
    return rows


TABLES: dict[str, Callable[[Analysis], Rows]] = {
    "1a": weekly_queries,
    "1b": autocorrelation,
    "2": weekly_query_fraction,
    "3": weekly_address_fraction,
    "4a": lambda analysis: count_profile(analysis, analysis.whole.queries),
    "4b": lambda analysis: box_plot_table(analysis.whole.local.queries),
    "5a": lambda analysis: count_profile(analysis, analysis.whole.flagged),
    "5b": lambda analysis: box_plot_table(analysis.whole.local.flagged),
    "6a": lambda analysis: fraction_profile(analysis, analysis.whole.query_fraction),
    "6b": lambda analysis: box_plot_table(
        hourly_ratios(analysis.whole.local.flagged, analysis.whole.local.queries)
    ),
    "7a": lambda analysis: fraction_profile(analysis, analysis.whole.address_fraction),
    "7b": lambda analysis: box_plot_table(
        hourly_ratios(analysis.whole.local.flagged_addresses, analysis.whole.local.addresses)
    ),
    "8": country_profiles,
    "9": topic_profiles,
}
"""The table of each figure, by the study's numbers."""
OTHER_TABLES: dict[str, Callable[[Analysis], Rows]] = {
    "hours": local_hours_table,
    "hours-against-the-highest": differences,
    "gaps": gaps,
}
"""Tables that belong to no figure, by the names of their files."""
