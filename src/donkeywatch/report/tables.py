"""The numbers behind each figure, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from donkeywatch.counting.windows import iso_utc, week_name
from donkeywatch.report.findings import Findings
from donkeywatch.report.profiles import Curve, Estimator, boxes, hourly_ratios
from donkeywatch.report.series import FloatArray
from donkeywatch.report.weekly import Fractions

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
    return f"{cell:.{DIGITS}g}" if isinstance(cell, float) else str(cell)


def weekly_queries(found: Findings) -> Rows:
    """Queries, coverage, whether the week counts, and the mean over five."""
    weeks = found.weeks.windows
    mean = found.weeks.rolling(found.breaks)
    rows: Rows = [["week", "start_utc", "queries", "coverage", "whole", "mean_of_5_weeks"]]
    for at in np.flatnonzero(weeks.stored).tolist():
        rows.append(
            [
                *_week(found, at), int(weeks.queries[at]), float(weeks.coverage[at]),
                int(found.weeks.whole[at]), float(mean[at]),
            ]
        )  # fmt: skip
    return rows


def autocorrelation(found: Findings) -> Rows:
    """r by lag, of how many pairs, and the half widths of the bands."""
    rows: Rows = [["lag_weeks", "r", "pairs", "flat_95", "flat_99", "bartlett_95"]]
    cycle = found.cycle
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


def weekly_query_fraction(found: Findings) -> Rows:
    """Observed fraction of queries by whole week; trend and season where a stretch has them."""
    head: list[Value] = ["week", "start_utc", "queries", "flagged"]
    rows: Rows = [[*head, "fraction", "lower_95", "upper_95", "design_effect", "stretch"]]
    rows[0] += ["cusum_alarm", "stl_trend_logit", "stl_season_logit", "stl_remainder_logit"]
    weeks = found.weeks.windows
    for number, one in enumerate(found.weeks.trends, 1):
        for at in range(one.first, one.last):
            if math.isnan(found.weeks.queries.value[at]):
                continue
            row = [*_week(found, at), int(weeks.queries[at]), int(weeks.flagged[at])]
            row += [*_fraction(found.weeks.queries, at), number, int(at in one.alarms)]
            if one.parts is not None:
                place = at - one.first
                parts = (one.parts.trend, one.parts.season, one.parts.remainder)
                row += [float(part[place]) for part in parts]
            rows.append(row)
    return rows


def weekly_corrected_fraction(found: Findings) -> Rows:
    """Corrected fraction of queries by whole week, where it is known."""
    rows: Rows = [["week", "start_utc", "corrected_fraction", "lower_95", "upper_95"]]
    if found.corrected is not None:
        for at in np.flatnonzero(~np.isnan(found.corrected.value)).tolist():
            rows.append([*_week(found, at), *_fraction(found.corrected, at)[:3]])
    return rows


def weekly_address_fraction(found: Findings) -> Rows:
    """Observed fractions of addresses by whole week, at three thresholds."""
    rows: Rows = [["week", "start_utc", "addresses", "at_least", "flagged_addresses"]]
    rows[0] += ["fraction", "lower_95", "upper_95"]
    weeks = found.weeks.windows
    for at in np.flatnonzero(~np.isnan(found.weeks.queries.value)).tolist():
        for least, one in enumerate(found.weeks.addresses, 1):
            flagged = int(weeks.flagged_addresses[least - 1, at])
            row = [*_week(found, at), int(weeks.addresses[at]), least, flagged]
            rows.append([*row, *_fraction(one, at)[:3]])
    return rows


def _week(found: Findings, at: int) -> list[Value]:
    start = int(found.weeks.windows.start[at])
    return [week_name(start), iso_utc(start)]


def _fraction(one: Fractions, at: int) -> list[Value]:
    return [float(column[at]) for column in (one.value, one.lower, one.upper, one.effect)]


def hours(curves: Mapping[str, Curve], days: Sequence[int]) -> Rows:
    """Curves by local hour, one row an hour and series."""
    rows: Rows = [["series", "local_hour", "days", "value", "lower_95", "upper_95"]]
    for name, curve in curves.items():
        for hour in range(24):
            ends = [float(part[hour]) for part in (curve.value, curve.lower, curve.upper)]
            rows.append([name, hour, int(days[hour]), *ends])
    return rows


def box_plot_table(table: FloatArray) -> Rows:
    """What the box-plots show, one row an hour."""
    rows: Rows = [["local_hour", "days", "mean", "median", "first_quartile", "third_quartile"]]
    rows[0] += ["low_whisker", "high_whisker", "days_outside"]
    for hour, box in enumerate(boxes(table)):
        if box is not None:
            quartiles = [box.mean, box.median, box.q1, box.q3, box.low, box.high]
            rows.append([hour, box.days, *quartiles, len(box.outliers)])
    return rows


def local_hours_table(found: Findings) -> Rows:
    """Each local hour of each day with its counts: all that the profiles are made of."""
    local = found.whole.local
    rows: Rows = [["local_day", "local_hour", "queries", "flagged_queries", "addresses"]]
    rows[0] += ["flagged_addresses"]
    parts = (local.queries, local.flagged, local.addresses, local.flagged_addresses)
    for day, hour in zip(*np.nonzero(~np.isnan(local.queries)), strict=True):
        counts = [int(part[day, hour]) for part in parts]
        rows.append([date.fromordinal(local.first + int(day)).isoformat(), int(hour), *counts])
    return rows


def _named(curves: Mapping[Estimator, Curve]) -> dict[str, Curve]:
    return {str(name): curve for name, curve in curves.items()}


def _days(found: Findings) -> list[int]:
    return [int(n) for n in found.whole.days]


def countries(found: Findings) -> Rows:
    """Both estimators of each group of countries by local hour."""
    rows: Rows = []
    for group, one in found.groups.items():
        named = {f"{group} {name}": curve for name, curve in one.query_fraction.items()}
        rows += hours(named, [int(n) for n in one.days])[1 if rows else 0 :]
    return rows or hours({}, [])


def comparison(found: Findings) -> Rows:
    """Both estimators of the topic and of the one it is compared with, by local hour."""
    named = {f"{found.topic} {name}": c for name, c in found.whole.query_fraction.items()}
    if found.whole_compared is not None:
        other = found.whole_compared.query_fraction
        named |= {f"{found.comparison} {name}": curve for name, curve in other.items()}
    if found.compared_alone is not None:
        alone = found.compared_alone.query_fraction
        named |= {f"{found.comparison} not {found.topic} {n}": c for n, c in alone.items()}
    return hours(named, _days(found))


def differences(found: Findings) -> Rows:
    """Each hour of the day against the one with the highest fraction, paired by day."""
    rows: Rows = [["local_hour", "difference", "lower_95", "upper_95", "p", "p_holm"]]
    for hour, one in sorted(found.hour_differences.items()):
        rows.append([hour, one.value, one.lower, one.upper, one.p, one.p_holm])
    return rows


TABLES: dict[str, Callable[[Findings], Rows]] = {
    "1a": weekly_queries,
    "1b": autocorrelation,
    "2": weekly_query_fraction,
    "3": weekly_address_fraction,
    "4a": lambda found: hours({"queries": found.whole.queries}, _days(found)),
    "4b": lambda found: box_plot_table(found.whole.local.queries),
    "5a": lambda found: hours({"flagged_queries": found.whole.flagged}, _days(found)),
    "5b": lambda found: box_plot_table(found.whole.local.flagged),
    "6a": lambda found: hours(_named(found.whole.query_fraction), _days(found)),
    "6b": lambda found: box_plot_table(
        hourly_ratios(found.whole.local.flagged, found.whole.local.queries)
    ),
    "7a": lambda found: hours(_named(found.whole.address_fraction), _days(found)),
    "7b": lambda found: box_plot_table(
        hourly_ratios(found.whole.local.flagged_addresses, found.whole.local.addresses)
    ),
    "8": countries,
    "9": comparison,
    "2-corrected": weekly_corrected_fraction,
}
"""The table of each figure, by the study's numbers."""
