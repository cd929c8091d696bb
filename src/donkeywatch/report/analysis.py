"""Everything the report shows, computed from the series of one database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from donkeywatch.errors import StateError
from donkeywatch.evaluation.validation_record import ValidationRecord, accuracies
from donkeywatch.report.database_series import (
    SERIES_BREAKS,
    BoolArray,
    Break,
    CountryHours,
    Database,
    FloatArray,
    Windows,
    open_database,
)
from donkeywatch.report.hour_exclusion import Rule, select_hours
from donkeywatch.report.hour_of_day_profiles import Curve, Estimator, Profile, profile
from donkeywatch.report.local_hours import local_hours
from donkeywatch.report.provenance import Provenance, trace
from donkeywatch.report.statistics.autocorrelation import Autocorrelation, autocorrelation
from donkeywatch.report.statistics.comparison import Difference, differences
from donkeywatch.report.statistics.concentration import Concentration, concentration
from donkeywatch.report.statistics.daily_curve import Lag, lag
from donkeywatch.report.weekly_series import (
    Fractions,
    WeeklySeries,
    complete_weeks,
    corrected,
    segments_between_breaks,
    spliced_weeks,
    weekly,
)

LAGS = 60
MAIN, COMPARISON = "pedophile", "pornographic"
"""The default set-up's topics: the study's subject, and what it compares it with."""
GROUPS = ("FR", "AR+BR")
"""The study's two groups of countries."""
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Options:
    """What to report on; times in ms UTC, the end exclusive.

    ``groups`` holds countries joined by ``+``; None stands for the study's, as far as they are
    there. A topic that is None is the default set-up's, or the first there is. ``date`` is the
    day (ISO) of the report, by default that of the newest commit. ``settings`` are those of the
    daemon that decide the figures, by name; None where they are not known.
    """

    since: int = 0
    until: int = FOREVER
    groups: tuple[str, ...] | None = None
    rule: Rule = "coverage"
    estimator: Estimator = "ratio_of_sums"
    topic: str | None = None
    comparison: str | None = None
    record: ValidationRecord | None = None
    spliced: bool = False
    """Is the series to be shown across promoted word lists, too?"""
    date: str | None = None
    settings: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups of countries: whose fraction is larger, and whose day is later (hours)."""

    first: str
    second: str
    difference: Difference | None
    lag: Lag


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that is shown. ``span`` are the bounds (ms) of the hours that profiles are made of.

    ``corrected`` is None unless a validation record fits the lexicon that was used last, and a
    week of it counts.
    ``countries`` are all there are in the hours, ``groups`` those of figure 8 that have queries.
    """

    options: Options
    provenance: Provenance
    topic: str
    comparison: str | None
    breaks: tuple[Break, ...]
    hours: Windows
    keep: BoolArray
    weeks: WeeklySeries
    corrected: Fractions | None
    spliced: Fractions | None
    compared: WeeklySeries | None
    span: tuple[int, int]
    whole: Profile
    whole_compared: Profile | None
    compared_alone: Profile | None
    countries: tuple[str, ...]
    groups: dict[str, Profile]
    cycle: Autocorrelation | None
    concentration: Concentration
    hour_differences: dict[int, Difference]
    pairs: tuple[Pair, ...]


def analyse_database(
    path: Path, options: Options, report: Callable[[str], None] = lambda _step: None
) -> Analysis:
    """Read a database and compute everything; ``report`` is told before each step.

    StateError when there is no database, no closed hour in the span, or no such topic.
    """
    with open_database(path) as database:
        return _compute(database, options, report)


def _compute(database: Database, options: Options, report: Callable[[str], None]) -> Analysis:
    report("hours and weeks")
    bounds = (options.since, options.until)
    topic, comparison = _topics(database, options)
    breaks = tuple(database.breaks(topic, *bounds))
    hours = database.windows("hour", topic, *bounds)
    if not len(hours):
        raise StateError(
            "there is no closed hour to report on", "count a log first, or name another span"
        )
    names = database.country_names(*bounds)
    _check_groups(options.groups or (), names)
    keep = select_hours(hours, options.rule)
    windows = database.windows("week", topic, *bounds)
    whole = complete_weeks(windows, hours, keep, options.rule)
    stretch = _longest_segment(hours, keep, breaks)
    grid, chosen = hours.start[stretch], keep[stretch]
    report("weekly trends")
    weeks = weekly(windows, whole, breaks)
    compared = None
    if comparison is not None:
        compared = weekly(database.windows("week", comparison, *bounds), whole, breaks)
    corrected_fraction, (lexicon, comparable_since) = None, database.lexicon()
    accuracy = accuracies(options.record, lexicon).get(topic) if options.record else None
    if accuracy is not None:
        fractions = corrected(windows, weeks.queries, accuracy, comparable_since)
        corrected_fraction = fractions if np.isfinite(fractions.value).any() else None
    splices = database.splices(topic) if options.spliced else []
    across = spliced_weeks(windows, weeks.queries, splices) if splices else None
    report("hours of the day")
    country = database.countries(topic, grid)
    overall = profile(local_hours(country, grid, chosen, ()))
    report("countries")
    groups = {
        name: profile(local_hours(country, grid, chosen, name.split("+")))
        for name in options.groups or GROUPS
        if country.rows(name.split("+"))
    }
    report("comparison")
    other = exclusive = None
    if comparison is not None:
        country = database.countries(comparison, grid)
        other = profile(local_hours(country, grid, chosen, ()))
        part = database.windows("hour", comparison, *bounds)
        if (part.exclusive[stretch][chosen] >= 0).all():
            exclusive = profile(local_hours(_exclusive(country, part, stretch), grid, chosen, ()))
    return Analysis(
        options, trace(database, hours, options.date), topic, comparison, breaks, hours, keep,
        weeks, corrected_fraction, across, compared,
        (int(grid[0]), int(grid[-1]) + hours.length), overall, other, exclusive,
        tuple(names), groups, autocorrelation(weeks.queries_or_nan, LAGS),
        concentration(hours, keep, windows, whole),
        _differences_from_peak(overall.query_fraction[options.estimator]),
        _pairs(groups, options.estimator),
    )  # fmt: skip


