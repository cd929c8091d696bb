"""Checks whether the intervals of a report contain the true values of simulated years."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from donkeywatch.report.analysis import Analysis
from donkeywatch.report.hour_of_day_profiles import Curve, Profile
from donkeywatch.report.statistics.daily_curve import Extremes, extremes
from donkeywatch.simulation.generator import Floats
from donkeywatch.simulation.three_years import WEEK, Cell, Years, cells
from donkeywatch.simulation.truth import COUNTRIES, HOUR


class CoverageCheck(NamedTuple):
    """One planted quantity, what was found, its interval as text, and whether that holds it."""

    group: str
    true_value: float
    estimate: float
    interval: str
    inside: bool


def between(
    group: str, planted: float, estimate: float, lower: float, upper: float
) -> CoverageCheck:
    """A check of an interval with two ends."""
    return CoverageCheck(
        group, planted, estimate, f"{lower:.4g} to {upper:.4g}", lower <= planted <= upper
    )


def check_report(years: Years, analysis: Analysis) -> list[CoverageCheck]:
    """Everything that can be planted and is reported with an interval."""
    span = tuple((time - years.start_ms) // HOUR for time in analysis.span)
    stretch = (span[0], span[1])
    done = list(_weeks(years, analysis))
    done += _profile("all countries", analysis.whole, cells(years, COUNTRIES, stretch))
    for name, group_findings in analysis.groups.items():
        done += _profile(name, group_findings, cells(years, name.split("+"), stretch))
    if analysis.whole_compared is not None:
        cell = cells(years, COUNTRIES, stretch)
        planted = _over(cell, "compared", "queries")
        curve = analysis.whole_compared.query_fraction["ratio_of_sums"]
        done += _curve("comparison by hour of day", curve, planted)
        done += _ratio("comparison, highest over lowest hour", curve, planted)
    done += _shifts(years, analysis, stretch)
    return done


def coverage_by_group(groups: Iterable[CoverageCheck]) -> dict[str, tuple[int, int]]:
    """Intervals by group: how many there are, and how many hold what was planted."""
    counts: dict[str, tuple[int, int]] = {}
    for group in groups:
        of, inside = counts.get(group.group, (0, 0))
        counts[group.group] = (of + 1, inside + group.inside)
    return counts


def table(done: Sequence[CoverageCheck]) -> str:
    """Markdown: a line a group, with the values where a group has only one or two."""
    lines = ["| planted quantity | planted | found, 95 % interval | intervals | cover |"]
    lines.append("|---|---|---|---|---|")
    for group, (of, inside) in coverage_by_group(done).items():
        checks = [check for check in done if check.group == group]
        planted = misses = ""
        if of <= 2:
            planted = "; ".join(f"{check.true_value:.4g}" for check in checks)
            misses = "; ".join(f"{check.estimate:.4g} ({check.interval})" for check in checks)
        lines.append(f"| {group} | {planted} | {misses} | {of} | {inside} |")
    inside = sum(check.inside for check in done)
    lines.append(f"| **all** | | | {len(done)} | {inside} ({inside / len(done):.1%}) |")
    return "\n".join(lines)


def _weeks(years: Years, analysis: Analysis) -> Iterator[CoverageCheck]:
    flagged = years.expected * years.flagged * years.up
    queries = years.expected * years.up
    size = -(-years.hours // WEEK)
    q, k = (_by_week(part.sum(axis=0), size) for part in (queries, flagged))
    m = _by_week((years.expected * years.compared * years.up).sum(axis=0), size)
    for series, planted, name in (
        (analysis.weeks, k / q, "weekly query fraction"),
        (analysis.compared, m / q, "weekly fraction of the comparison"),
    ):
        if series is not None:
            part = series.queries
            for at in np.flatnonzero(~np.isnan(part.value)).tolist():
                values = (part.value[at], part.lower[at], part.upper[at])
                yield between(name, float(planted[at]), *map(float, values))
    yield from _growth(analysis, k / q)
    if analysis.cycle is not None and len(analysis.cycle.r) > 52:
        whole = np.where(analysis.weeks.whole, q[: len(analysis.weeks.whole)], np.nan)
        r, reach = float(analysis.cycle.r[52]), float(analysis.cycle.bartlett[52])
        yield between("yearly cycle, r at lag 52", _cycle(whole, 52), r, r - reach, r + reach)


def _growth(analysis: Analysis, planted: Floats) -> Iterator[CoverageCheck]:
    for trend in analysis.weeks.trends:
        known = [
            at
            for at in range(trend.first, trend.last)
            if not np.isnan(analysis.weeks.queries.value[at])
        ]
        if trend.growth is not None:
            ratio = float(planted[known[-12:]].mean() / planted[known[:12]].mean())
            ends = (trend.growth.value, trend.growth.lower, trend.growth.upper)
            yield between("growth within a stretch, last 12 weeks over first", ratio, *ends)
        if trend.yearly is not None:
            p = planted[known]
            line = np.polyfit(known, np.log(p / (1 - p)), 1)
            factor = float(np.exp(line[0] * 365.2425 / 7))
            yield between("growth of the odds in a year, Sen's slope", factor, *trend.yearly)


def _by_week(hours: Floats, size: int) -> Floats:
    padded = np.zeros(size * WEEK)
    padded[: len(hours)] = hours
    sums: Floats = padded.reshape(size, WEEK).sum(axis=1)
    return sums


def _cycle(series: Floats, lag: int) -> float:
    """Autocorrelation by its definition, week by week."""
    values = [None if np.isnan(x) else float(x) for x in series]
    known = [x for x in values if x is not None]
    mean = sum(known) / len(known)
    pairs = zip(values[:-lag], values[lag:], strict=True)
    product = sum((a - mean) * (b - mean) for a, b in pairs if a is not None and b is not None)
    return product / sum((x - mean) ** 2 for x in known)


def _over(cell: dict[int, list[Cell]], name: str, under: str = "") -> Floats:
    """By hour of day: the mean of a count, or its sum over that of another."""
    totals = []
    for hour in range(24):
        top = sum(getattr(value, name) for value in cell[hour])
        totals.append(
            top / (sum(getattr(value, under) for value in cell[hour]) if under else len(cell[hour]))
        )
    return np.array(totals)


def _profile(
    group: str, curve_profile: Profile, cell: dict[int, list[Cell]]
) -> list[CoverageCheck]:
    planted = {
        "queries": (curve_profile.queries, _over(cell, "queries")),
        "flagged queries": (curve_profile.flagged, _over(cell, "flagged")),
        "fraction, ratio of sums": (
            curve_profile.query_fraction["ratio_of_sums"], _over(cell, "flagged", "queries"),
        ),
        "fraction, mean of hourly ratios": (
            curve_profile.query_fraction["mean_of_ratios"],
            np.array([np.mean([c.flagged / c.queries for c in cell[h]]) for h in range(24)]),
        ),
    }  # fmt: skip
    done: list[CoverageCheck] = []
    for name, (curve, truth) in planted.items():
        done += _curve(f"{name} by hour of day, {group}", curve, truth)
    for name in ("queries", "flagged queries", "fraction, ratio of sums"):
        curve, truth = planted[name]
        done += _ratio(f"{name}, highest over lowest hour, {group}", curve, truth)
    return done


def _curve(group: str, curve: Curve, planted: Floats) -> list[CoverageCheck]:
    rows = zip(planted, curve.value, curve.lower, curve.upper, strict=True)
    return [between(group, *map(float, row)) for row in rows]


def _ratio(group: str, curve: Curve, planted: Floats) -> list[CoverageCheck]:
    extreme = extremes(curve.value, curve.replicates, curve.levels)
    if extreme is None:
        return []
    ratio = float(planted.max() / planted.min())
    done = [between(group, ratio, extreme.ratio, extreme.lower, extreme.upper)]
    return done + _hours(group, extreme, planted)


def _hours(group: str, extreme: Extremes, planted: Floats) -> list[CoverageCheck]:
    """Highest and lowest hour: found when the planted hour is among those it may be."""
    name = group.replace(", highest over lowest hour", "")
    return [
        CoverageCheck(
            f"{which} hour: {name}",
            planted_hour,
            hour,
            "in " + ", ".join(map(str, likely)),
            planted_hour in likely,
        )
        for which, hour, likely, planted_hour in (
            ("highest", extreme.peak, extreme.highest, int(planted.argmax())),
            ("lowest", extreme.trough, extreme.lowest, int(planted.argmin())),
        )
    ]


def _shifts(years: Years, analysis: Analysis, stretch: tuple[int, int]) -> list[CoverageCheck]:
    """Country shift: by how much one group's day is later than another's."""
    done = []
    for pair in analysis.pairs:
        angles = []
        for name in (pair.first, pair.second):
            curve = _over(cells(years, name.split("+"), stretch), "queries")
            turn = np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24)
            angles.append(float(np.angle((curve * turn).sum())) * 24 / (2 * np.pi))
        planted = (angles[0] - angles[1] + 12) % 24 - 12
        ends = (pair.lag.value, pair.lag.lower, pair.lag.upper)
        done.append(between(f"hours {pair.first} is later than {pair.second}", planted, *ends))
    return done
