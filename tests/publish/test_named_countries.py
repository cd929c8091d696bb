"""Which countries are named: none of few addresses, and none that the others give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, WEEK, to_ms
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.publish.hour_profile import ProfileSegment
from donkeywatch.publish.named_countries import (
    MIN_NAMED_ADDRESSES,
    UNKNOWN,
    ProfileInput,
    profile_hours,
    suppress_small_countries,
)
from donkeywatch.publish.snapshot import CountryHour, CountryView, Snapshots
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import Store
from support.stored_windows import followed

MONDAY = to_ms(datetime(2026, 1, 5, tzinfo=UTC))
END_MS = MONDAY + 52 * WEEK


@given(st.lists(st.integers(1, 3 * MIN_NAMED_ADDRESSES), max_size=12))
def test_the_rest_tells_of_no_few_addresses(addresses: list[int]) -> None:
    """What is named is large and in its order; the rest is large too, or all there is."""
    views = [CountryView(f"C{i}", 500 - i, many, {}) for i, many in enumerate(addresses)]
    named, rest = suppress_small_countries(views)
    assert all(view.addresses >= MIN_NAMED_ADDRESSES for view in named)
    assert [view for view in views if view in named] == named
    assert sorted([*named, *rest], key=views.index) == views
    assert not rest or not named or sum(view.addresses for view in rest) >= MIN_NAMED_ADDRESSES


@given(st.lists(st.integers(MIN_NAMED_ADDRESSES, 3 * MIN_NAMED_ADDRESSES), max_size=12))
def test_without_small_countries_all_are_named(addresses: list[int]) -> None:
    """Nobody has to be hidden for anybody."""
    views = [CountryView(f"C{i}", 500 - i, many, {}) for i, many in enumerate(addresses)]
    assert suppress_small_countries(views) == (views, [])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    ensure_state_directory(tmp_path)
    opened = Store(tmp_path, ("one",))
    yield opened
    opened.close()


def add(store: Store, number: int, **addresses: int) -> None:
    """A closed week whose queries are all in its first hour, one of each address."""
    start, many = MONDAY + number * WEEK, sum(addresses.values())
    counts = HourCounts(many, 0, Counter({("one", "first"): len(addresses)}))
    progress = [SourceProgress("main", start + WEEK - 1, 0, 0, start + WEEK)]
    batch = Batch([], {start: counts}, Counter())
    store.checkpoint(batch, [], progress, followed({start: 3600.0}), start + WEEK)
    flagged = TopicAggregate(len(addresses), (len(addresses), 0, 0), 1, 1)
    countries = {name: CountryAggregate(n, n, ((1, 1),)) for name, n in addresses.items()}
    figures = WindowAggregate(many, many, many, (flagged,), countries)
    assert store.close_hour(start, None, figures)
    assert store.close_week(start, figures)


def profile_of_hours(
    store: Store, *countries: str, start: int = 0, end: int = END_MS
) -> ProfileInput:
    """What a profile of them would be made of."""
    with Snapshots(store.path.parent, ("one",)).open() as snapshot:
        made = profile_hours(snapshot, "one", countries, start, end)
        stretches = [ProfileSegment(list(hours), closed) for hours, closed in made.stretches]
    assert all({hour.start for hour in hours} <= set(closed) for hours, closed in stretches)
    return replace(made, stretches=stretches)


def hours(store: Store, *countries: str, start: int = 0, end: int = END_MS) -> list[CountryHour]:
    """Its hours with queries."""
    return listed(profile_of_hours(store, *countries, start=start, end=end))


def listed(made: ProfileInput) -> list[CountryHour]:
    """The hours of all its stretches."""
    return [hour for hours, _ in made.stretches for hour in hours]


def test_a_profile_has_the_weeks_in_which_each_country_is_large(store: Store) -> None:
    """One that is small, or that is not there, takes the week from the others."""
    add(store, 0, FR=MIN_NAMED_ADDRESSES, ES=MIN_NAMED_ADDRESSES)
    add(store, 1, FR=MIN_NAMED_ADDRESSES, ES=MIN_NAMED_ADDRESSES - 1, DE=MIN_NAMED_ADDRESSES - 1)
    add(store, 2, FR=MIN_NAMED_ADDRESSES)
    assert [hour.start for hour in hours(store, "FR")] == [MONDAY + i * WEEK for i in range(3)]
    assert {hour.start for hour in hours(store, "ES")} == {MONDAY}
    assert {hour.start for hour in hours(store, "FR", "ES")} == {MONDAY}
    assert hours(store, "DE") == []
    assert sum(hour.queries for hour in hours(store)) == 6 * MIN_NAMED_ADDRESSES - 2


def test_a_country_that_hides_others_is_not_told_either(store: Store) -> None:
    """Taken from all, what is named would tell of the few addresses of the rest."""
    add(store, 0, FR=5 * MIN_NAMED_ADDRESSES, ES=2 * MIN_NAMED_ADDRESSES, LU=3)
    assert len(hours(store, "FR")) == 1
    assert hours(store, "ES") == []
    assert hours(store, "FR", "ES") == []


def test_a_week_counts_when_the_range_holds_all_of_it(store: Store) -> None:
    """Two ranges that differ by an hour tell nothing of that hour."""
    add(store, 0, FR=MIN_NAMED_ADDRESSES)
    assert len(hours(store, "FR", start=MONDAY, end=MONDAY + WEEK)) == 1
    assert hours(store, "FR", start=MONDAY, end=MONDAY + WEEK - HOUR) == []
    assert hours(store, "FR", start=MONDAY + 1, end=END_MS) == []


def test_a_country_that_is_not_named_has_no_time_of_its_own(store: Store) -> None:
    """Week by week: by the hour it is put into, one that is alone in its zone would be told."""
    add(store, 0, FR=2 * MIN_NAMED_ADDRESSES, NP=MIN_NAMED_ADDRESSES)
    add(
        store, 1, FR=2 * MIN_NAMED_ADDRESSES, NP=MIN_NAMED_ADDRESSES - 1, ES=MIN_NAMED_ADDRESSES - 1
    )
    made = profile_of_hours(store)
    assert made.local
    assert {(hour.start, hour.country, hour.queries) for hour in listed(made)} == {
        (MONDAY, "FR", 2 * MIN_NAMED_ADDRESSES), (MONDAY, "NP", MIN_NAMED_ADDRESSES),
        (MONDAY + WEEK, "FR", 2 * MIN_NAMED_ADDRESSES),
        (MONDAY + WEEK, UNKNOWN, 2 * MIN_NAMED_ADDRESSES - 2),
    }  # fmt: skip
    assert sum(hour.queries for hour in listed(made)) == 7 * MIN_NAMED_ADDRESSES - 2


def test_without_a_whole_week_the_hours_of_all_are_in_utc(store: Store) -> None:
    """A single hour has what the calendar hour has, and no country; so have those beside it."""
    add(store, 0, FR=MIN_NAMED_ADDRESSES, NP=MIN_NAMED_ADDRESSES)
    add(store, 1, FR=MIN_NAMED_ADDRESSES)
    for span in (
        (MONDAY, MONDAY + HOUR),
        (MONDAY, MONDAY + WEEK - HOUR),
        (MONDAY - WEEK, MONDAY + 1),
    ):
        made = profile_of_hours(store, start=span[0], end=span[1])
        assert not made.local
        assert {(hour.start, hour.country) for hour in listed(made)} == {(MONDAY, UNKNOWN)}
    made = profile_of_hours(store, start=MONDAY, end=MONDAY + WEEK + HOUR)
    assert {hour.start for hour in listed(made)} == {MONDAY}


def test_a_stretch_ends_where_another_country_is_named(store: Store) -> None:
    """From there on it has another time: an hour of its day would be in it twice, or not at all."""
    for number, small in enumerate((0, 0, 1, 1, 0)):
        add(
            store,
            number,
            FR=2 * MIN_NAMED_ADDRESSES,
            NP=MIN_NAMED_ADDRESSES - small,
            ES=MIN_NAMED_ADDRESSES - small,
        )
    weeks = [
        sorted({hour.start for hour in hours}) for hours, _ in profile_of_hours(store).stretches
    ]
    assert weeks == [[MONDAY + n * WEEK for n in several] for several in ((0, 1), (2, 3), (4,))]
    assert len(profile_of_hours(store, "FR").stretches) == 1
