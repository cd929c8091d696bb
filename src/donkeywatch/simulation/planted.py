"""What was planted in simulated years, beside what a report found, interval by interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from donkeywatch.report.findings import Findings
from donkeywatch.report.profiles import Curve, Profile
from donkeywatch.report.statistics.extremes import Extremes, extremes
from donkeywatch.simulation.simulate import Floats
from donkeywatch.simulation.truth import COUNTRIES, HOUR
from donkeywatch.simulation.years import WEEK, Cell, Years, cells


class CoverageCheck(NamedTuple):
    """One planted quantity, what was found, its interval as text, and whether that holds it."""

    group: str
    true_value: float
    found: float
    interval: str
    inside: bool


def between(group: str, planted: float, found: float, lower: float, upper: float) -> CoverageCheck:
    """A check of an interval with two ends."""
    return CoverageCheck(
        group, planted, found, f"{lower:.4g} to {upper:.4g}", lower <= planted <= upper
    )


def check_report(years: Years, found: Findings) -> list[CoverageCheck]:
    """Everything that can be planted and is reported with an interval."""
    span = tuple((time - years.start_ms) // HOUR for time in found.span)
    stretch = (span[0], span[1])
    done = list(_weeks(years, found))
    done += _profile("all countries", found.whole, cells(years, COUNTRIES, stretch))
    for name, one in found.groups.items():
        done += _profile(name, one, cells(years, name.split("+"), stretch))
    if found.whole_compared is not None:
        cell = cells(years, COUNTRIES, stretch)
        planted = _over(cell, "compared", "queries")
        curve = found.whole_compared.query_fraction["ratio_of_sums"]
        done += _curve("comparison by hour of day", curve, planted)
        done += _ratio("comparison, highest over lowest hour", curve, planted)
    done += _shifts(years, found, stretch)
    return done


def coverage_by_group(groups: Iterable[CoverageCheck]) -> dict[str, tuple[int, int]]:
    """Intervals by group: how many there are, and how many hold what was planted."""
    counts: dict[str, tuple[int, int]] = {}
    for one in groups:
        of, inside = counts.get(one.group, (0, 0))
        counts[one.group] = (of + 1, inside + one.inside)
    return counts


def table(done: Sequence[CoverageCheck]) -> str:
    """Markdown: a line a group, with the values where a group has only one or two."""
    lines = ["| planted quantity | planted | found, 95 % interval | intervals | cover |"]
    lines.append("|---|---|---|---|---|")
    for group, (of, inside) in coverage_by_group(done).items():
        some = [one for one in done if one.group == group]
        planted = found = ""
        if of <= 2:
            planted = "; ".join(f"{one.true_value:.4g}" for one in some)
            found = "; ".join(f"{one.found:.4g} ({one.interval})" for one in some)
        lines.append(f"| {group} | {planted} | {found} | {of} | {inside} |")
    inside = sum(one.inside for one in done)
    lines.append(f"| **all** | | | {len(done)} | {inside} ({inside / len(done):.1%}) |")
    return "\n".join(lines)


def _weeks(years: Years, found: Findings) -> Iterator[CoverageCheck]:
    flagged = years.expected * years.flagged * years.up
    asked = years.expected * years.up
    size = -(-years.hours // WEEK)
    q, k = (_by_week(part.sum(axis=0), size) for part in (asked, flagged))
    m = _by_week((years.expected * years.compared * years.up).sum(axis=0), size)
    for told, planted, name in (
        (found.weeks, k / q, "weekly query fraction"),
        (found.compared, m / q, "weekly fraction of the comparison"),
    ):
        if told is not None:
            part = told.queries
            for at in np.flatnonzero(~np.isnan(part.value)).tolist():
                values = (part.value[at], part.lower[at], part.upper[at])
                yield between(name, float(planted[at]), *map(float, values))
    yield from _growth(found, k / q)
    if found.cycle is not None and len(found.cycle.r) > 52:
        whole = np.where(found.weeks.whole, q[: len(found.weeks.whole)], np.nan)
        r, reach = float(found.cycle.r[52]), float(found.cycle.bartlett[52])
        yield between("yearly cycle, r at lag 52", _cycle(whole, 52), r, r - reach, r + reach)


def _growth(found: Findings, planted: Floats) -> Iterator[CoverageCheck]:
    for one in found.weeks.trends:
        known = [
            at for at in range(one.first, one.last) if not np.isnan(found.weeks.queries.value[at])
        ]
        if one.growth is not None:
            ratio = float(planted[known[-12:]].mean() / planted[known[:12]].mean())
            ends = (one.growth.value, one.growth.lower, one.growth.upper)
            yield between("growth within a stretch, last 12 weeks over first", ratio, *ends)
        if one.yearly is not None:
            p = planted[known]
            line = np.polyfit(known, np.log(p / (1 - p)), 1)
            factor = float(np.exp(line[0] * 365.2425 / 7))
            yield between("growth of the odds in a year, Sen's slope", factor, *one.yearly)


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
    found = []
    for hour in range(24):
        top = sum(getattr(one, name) for one in cell[hour])
        found.append(
            top / (sum(getattr(one, under) for one in cell[hour]) if under else len(cell[hour]))
        )
    return np.array(found)


def _profile(group: str, one: Profile, cell: dict[int, list[Cell]]) -> list[CoverageCheck]:
    planted = {
        "queries": (one.queries, _over(cell, "queries")),
        "flagged queries": (one.flagged, _over(cell, "flagged")),
        "fraction, ratio of sums": (
            one.query_fraction["ratio_of_sums"], _over(cell, "flagged", "queries"),
        ),
        "fraction, mean of hourly ratios": (
            one.query_fraction["mean_of_ratios"],
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
    one = extremes(curve.value, curve.replicates, curve.levels)
    if one is None:
        return []
    ratio = float(planted.max() / planted.min())
    done = [between(group, ratio, one.ratio, one.lower, one.upper)]
    return done + _hours(group, one, planted)


def _hours(group: str, one: Extremes, planted: Floats) -> list[CoverageCheck]:
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
            ("highest", one.peak, one.highest, int(planted.argmax())),
            ("lowest", one.trough, one.lowest, int(planted.argmin())),
        )
    ]


def _shifts(years: Years, found: Findings, stretch: tuple[int, int]) -> list[CoverageCheck]:
    """Country shift: by how much one group's day is later than another's."""
    done = []
    for pair in found.pairs:
        angles = []
        for name in (pair.first, pair.second):
            curve = _over(cells(years, name.split("+"), stretch), "queries")
            turn = np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24)
            angles.append(float(np.angle((curve * turn).sum())) * 24 / (2 * np.pi))
        planted = (angles[0] - angles[1] + 12) % 24 - 12
        ends = (pair.lag.value, pair.lag.lower, pair.lag.upper)
        done.append(between(f"hours {pair.first} is later than {pair.second}", planted, *ends))
    return done
