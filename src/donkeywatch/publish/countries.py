"""A week by country: the large ones one by one, the small ones together."""

from __future__ import annotations

from collections.abc import Sequence

from donkeywatch.counting.estimates import Estimate, wilson
from donkeywatch.counting.windows import week_name
from donkeywatch.publish.answers import Countries, CountryAnswer, CountryTopic, interval
from donkeywatch.publish.snapshot import CountryView, Snapshot

SMALL = 100
"""A country with fewer addresses in the week is not shown by itself."""


def week_by_country(snapshot: Snapshot, start: int | None = None) -> Countries:
    """The week that starts at ``start`` (ms UTC), by default the last closed one."""
    week = snapshot.closed_week(start)
    if week is None:
        return Countries(week=None, coverage=None, countries=[])
    views = snapshot.countries("week", week.start)
    large = [view for view in views if view.addresses >= SMALL]
    small = [view for view in views if view.addresses < SMALL]
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