def _topics(database: Database, options: Options) -> tuple[str, str | None]:
    known = database.topics()
    for name in (options.topic, options.comparison):
        if name is not None and name not in known:
            raise StateError(
                f"there is no topic `{name}` in the database",
                f"use one of: {', '.join(known)}" if known else "count a log first",
            )
    if not known:
        raise StateError("no window is closed yet", "count a log first")
    topic = options.topic or (MAIN if MAIN in known else known[0])
    others = [name for name in known if name != topic]
    comparison = options.comparison or (COMPARISON if COMPARISON in others else None)
    return topic, comparison


def _check_groups(groups: Sequence[str], names: Sequence[str]) -> None:
    unknown = sorted({name for group in groups for name in group.split("+")} - set(names))
    if unknown:
        raise StateError(
            f"no query of these hours came from {', '.join(unknown)}",
            f"use some of: {', '.join(names)}" if names else "count with a country database",
        )


def _longest_segment(hours: Windows, keep: BoolArray, breaks: Sequence[Break]) -> slice:
    """The stretch between breaks with most hours: a mean over two measurements is neither's."""
    times = [each.time for each in breaks if each.kind in SERIES_BREAKS]
    spans = segments_between_breaks(hours, times)
    return slice(*max(spans, key=lambda span: int(keep[span[0] : span[1]].sum())))


def _exclusive(by_country: CountryHours, hours: Windows, stretch: slice) -> CountryHours:
    """Without what the other topic flags, too: known by hour, and shared among its countries."""
    share = np.ones(len(hours))
    np.divide(hours.exclusive, hours.flagged, out=share, where=hours.flagged > 0)
    return replace(by_country, flagged=by_country.flagged * share[stretch])


def _differences_from_peak(curve: Curve) -> dict[int, Difference]:
    """Each hour of the day against the one with the highest fraction, paired by day."""
    if not _is_complete(curve):
        return {}
    peak = int(curve.value.argmax())
    others = [hour for hour in range(24) if hour != peak]
    value = curve.value[others] - curve.value[peak]
    drawn = curve.replicates[:, others] - curve.replicates[:, [peak]]
    return dict(zip(others, differences(value, drawn, curve.levels), strict=True))


def _pairs(groups: dict[str, Profile], estimator: Estimator) -> tuple[Pair, ...]:
    """Every two groups: the mean of the fraction over the hours of the day, and the lag."""
    names = list(groups)
    couples = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    curves = [[groups[name].query_fraction[estimator] for name in pair] for pair in couples]
    sound = [_is_complete(a) and _is_complete(b) for a, b in curves]
    value = [_mean(a.value) - _mean(b.value) for a, b in curves]
    drawn = [
        a.replicates.mean(axis=1) - b.replicates.mean(axis=1)
        for (a, b), is_complete in zip(curves, sound, strict=True)
        if is_complete
    ]
    results = iter(
        differences(
            np.array([v for v, is_complete in zip(value, sound, strict=True) if is_complete]),
            np.array(drawn).T,
            curves[0][0].levels,
        )
        if drawn
        else []
    )
    return tuple(
        Pair(*pair, next(results) if is_complete else None, _lag(*(groups[name] for name in pair)))
        for pair, is_complete in zip(couples, sound, strict=True)
    )


def _is_complete(curve: Curve) -> bool:
    """Tell whether there are hours and each is known in every replicate."""
    return len(curve.replicates) > 0 and bool(np.isfinite(curve.replicates).all())


def _lag(first: Profile, second: Profile) -> Lag:
    a, b = first.queries, second.queries
    rows = slice(None) if _is_complete(a) and _is_complete(b) else slice(0)
    return lag((a.value, b.value), (a.replicates[rows], b.replicates[rows]), a.levels)


def _mean(curve: FloatArray) -> float:
    return float(curve.mean())
