"""Which countries a week names, with the small ones put together, for table and profile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from donkeywatch.counting.calendar import WEEK, week_name
from donkeywatch.estimation.intervals import Estimate, wilson
from donkeywatch.publish.hour_profile import ProfileSegment
from donkeywatch.publish.responses import CountriesResponse, CountryResponse, CountryTopic, interval
from donkeywatch.publish.snapshot import CountryView, Snapshot

MIN_NAMED_ADDRESSES = 100
"""A country with fewer addresses in a window is not shown by itself."""
UNKNOWN = "ZZ"
"""The country of an address that no country is known of; its time is UTC."""


def suppress_small_countries(
    views: Sequence[CountryView],
) -> tuple[list[CountryView], list[CountryView]]:
    """The countries of a window that may be named, in the order given, and those that may not.

    Where all the small ones together are few, the smallest of the large goes with them: else the
    whole window less what is named would tell of a few addresses.
    """
    nameable = [view for view in views if view.addresses >= MIN_NAMED_ADDRESSES]
    suppressed = [view for view in views if view.addresses < MIN_NAMED_ADDRESSES]
    if nameable and 0 < sum(view.addresses for view in suppressed) < MIN_NAMED_ADDRESSES:
        least = min(nameable, key=lambda view: view.addresses)
        nameable.remove(least)
        suppressed.append(least)
    return nameable, suppressed


@dataclass(frozen=True, slots=True)
class ProfileInput:
    """What a profile is made of; to be gone through while the snapshot is held."""

    stretches: list[ProfileSegment]
    local: bool
    """Countries that may be named have their own code, and so their own time."""


def profile_hours(
    snapshot: Snapshot,
    topic: str,
    countries: Sequence[str],
    start: int,
    end: int,
    coverage: float = 0.0,
) -> ProfileInput:
    """Closed hours in [start, end) ms for a profile: those of the whole weeks in it.

    Where countries are named, of the weeks in which each of them may be named. Where none is, those
    that may not be are put together as unknown, week by week. Without a whole week all of them are,
    in any hours: a country that is alone in its zone would be told by the hour it is put into. No
    single hour of a week is left out, since what is left out could be told, too: it is of weeks, or
    of hours without one, that ``coverage`` (0 to 1) is asked.
    """
    weeks = snapshot.closed_starts("week", start, end - WEEK + 1, coverage)
    if not weeks and not countries:
        hours = snapshot.country_hours(topic, (), start, end, UNKNOWN)
        starts = snapshot.closed_starts("hour", start, end, coverage)
        return ProfileInput([ProfileSegment(hours, starts)] if starts else [], local=False)
    named = {week: _nameable_countries(snapshot, week) for week in weeks}
    if countries:
        chosen = [week for week in weeks if set(countries) <= named[week]]
        return ProfileInput([_segment(snapshot, topic, countries, chosen, None)], local=True)
    # A country that is named in a week and not in the next goes from its time to UTC between them.
    parts = [
        _segment(snapshot, topic, sorted(large), list(run), UNKNOWN)
        for large, run in itertools.groupby(weeks, named.__getitem__)
    ]
    return ProfileInput(parts, local=True)


def _segment(
    snapshot: Snapshot, topic: str, countries: Sequence[str], weeks: Sequence[int], rest: str | None
) -> ProfileSegment:
    return ProfileSegment(
        itertools.chain.from_iterable(
            snapshot.country_hours(topic, countries, week, week + WEEK, rest) for week in weeks
        ),
        [hour for week in weeks for hour in snapshot.closed_starts("hour", week, week + WEEK)],
    )


def _nameable_countries(snapshot: Snapshot, week: int) -> set[str]:
    return {view.country for view in suppress_small_countries(snapshot.countries("week", week))[0]}


def week_by_country(snapshot: Snapshot, start: int | None = None) -> CountriesResponse:
    """The week that starts at ``start`` (ms UTC), by default the last closed one."""
    week = snapshot.closed_week(start)
    if week is None:
        return CountriesResponse(week=None, coverage=None, countries=[])
    large, small = suppress_small_countries(snapshot.countries("week", week.start))
    answers = [_answer([view], view.country) for view in large]
    if small:
        answers.append(_answer(small, None))
    return CountriesResponse(week=week_name(week.start), coverage=week.coverage, countries=answers)


def _answer(views: Sequence[CountryView], country: str | None) -> CountryResponse:
    queries = sum(view.queries for view in views)
    addresses = sum(view.addresses for view in views)
    topics = []
    for topic in views[0].topics:
        flagged = sum(view.topics[topic][0] for view in views)
        flagged_addresses = sum(view.topics[topic][1] for view in views)
        topics.append(
            CountryTopic(
                topic=topic,
                queries=flagged,
                query_fraction=flagged / queries if queries else None,
                addresses=flagged_addresses,
                address_fraction=interval(
                    Estimate(flagged_addresses / addresses, *wilson(flagged_addresses, addresses))
                    if addresses
                    else None
                ),
            )
        )
    return CountryResponse(
        country=country, countries=len(views), queries=queries, addresses=addresses, topics=topics
    )
