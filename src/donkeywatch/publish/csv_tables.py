"""The tables as CSV: RFC 4180 but for the line end, which is that of Unix; the first row has names.

Cells are empty where there is no figure; fractions are from 0 to 1, times UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence

from pydantic_core import to_json

from donkeywatch.counting.calendar import week_name
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.responses import CountriesResponse, Interval, ProfileResponse
from donkeywatch.publish.window_documents import iso_time
from donkeywatch.publish.window_views import WindowView

MEDIA_TYPE = "text/csv; charset=utf-8"
WINDOW_COLUMNS = {
    "window": "`1h`, `24h`, `7d` (rolling), `hour` or `week`",
    "start": "ISO 8601",
    "end": "ISO 8601, exclusive",
    "closed": "1, or 0 while lines are still expected",
    "coverage": "share of its seconds for which the log was followed",
    "queries": "all queries",
    "addresses": "distinct addresses; empty until closed",
    "late": "queries that came after it had closed",
    "topic": "one row for each",
    "flagged_queries": "queries that are flagged as this topic",
    "query_fraction": "flagged queries over queries",
    "query_fraction_lower": "lower bound of its 95 % interval, clustered by address",
    "query_fraction_upper": "upper bound",
    "flagged_addresses_1": "distinct addresses with at least 1 flagged query",
    "flagged_addresses_2": "with at least 2",
    "flagged_addresses_3": "with at least 3",
    "address_fraction": "addresses with at least 1 flagged query over addresses",
    "address_fraction_lower": "lower bound of its 95 % Wilson interval",
    "address_fraction_upper": "upper bound",
    "corrected_query_fraction": "the query fraction corrected for errors of the detector; empty"
    " unless a validation record fits the lexicon of the window",
    "corrected_query_fraction_lower": "lower end of its 95 % interval (Lang and Reiczigel)",
    "corrected_query_fraction_upper": "upper end of the same",
    "week": "ISO week, such as 2026-W48, of a calendar week; empty for other windows",
    "design_effect": "how much wider than for independent queries the variance of the query"
    " fraction is",
    "address_fraction_2": "addresses with at least 2 flagged queries over addresses",
    "address_fraction_2_lower": "lower bound",
    "address_fraction_2_upper": "upper bound",
    "address_fraction_3": "addresses with at least 3 flagged queries over addresses",
    "address_fraction_3_lower": "lower bound",
    "address_fraction_3_upper": "upper bound",
}
"""Names and meanings, in order; behind them one `category_` column for each category."""
CATEGORY_COLUMN = "category_"
CALENDAR_KINDS = ("hour", "week")
"""Windows whose categories are counted."""
NO_FIGURES = ("", "", "")
BOX_PARTS = ("low", "q1", "median", "q3", "high")
PROFILE_COLUMNS = {
    "topic": "what is flagged",
    "countries": "ISO 3166 codes that are put together, with spaces; empty: all",
    "clock": "`local`: each country in its own time, or `utc`",
    "hour": "of the day, 0 to 23",
    "days": "how many days had this hour",
    "queries": "mean per day",
    "flagged": "mean per day",
    "mean_of_ratios": "mean of the fractions of the days",
    "ratio_of_sums": "flagged over all queries",
    **{
        f"{box}_{part}": f"{meaning}, {part}"
        for box, meaning in (("query", "queries of each day"), ("ratio", "fraction of each day"))
        for part in BOX_PARTS
    },
}
COUNTRY_COLUMNS = {
    "week": "ISO week",
    "coverage": "share of its seconds for which the log was followed",
    "country": "ISO 3166 code at arrival, ZZ where unknown; empty: the small ones together",
    "countries": "how many countries the figures are of",
    "queries": "all queries",
    "addresses": "distinct addresses",
    "topic": "one row for each",
    "flagged_queries": "queries that are flagged as this topic",
    "query_fraction": "flagged queries over queries",
    "flagged_addresses_1": "distinct addresses with at least 1 flagged query",
    "address_fraction": "these over addresses",
    "address_fraction_lower": "lower bound of its 95 % Wilson interval",
    "address_fraction_upper": "upper bound",
}

Row = Sequence[object]


def windows_csv(views: Sequence[WindowView], categories: Collection[tuple[str, str]]) -> bytes:
    """The table of windows: one row per window and topic."""
    return windows_header(categories) + windows_rows(views, categories)


def windows_header(categories: Iterable[tuple[str, str]]) -> bytes:
    """The names of the columns of windows, with one for each category of any topic."""
    names = sorted({category for _, category in categories})
    return _lines([[*WINDOW_COLUMNS, *(CATEGORY_COLUMN + name for name in names)]])


def windows_rows(views: Sequence[WindowView], categories: Iterable[tuple[str, str]]) -> bytes:
    """The rows of windows.

    Each of ``categories`` (topic and category) is a column, in which a topic that has no such
    category has an empty cell, and so has a rolling window.
    """
    known = set(categories)
    names = sorted({category for _, category in known})
    none: dict[str, dict[str, object]] = {
        topic: {name: 0 if (topic, name) in known else "" for name in names}
        for topic in {topic for topic, _ in known}
    }
    unknown: dict[str, object] = dict.fromkeys(names, "")
    rows: list[Row] = []
    for view in views:
        is_calendar = view.kind in CALENDAR_KINDS
        start, end = iso_time(view.start), iso_time(view.end)
        week = week_name(view.start) if view.kind == "week" else ""
        for topic in view.topics:
            counts = none.get(topic.topic, unknown) | topic.categories
            rows.append(
                (
                    view.kind, start, end, int(view.closed), view.coverage, view.queries,
                    "" if view.addresses is None else view.addresses, view.late,
                    topic.topic, topic.queries,
                    *_bounds(topic.query_fraction), *(topic.addresses or NO_FIGURES),
                    *_bounds(topic.address_fractions[0]), *_bounds(topic.corrected), week,
                    topic.query_fraction.design_effect if topic.query_fraction else "",
                    *_bounds(topic.address_fractions[1]),
                    *_bounds(topic.address_fractions[2]),
                    *(counts.values() if is_calendar else unknown.values()),
                )
            )  # fmt: skip
    return _plain_lines(rows)


def profile_csv(answer: ProfileResponse) -> bytes:
    """The table of a profile: one row per hour of the day."""
    countries = " ".join(answer.countries)
    rows: list[Row] = [tuple(PROFILE_COLUMNS)]
    for hour in answer.hours:
        boxes = (hour.query_box, hour.ratio_box)
        rows.append(
            (
                answer.topic, countries, answer.clock, hour.hour, hour.days, hour.queries,
                hour.flagged, hour.mean_of_ratios, hour.ratio_of_sums,
                *(getattr(box, part, None) for box in boxes for part in BOX_PARTS),
            )
        )  # fmt: skip
    return _lines(rows)


def countries_csv(answer: CountriesResponse) -> bytes:
    """The table of a week by country: one row per country and topic."""
    rows: list[Row] = [tuple(COUNTRY_COLUMNS)]
    for country in answer.countries:
        for topic in country.topics:
            rows.append(
                (
                    answer.week, answer.coverage, country.country, country.countries,
                    country.queries, country.addresses, topic.topic, topic.queries,
                    topic.query_fraction, topic.addresses, *_bounds(topic.address_fraction),
                )
            )  # fmt: skip
    return _lines(rows)


def _bounds(estimate: Estimate | Interval | None) -> Row:
    """Give the cells of a fraction and its interval."""
    return (estimate.value, estimate.lower, estimate.upper) if estimate else NO_FIGURES


def _plain_lines(rows: Sequence[Row]) -> bytes:
    """Give the lines of rows whose texts need no quotes: identifiers, times, and empty ones.

    The csv module takes four times as long, nearly all of it for the digits of the numbers.
    """
    return to_json(rows)[2:-2].replace(b"],[", b"\n").replace(b'"', b"") + b"\n" if rows else b""


def _lines(rows: Iterable[Row]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
