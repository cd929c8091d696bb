"""The tables as CSV, read by the csv module, have the figures of the views."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, WEEK, week_start
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish import csv_tables
from donkeywatch.publish.responses import (
    BoxPlotResponse,
    CountriesResponse,
    CountryResponse,
    CountryTopic,
    Interval,
    ProfileHour,
    ProfileResponse,
)
from donkeywatch.publish.window_views import TopicView, WindowView

MONDAY = week_start("2026-W48")
FIRST_COLUMNS = [
    "window", "start", "end", "closed", "coverage", "queries", "addresses", "late", "topic",
    "flagged_queries", "query_fraction", "query_fraction_lower", "query_fraction_upper",
    "flagged_addresses_1", "flagged_addresses_2", "flagged_addresses_3",
    "address_fraction", "address_fraction_lower", "address_fraction_upper",
    "corrected_query_fraction", "corrected_query_fraction_lower", "corrected_query_fraction_upper",
]  # fmt: skip
"""Columns that programs know by their place."""
CATEGORIES = [("pedophile", "explicit"), ("pedophile", "child_sex"), ("pornographic", "terms")]
shares = st.floats(0, 1)
estimates = st.none() | st.builds(Estimate, shares, shares, shares, st.floats(1, 1e6))
numbers = st.integers(0, 1 << 52)
topic_views = st.builds(
    TopicView,
    st.just("pedophile"),
    numbers,
    st.none() | st.tuples(numbers, numbers, numbers),
    estimates,
    st.tuples(estimates, estimates, estimates),
    st.dictionaries(st.sampled_from(["explicit", "child_sex"]), numbers),
)


def rows(text: bytes) -> list[dict[str, str]]:
    """The rows of a table, by name."""
    return list(csv.DictReader(io.StringIO(text.decode())))


def window(kind: str, *topics: TopicView, **changes: Any) -> WindowView:
    """A closed window."""
    length = WEEK if kind == "week" else HOUR
    made = WindowView(kind, MONDAY, MONDAY + length, True, 8, 4, 1, 0.5, topics)
    return made._replace(**changes)


def table(*views: WindowView) -> list[dict[str, str]]:
    """The rows of a table of windows."""
    return rows(csv_tables.windows_csv(views, CATEGORIES))


def cells(estimate: Estimate | None) -> list[float | None]:
    """What the cells of an estimate hold."""
    return [None] * 3 if estimate is None else list(estimate[:3])


def test_columns_stay_where_they_are() -> None:
    """New ones come behind those that are there, and categories behind them all."""
    text = csv_tables.windows_csv([], CATEGORIES).decode()
    (names,) = csv.reader(io.StringIO(text))
    assert names[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    assert names[:-3] == list(csv_tables.WINDOW_COLUMNS)
    assert names[-3:] == ["category_child_sex", "category_explicit", "category_terms"]


@given(st.sampled_from(["1h", "hour", "week"]), topic_views, shares, st.none() | numbers)
def test_every_figure_is_there_to_the_last_digit(
    kind: str, topic: TopicView, coverage: float, addresses: int | None
) -> None:
    """Numbers are read again as they were, and what there is none of is an empty cell."""
    (row,) = table(window(kind, topic, coverage=coverage, addresses=addresses))

    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    assert None not in row
    assert (number("coverage"), number("addresses")) == (coverage, addresses)
    assert (row["topic"], number("flagged_queries")) == ("pedophile", topic.queries)
    thresholds = [number(f"flagged_addresses_{least}") for least in (1, 2, 3)]
    assert thresholds == list(topic.addresses or [None] * 3)
    named = ("query_fraction", "address_fraction", "address_fraction_2", "address_fraction_3")
    for name, estimate in zip(named, (topic.query_fraction, *topic.address_fractions), strict=True):
        parts = [number(f"{name}{part}") for part in ("", "_lower", "_upper")]
        assert parts == cells(estimate)
    effect = topic.query_fraction.design_effect if topic.query_fraction else None
    assert number("design_effect") == effect
    assert row["week"] == ("2026-W48" if kind == "week" else "")


def test_the_corrected_fraction_stands_beside_the_observed_one() -> None:
    """In columns of its own, with its interval; without a record its cells are empty."""
    observed, known = Estimate(0.25, 0.1, 0.5, 1.5), Estimate(0.75, 0.5, 1.0, 1.5)
    topic = TopicView("pedophile", 2, (2, 1, 0), observed, (observed, None, None), {}, known)
    names = [f"corrected_query_fraction{end}" for end in ("", "_lower", "_upper")]
    (row,) = table(window("hour", topic))
    assert [row[name] for name in names] == ["0.75", "0.5", "1.0"]
    assert [row[f"query_fraction{end}"] for end in ("", "_lower", "_upper")] == [
        "0.25", "0.1", "0.5",
    ]  # fmt: skip
    (row,) = table(window("hour", topic._replace(corrected=None)))
    assert [row[name] for name in names] == ["", "", ""]
    assert row["query_fraction"] == "0.25"


def test_a_table_opens_in_pandas_without_options() -> None:
    """Numbers are numbers, and the times are ISO 8601."""
    pandas = pytest.importorskip("pandas")
    estimate = Estimate(0.75, 0.5, 1.0, 1.5)
    topic = TopicView("pedophile", 2, (2, 1, 0), estimate, (estimate, None, None), {}, estimate)
    text = csv_tables.windows_csv([window("hour", topic)], CATEGORIES)
    frame = pandas.read_csv(io.BytesIO(text))
    assert pandas.to_datetime(frame["start"])[0].isoformat() == "2026-11-23T00:00:00+00:00"
    assert frame["corrected_query_fraction"][0] == 0.75


def test_each_category_is_a_column() -> None:
    """A category without a query has 0, one of another topic and a rolling window have nothing."""
    none = (None, None, None)
    flagged = TopicView("pedophile", 2, None, None, none, {"explicit": 2})
    other = TopicView("pornographic", 1, None, None, none, {"terms": 1})
    unknown = TopicView("new", 0, None, None, none, {})
    hour = table(window("hour", flagged, other, unknown))
    names = ("category_child_sex", "category_explicit", "category_terms")
    assert [[row[name] for name in names] for row in hour] == [
        ["0", "2", ""], ["", "", "1"], ["", "", ""],
    ]  # fmt: skip
    rolling = table(window("24h", flagged._replace(categories={})))
    assert [rolling[0][name] for name in names] == ["", "", ""]


def test_the_profile_has_a_row_per_hour() -> None:
    """With its boxes, or without."""
    box = BoxPlotResponse(low=1, q1=2, median=3, q3=4, high=5.5)
    full = ProfileHour(
        hour=0, days=7, queries=8, flagged=2, mean_of_ratios=0.3, ratio_of_sums=0.25,
        query_box=box, ratio_box=None,
    )  # fmt: skip
    empty = ProfileHour(
        hour=1, days=0, queries=None, flagged=None, mean_of_ratios=None, ratio_of_sums=None,
        query_box=None, ratio_box=None,
    )  # fmt: skip
    answer = ProfileResponse(
        topic="pedophile", countries=["ES", "FR"], clock="local", hours=[full, empty]
    )
    first, second = rows(csv_tables.profile_csv(answer))
    assert list(first) == list(csv_tables.PROFILE_COLUMNS)
    assert (first["countries"], first["clock"], first["hour"]) == ("ES FR", "local", "0")
    assert (first["days"], first["ratio_of_sums"], first["query_high"]) == ("7", "0.25", "5.5")
    assert first["ratio_low"] == second["queries"] == second["query_low"] == ""


def test_countries_have_a_row_per_topic() -> None:
    """Those that are put together have no name."""
    interval = Interval(value=0.5, lower=0.25, upper=0.75, design_effect=1)
    topics = [
        CountryTopic(
            topic=name, queries=2, query_fraction=0.1, addresses=1, address_fraction=interval
        )
        for name in ("one", "two")
    ]
    small = CountryResponse(country=None, countries=3, queries=20, addresses=2, topics=topics)
    answer = CountriesResponse(week="2026-W48", coverage=0.5, countries=[small])
    first, second = rows(csv_tables.countries_csv(answer))
    assert list(first) == list(csv_tables.COUNTRY_COLUMNS)
    assert (first["topic"], second["topic"]) == ("one", "two")
    assert (first["week"], first["country"], first["countries"]) == ("2026-W48", "", "3")
    assert (first["address_fraction_lower"], first["flagged_addresses_1"]) == ("0.25", "1")
