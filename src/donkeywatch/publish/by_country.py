"""Which countries may be named, and a week by country: the small ones are put together."""

from __future__ import annotations

from collections.abc import Sequence

from donkeywatch.counting.estimates import Estimate, wilson
from donkeywatch.counting.windows import WEEK, week_name, week_of
from donkeywatch.publish.answers import Countries, CountryAnswer, CountryTopic, interval
from donkeywatch.publish.snapshot import CountryView, HourOfDay, Snapshot

SMALL = 100
"""A country with fewer addresses in a window is not shown by itself."""


def apart(views: Sequence[CountryView]) -> tuple[list[CountryView], list[CountryView]]:
    """The countries of a window that may be named, in the order given, and those that may not.

    Where all the small ones together are few, the smallest of the large goes with them: else the
    whole window less what is named would tell of a few addresses.
    """
    large = [view for view in views if view.addresses >= SMALL]
    small = [view for view in views if view.addresses < SMALL]
    if large and 0 < sum(view.addresses for view in small) < SMALL:
        least = min(large, key=lambda view: view.addresses)
        large.remove(least)
        small.append(least)
    return large, small


def hours_by_country(
    snapshot: Snapshot, topic: str, countries: Sequence[str], start: int, end: int
) -> tuple[list[HourOfDay], list[int]]:
    """Closed hours in [start, end) ms for a profile: those with queries, and the starts of all.

    Where countries are named, only whole weeks count, those in which each of them may be named.
    """
    hours = snapshot.hours_of_day(topic, countries, start, end)
    starts = snapshot.closed_starts("hour", start, end)
    if not countries:
        return hours, starts
    whole = snapshot.closed_starts("week", start, end - WEEK + 1)
    weeks = {week for week in whole if set(countries) <= _named(snapshot, week)}
    return (
        [hour for hour in hours if week_of(hour.start) in weeks],
        [hour for hour in starts if week_of(hour) in weeks],
    )


def _named(snapshot: Snapshot, week: int) -> set[str]:
    return {view.country for view in apart(snapshot.countries("week", week))[0]}


def week_by_country(snapshot: Snapshot, start: int | None = None) -> Countries:
    """The week that starts at ``start`` (ms UTC), by default the last closed one."""
    week = snapshot.closed_week(start)
    if week is None:
        return Countries(week=None, coverage=None, countries=[])
    large, small = apart(snapshot.countries("week", week.start))
    answers = [_answer([view], view.country) for view in large]
    if small:
        answers.append(_answer(small, None))
    return Countries(week=week_name(week.start), coverage=week.coverage, countries=answers)


def _answer(views: Sequence[CountryView], country: str | None) -> CountryAnswer:
    queries = sum(view.queries for view in views)
    addresses = sum(view.addresses for view in views)
    topics = []
    for topic in views[0].topics:
        flagged = sum(view.topics[topic][0] for view in views)
        of = sum(view.topics[topic][1] for view in views)
        topics.append(
            CountryTopic(
                topic=topic,
                queries=flagged,
                query_fraction=flagged / queries if queries else None,
                addresses=of,
                address_fraction=interval(
                    Estimate(of / addresses, *wilson(of, addresses)) if addresses else None
                ),
            )
        )
    return CountryAnswer(
        country=country, countries=len(views), queries=queries, addresses=addresses, topics=topics
    )
