"""The rules of the guarded release: which figures of a closed week anyone may see.

A week is decided once, as a whole: its total, its countries and its hours together. A cell that is
left out could be computed by subtraction from the total and the other cells (complementary
disclosure), so cells are never left out one at a time:

- *Week.* A topic is released with at least ten flagged and ten other addresses.
- *Hours.* All hours with queries, or none: which hours were left out, and what the week has more
  than the others, would tell of them (Wong et al. 2007, VLDB, "Minimality attack").
- *Countries.* Those with most addresses, up to the first that has not enough flagged ones. What is
  not named is one group, and that has ten flagged addresses, too; so never all are named.
- *Topics.* One topic may hold another, so that their difference is a count: one that has nearly as
  many flagged addresses as one before it in the lexicon is left out.
- *Repeats.* Flagged queries are told where they are at least ten more than flagged addresses: the
  difference bounds how many addresses sent more than one.

No rule depends on the value of a count below the floor, only on its being below.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence

from donkeywatch.estimation.intervals import wilson
from donkeywatch.store.released import ExactCounts, ReleasedRow, WeekCounts

FLOOR = 10
"""Flagged addresses; no figure tells of fewer."""
MIN_RELEASED_ADDRESSES = 100
"""Addresses of a window or a country; of fewer nothing is told."""
ROUNDING = 5
"""Every count is given as the nearest multiple of this."""
ROUNDING_ERROR = ROUNDING // 2

Figures = dict[str, object]


def round_count(count: int) -> int:
    """The nearest multiple of `ROUNDING`."""
    return (count + ROUNDING_ERROR) // ROUNDING * ROUNDING


def release_week(week: WeekCounts, topics: Sequence[str]) -> list[ReleasedRow]:
    """Everything that is ever released of a closed week; topics in the order of the lexicon.

    The first row is there in any case: it says that the week is decided. The order of the topics
    matters: of two that are too close the later is left out.
    """
    total: Figures = {"breaks": list(week.breaks)}
    if week.total.addresses < MIN_RELEASED_ADDRESSES:
        return [_row("week", week.start, "", "", total)]
    rows = [_row("week", week.start, "", "", _totals(week.total) | total)]
    released = _distinct_topics(week.total, topics)
    for topic in released:
        with_queries = _has_repeats([week.total], topic)
        rows.append(_topic_row("week", week.start, topic, week.total, with_queries=with_queries))
        if not with_queries:
            week = _without_queries(week, topic)
    return rows + _country_rows(week, released) + _hour_rows(week, released)


# -- what may be told of a cell ------------------------------------------------------------


def _is_protected(counts: ExactCounts, topic: str) -> bool:
    """Tell whether there are enough flagged addresses, and enough others."""
    flagged = counts.flagged_addresses(topic)
    return flagged >= FLOOR and counts.addresses - flagged >= FLOOR


def _are_apart(counts: ExactCounts, topic: str, other: str) -> bool:
    """Tell whether the difference of two topics may be known."""
    return abs(counts.flagged_addresses(topic) - counts.flagged_addresses(other)) >= FLOOR


def _distinct_topics(counts: ExactCounts, topics: Iterable[str]) -> list[str]:
    """The topics of a cell that may be told together."""
    released: list[str] = []
    for topic in topics:
        is_distinct = all(_are_apart(counts, topic, other) for other in released)
        if is_distinct and _is_protected(counts, topic):
            released.append(topic)
    return released


def _has_repeats(cells: Iterable[ExactCounts], topic: str) -> bool:
    """Tell whether flagged queries exceed flagged addresses enough in each cell."""
    flagged = [cell.flagged.get(topic, (0, 0)) for cell in cells]
    return all(queries - addresses >= FLOOR for queries, addresses in flagged)


def _without_queries(week: WeekCounts, topic: str) -> WeekCounts:
    """Copy a week with as many flagged queries of a topic as flagged addresses.

    No address has repeated a query then, and the number of queries is not released.
    """

    def stripped(cell: ExactCounts) -> ExactCounts:
        addresses = cell.flagged_addresses(topic)
        flagged = {**cell.flagged, topic: (addresses, addresses)}
        return ExactCounts(cell.queries, cell.addresses, flagged, cell.coverage)

    return WeekCounts(
        week.start,
        stripped(week.total),
        {start: stripped(cell) for start, cell in week.hours.items()},
        {country: stripped(cell) for country, cell in week.countries.items()},
        week.breaks,
    )


# -- hours ---------------------------------------------------------------------------------


def _hour_rows(week: WeekCounts, topics: Sequence[str]) -> list[ReleasedRow]:
    """The hours of the week, all or none; each topic in all of them or in none."""
    cells = week.hours.values()
    if not cells or any(hour.addresses < MIN_RELEASED_ADDRESSES for hour in cells):
        return []
    rows = [_row("hour", start, "", "", _totals(hour)) for start, hour in week.hours.items()]
    released: list[str] = []
    for topic in topics:
        is_distinct = all(_are_apart(hour, topic, other) for hour in cells for other in released)
        if is_distinct and _are_hours_protected(week, topic):
            released.append(topic)
            with_queries = _has_repeats(cells, topic)
            rows += [
                _topic_row("hour", start, topic, hour, with_queries=with_queries)
                for start, hour in week.hours.items()
            ]
    return rows


def _are_hours_protected(week: WeekCounts, topic: str) -> bool:
    """Tell whether every hour is protected, and each count that can be had by subtraction.

    Those are the week without one of its hours, and the sum of the hours without the week: it is
    larger, since an address that is flagged in several hours counts in each.
    """
    cells, total = week.hours.values(), week.total.flagged_addresses(topic)
    if not all(_is_protected(hour, topic) for hour in cells):
        return False
    by_hour = [hour.flagged_addresses(topic) for hour in cells]
    is_the_week = len(by_hour) == 1
    return is_the_week or (total - max(by_hour) >= FLOOR and sum(by_hour) - total >= FLOOR)


# -- countries -----------------------------------------------------------------------------


def _country_rows(week: WeekCounts, topics: Sequence[str]) -> list[ReleasedRow]:
    rows: list[ReleasedRow] = []
    released: dict[str, list[str]] = {}
    for topic in topics:
        named = released[topic] = _named_countries(week, topic, released)
        cells = [week.countries[country] for country in named]
        with_queries = _has_repeats([week.total, *cells, _rest(week, named)], topic)
        for country, cell in zip(named, cells, strict=True):
            row = _topic_row(
                "week", week.start, topic, cell, with_queries=with_queries, country=country
            )
            rows.append(row)
    return rows


def _named_countries(
    week: WeekCounts, topic: str, released: Mapping[str, Sequence[str]]
) -> list[str]:
    """The countries that may be named: those with most addresses, up to the first that may not.

    The last of them are taken away until the rest is large enough, too. Their order knows nothing
    of what is flagged. If every country that may be named were, each of the others would be known
    to be below the floor: two that have 18 flagged addresses together would have nine each.
    """
    order = sorted(week.countries, key=lambda name: (-week.countries[name].addresses, name))
    named = list(itertools.takewhile(lambda name: _is_nameable(week, topic, name, released), order))
    while named and not _is_rest_protected(week, topic, named, released):
        named.pop()
    return named


def _is_nameable(
    week: WeekCounts, topic: str, country: str, released: Mapping[str, Sequence[str]]
) -> bool:
    """Tell whether a country is large enough by itself, and beside the topics that name it."""
    counts = week.countries[country]
    named_by = [other for other, countries in released.items() if country in countries]
    return (
        counts.addresses >= MIN_RELEASED_ADDRESSES
        and _is_protected(counts, topic)
        and all(_are_apart(counts, topic, other) for other in named_by)
    )


def _is_rest_protected(
    week: WeekCounts, topic: str, named: Sequence[str], released: Mapping[str, Sequence[str]]
) -> bool:
    """Tell whether the week without the named countries is large enough.

    By itself, and in its difference to each topic that is released before.
    """
    rest = _rest(week, named)
    if rest.addresses < MIN_RELEASED_ADDRESSES or not _is_protected(rest, topic):
        return False
    for other, others in released.items():
        both = [country for country in named if country in others]
        if both and not _are_apart(_rest(week, both), topic, other):
            return False
    return True


def _rest(week: WeekCounts, named: Sequence[str]) -> ExactCounts:
    """Give the counts of a week without some of its countries.

    An address that came from two countries is counted in each, and once in the week.
    """
    cells = [week.countries[country] for country in named]
    flagged = {
        topic: (
            queries - sum(cell.flagged.get(topic, (0, 0))[0] for cell in cells),
            addresses - sum(cell.flagged_addresses(topic) for cell in cells),
        )
        for topic, (queries, addresses) in week.total.flagged.items()
    }
    return ExactCounts(
        week.total.queries - sum(cell.queries for cell in cells),
        week.total.addresses - sum(cell.addresses for cell in cells),
        flagged,
    )


# -- figures -------------------------------------------------------------------------------


def _row(kind: str, start: int, topic: str, country: str, figures: Figures) -> ReleasedRow:
    return ReleasedRow(kind, start, topic, country, json.dumps(figures, sort_keys=True))


def _totals(counts: ExactCounts) -> Figures:
    return {
        "queries": round_count(counts.queries),
        "addresses": round_count(counts.addresses),
        "coverage": round(counts.coverage, 2),
    }


def _topic_row(
    kind: str,
    start: int,
    topic: str,
    counts: ExactCounts,
    *,
    with_queries: bool,
    country: str = "",
) -> ReleasedRow:
    queries, addresses = round_count(counts.queries), round_count(counts.addresses)
    flagged_queries, flagged = map(round_count, counts.flagged[topic])
    figures: Figures = {
        "queries": queries,
        "addresses": addresses,
        "flagged_addresses": flagged,
        "address_fraction": _fraction(flagged, addresses, addresses),
        "flagged_queries": flagged_queries if with_queries else None,
        "query_fraction": _fraction(flagged_queries, queries, addresses) if with_queries else None,
    }
    return _row(kind, start, topic, country, figures)


def _fraction(flagged: int, count: int, trials: int) -> list[float]:
    """A fraction of rounded counts, and the ends of its interval by Wilson.

    The interval holds for every count that is rounded so. An address is one trial: how alike the
    queries of one address are is not released.
    """
    least = max(0, flagged - ROUNDING_ERROR) / (count + ROUNDING_ERROR)
    most = min(1.0, (flagged + ROUNDING_ERROR) / max(1, count - ROUNDING_ERROR))
    lower, upper = wilson(least * trials, trials)[0], wilson(most * trials, trials)[1]
    return [round(value, 9) for value in (flagged / count, lower, upper)]
