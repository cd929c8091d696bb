"""What many closed windows say together: level shift, hour-of-day profile, countries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from donkeywatch.counting.windows import HOUR, WEEK
from donkeywatch.estimation.level_shift import Score, level_shifts, point
from donkeywatch.publish.by_country import apart, hours_by_country
from donkeywatch.publish.profile import LocalHour, profile
from donkeywatch.publish.snapshot import CountryView, Snapshot, WindowView

WHOLE = 0.95
"""Coverage from which on a window is compared with others; less is left out."""
SPAN = 4 * WEEK
"""What the hour-of-day profile looks back at from the end of the last closed week, ms; it begins at
a break if one is nearer."""
LARGEST = 10
"""Countries that have a name of their own in the metrics at most; the rest is put together."""
OTHER = "other"
FAR = 1 << 52
"""Later than any window, ms."""


@dataclass(frozen=True, slots=True)
class CountryShare:
    """What a country, or several, had in a window: queries, and flagged ones by topic."""

    country: str
    queries: int
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tendency:
    """Figures that change when a window closes; by topic where they are of one."""

    breaks: Sequence[tuple[int, str]]
    """Time (ms UTC) and kind, oldest first."""
    weeks: int
    """Whole weeks since the last break."""
    scores: Mapping[str, Score | None]
    """After the newest whole week; None where there is none."""
    profiles: Mapping[str, Sequence[LocalHour]]
    countries: Sequence[CountryShare]
    """Those of the newest closed week. An hour has none: which countries are hidden in its week is
    not known yet, and what it told of the others would tell of them."""


class Tendencies:
    """Remembers what was derived until a window closes or changes, or the topics do."""

    def __init__(self) -> None:
        self._last: tuple[object, Tendency] | None = None

    def of(self, snapshot: Snapshot, topics: Sequence[str]) -> Tendency:
        """The figures of a snapshot, derived anew only if they may have changed."""
        breaks = snapshot.breaks(0, FAR)
        closed = snapshot.closed("hour", SPAN), snapshot.closed("week", FAR)
        key = (tuple(topics), tuple(breaks), closed)
        last = self._last
        if last is None or last[0] != key:
            last = key, derived(snapshot, topics, breaks)
            self._last = last
        return last[1]


def derived(
    snapshot: Snapshot, topics: Sequence[str], breaks: Sequence[tuple[int, str]]
) -> Tendency:
    """All figures; windows that hold a break belong to neither side of it."""
    since = max((time for time, _ in breaks), default=0)
    weeks = [
        week
        for week in snapshot.windows(
            "week", "closed = 1 and queries is not null and start >= ?", (since,), limit=FAR
        )
        if week.coverage >= WHOLE
    ]
    newest = {kind: snapshot.closed(kind, 1).newest for kind in ("hour", "week")}
    whole_weeks = newest["week"] + WEEK
    start, end = max(since, whole_weeks - SPAN), max(newest["hour"] + HOUR, whole_weeks)
    return Tendency(
        breaks,
        len(weeks),
        {topic: _score(weeks, topic) for topic in topics},
        {topic: _profile(snapshot, topic, start, end) for topic in topics},
        _largest(snapshot.countries("week", newest["week"])),
    )


def _score(weeks: Sequence[WindowView], topic: str) -> Score | None:
    points = []
    for week in weeks:
        for found in week.topics:
            if found.topic == topic and found.query_fraction is not None:
                effect = found.query_fraction.design_effect
                points.append(point(week.start // WEEK, found.queries, week.queries, effect))
    scores = level_shifts(found for found in points if found is not None)
    return scores[-1] if scores else None


def _profile(snapshot: Snapshot, topic: str, start: int, end: int) -> Sequence[LocalHour]:
    """Of the weeks in [start, end) ms that were followed as a whole; without one, of the hours."""
    found = hours_by_country(snapshot, topic, (), start, end, WHOLE)
    return profile(found.stretches) if found.stretches else ()


def _largest(views: Sequence[CountryView]) -> list[CountryShare]:
    """The largest countries by name, and the sum of the others where there is any window.

    ``views`` has most queries first.
    """
    if not views:
        return []
    large, small = apart(views)
    named, others = large[:LARGEST], [*large[LARGEST:], *small]
    return [
        *(_share(view.country, [view], view.topics) for view in named),
        _share(OTHER, others, views[0].topics),
    ]


def _share(name: str, views: Sequence[CountryView], topics: Iterable[str]) -> CountryShare:
    flagged = {topic: sum(view.topics[topic][0] for view in views) for topic in topics}
    return CountryShare(name, sum(view.queries for view in views), flagged)
