"""Figures from many closed windows: level shift, hours of the day, largest countries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from donkeywatch.counting.calendar import HOUR, WEEK
from donkeywatch.estimation.level_shift import Score, level_shifts, logit_point
from donkeywatch.publish.category_drift import category_scores
from donkeywatch.publish.hour_profile import HourProfile, profile
from donkeywatch.publish.named_countries import profile_hours, suppress_small_countries
from donkeywatch.publish.snapshot import CountryView, Snapshot
from donkeywatch.publish.window_views import WindowView

MIN_COVERAGE = 0.95
"""Coverage from which on a window is compared with others; less is left out."""
PROFILE_SPAN = 4 * WEEK
"""What the hour-of-day profile looks back at from the end of the last closed week, ms; it begins at
a break if one is nearer."""
MAX_COUNTRIES = 10
"""Countries that have a name of their own in the metrics at most; the rest is put together."""
OTHER = "other"
END_OF_TIME = 1 << 52
"""Later than any window, ms."""


@dataclass(frozen=True, slots=True)
class CountryTotal:
    """What a country, or several, had in a window: queries, and flagged ones by topic."""

    country: str
    queries: int
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Trends:
    """Figures that change when a window closes; by topic where they are of one."""

    breaks: Sequence[tuple[int, str]]
    """Time (ms UTC) and kind, oldest first."""
    weeks: int
    """Whole weeks since the last break."""
    scores: Mapping[str, Score | None]
    """After the newest whole week; None where there is none."""
    category_scores: Mapping[tuple[str, str], Score]
    """Of the shares of categories, by topic and category."""
    profiles: Mapping[str, Sequence[HourProfile]]
    countries: Sequence[CountryTotal]
    """Those of the newest closed week. An hour has none: which countries are hidden in its week is
    not known yet, and what it told of the others would tell of them."""


class TrendCache:
    """Remembers what was derived until a window closes or changes, or the topics do."""

    def __init__(self) -> None:
        self._last: tuple[object, Trends] | None = None

    def of(self, snapshot: Snapshot, topics: Sequence[str]) -> Trends:
        """The figures of a snapshot, derived again only if they may have changed."""
        breaks = snapshot.breaks(0, END_OF_TIME)
        closed = snapshot.closed("hour", PROFILE_SPAN), snapshot.closed("week", END_OF_TIME)
        key = (tuple(topics), tuple(breaks), closed)
        last = self._last
        if last is None or last[0] != key:
            last = key, compute_trends(snapshot, topics, breaks)
            self._last = last
        return last[1]


def compute_trends(
    snapshot: Snapshot, topics: Sequence[str], breaks: Sequence[tuple[int, str]]
) -> Trends:
    """All figures; windows that hold a break belong to neither side of it."""
    since = max((time for time, _ in breaks), default=0)
    weeks = [
        week
        for week in snapshot.windows(
            "week", "closed = 1 and queries is not null and start >= ?", (since,), limit=END_OF_TIME
        )
        if week.coverage >= MIN_COVERAGE
    ]
    newest = {kind: snapshot.closed(kind, 1).newest for kind in ("hour", "week")}
    whole_weeks = newest["week"] + WEEK
    start, end = max(since, whole_weeks - PROFILE_SPAN), max(newest["hour"] + HOUR, whole_weeks)
    return Trends(
        breaks,
        len(weeks),
        {topic: _score(weeks, topic) for topic in topics},
        category_scores(weeks),
        {topic: _profile(snapshot, topic, start, end) for topic in topics},
        _largest(snapshot.countries("week", newest["week"])),
    )


def _score(weeks: Sequence[WindowView], topic: str) -> Score | None:
    points = []
    for week in weeks:
        for point in week.topics:
            if point.topic == topic and point.query_fraction is not None:
                effect = point.query_fraction.design_effect
                points.append(logit_point(week.start // WEEK, point.queries, week.queries, effect))
    scores = level_shifts(point for point in points if point is not None)
    return scores[-1] if scores else None


def _profile(snapshot: Snapshot, topic: str, start: int, end: int) -> Sequence[HourProfile]:
    """Give the profile of the weeks in [start, end) ms that were followed as a whole."""
    hours = profile_hours(snapshot, topic, (), start, end, MIN_COVERAGE)
    return profile(hours.stretches) if hours.stretches else ()


def _largest(views: Sequence[CountryView]) -> list[CountryTotal]:
    """The largest countries by name, and the sum of the others where there is any window.

    ``views`` has most queries first.
    """
    if not views:
        return []
    large, small = suppress_small_countries(views)
    named, others = large[:MAX_COUNTRIES], [*large[MAX_COUNTRIES:], *small]
    return [
        *(_share(view.country, [view], view.topics) for view in named),
        _share(OTHER, others, views[0].topics),
    ]


def _share(name: str, views: Sequence[CountryView], topics: Iterable[str]) -> CountryTotal:
    flagged = {topic: sum(view.topics[topic][0] for view in views) for topic in topics}
    return CountryTotal(name, sum(view.queries for view in views), flagged)
