"""The hours of the day: both estimators by hand, and local time in odd zones."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, to_ms, utc
from donkeywatch.publish.country_zones import zone_of_country
from donkeywatch.publish.hour_profile import BoxPlot, HourProfile, ProfileSegment, box_plot
from donkeywatch.publish.hour_profile import profile as profile_of
from donkeywatch.publish.snapshot import CountryHour


def at(text: str, country: str, queries: int, flagged: int = 0) -> CountryHour:
    """A UTC hour given as `2026-11-23T10`."""
    start = to_ms(datetime.fromisoformat(f"{text}:00").replace(tzinfo=UTC))
    return CountryHour(start, country, queries, flagged)


def profile(
    hours: Iterable[CountryHour], closed: Sequence[int] = (), countries: Iterable[str] = ()
) -> list[HourProfile]:
    """Of one stretch, all of whose closed hours have queries if no others are given."""
    hours = hours if closed else list(hours)
    starts = closed or [hour.start for hour in hours]
    return profile_of([ProfileSegment(hours, starts)], countries)


def filled(hours: list[HourProfile]) -> dict[int, HourProfile]:
    """The hours that have a figure."""
    return {hour.hour: hour for hour in hours if hour.days}


def point(value: float) -> BoxPlot:
    """The box of a single day."""
    return BoxPlot(value, value, value, value, value)


def test_a_box_leaves_out_what_is_far_away() -> None:
    """Of 1, 2, 3, 4 and 100 the quartiles are 2, 3 and 4: whiskers reach from 1 to 4 (Tukey)."""
    assert box_plot(np.array([100.0, 3.0, 1.0, 4.0, 2.0])) == BoxPlot(1.0, 2.0, 3.0, 4.0, 4.0)
    assert box_plot(np.array([])) is None


def test_both_estimators_by_hand() -> None:
    """Days of 100, 300 and 50 queries with 1, 9 and 0 flagged: mean of ratios and ratio of sums.

    Mean of ratios (1/100 + 9/300 + 0/50) / 3 = 0.04 / 3; ratio of sums 10/450.
    """
    (hour,) = filled(
        profile([at("2026-11-23T10", "ZZ", 100, 1), at("2026-11-24T10", "ZZ", 300, 9),
                 at("2026-11-25T10", "ZZ", 50, 0)])
    ).values()  # fmt: skip
    assert (hour.hour, hour.days) == (10, 3)
    assert hour.queries == 150.0
    assert hour.flagged == pytest.approx(10 / 3)
    assert hour.mean_of_ratios == pytest.approx(0.04 / 3)
    assert hour.ratio_of_sums == pytest.approx(10 / 450)


def test_countries_are_put_together_before_days_are_averaged() -> None:
    """Two countries of one zone make one day: (2 + 1) / (10 + 40), not the mean of two ratios."""
    (hour,) = filled(
        profile([at("2026-11-23T10", "FR", 10, 2), at("2026-11-23T10", "ES", 40, 1)])
    ).values()
    assert hour == HourProfile(11, 1, 50.0, 3.0, 3 / 50, 3 / 50, point(50), point(3 / 50))


def test_countries_of_different_zones_meet_in_the_same_local_hour() -> None:
    """05:00 in Argentina is 08:00 UTC, and in Brazil too; in Portugal it is 05:00 UTC."""
    hours = filled(
        profile([at("2026-11-23T08", "AR", 7), at("2026-11-23T08", "BR", 5),
                 at("2026-11-23T05", "PT", 3)])
    )  # fmt: skip
    assert {hour: result.queries for hour, result in hours.items()} == {5: 15.0}


def test_no_hours_are_no_figures() -> None:
    """All 24 hours are there, and without data each figure is missing, not zero."""
    hours = profile([])
    assert [hour.hour for hour in hours] == list(range(24))
    assert all(
        (h.days, h.queries, h.flagged, h.mean_of_ratios, h.ratio_of_sums)
        == (0, None, None, None, None)
        for h in hours
    )


def test_a_day_without_queries_has_no_ratio() -> None:
    """It counts as a day in the means, and in neither estimator."""
    (hour,) = filled(
        profile([at("2026-11-23T10", "ZZ", 0, 0), at("2026-11-24T10", "ZZ", 40, 2)])
    ).values()
    queries = BoxPlot(0.0, 10.0, 20.0, 30.0, 40.0)
    assert hour == HourProfile(10, 2, 20.0, 1.0, 0.05, 0.05, queries, point(0.05))


def test_the_hour_that_summer_time_skips_is_not_there() -> None:
    """On 2026-03-29 the local hours of France go from 1 to 3: hour 2 has one day less."""
    hours = [
        CountryHour(to_ms(datetime(2026, 3, 28, 0, tzinfo=UTC)) + i * HOUR, "FR", 10, 1)
        for i in range(-1, 46)
    ]
    days = {hour.hour: hour.days for hour in profile(hours)}
    assert days[2] == 1
    assert all(days[hour] == 2 for hour in range(24) if hour != 2)


def test_the_hour_that_winter_time_repeats_is_in_no_mean() -> None:
    """On 2026-10-25 two UTC hours are 02:00 in France: that day has no such hour of an hour."""
    hours = filled(
        profile([at("2026-10-24T00", "FR", 7), at("2026-10-25T00", "FR", 10),
                 at("2026-10-25T01", "FR", 20)])
    )  # fmt: skip
    assert {hour: result.queries for hour, result in hours.items()} == {2: 7.0}


@given(
    st.lists(st.sampled_from(["FR", "US", "NP", "AU", "IR", "ZZ"]), min_size=1, unique=True),
    st.integers(0, 365 * 24),
    st.sets(st.integers(0, 70), max_size=3),
)
def test_a_local_hour_counts_where_every_country_has_it(
    countries: list[str], begin: int, gaps: set[int]
) -> None:
    """By brute force: hour by hour in each zone, with three days of a constant load and gaps.

    No mean is lowered by the ends of the range, by gaps or by changes of the clock.
    """
    first = to_ms(datetime(2026, 1, 5, tzinfo=UTC)) + begin * HOUR
    starts = [first + i * HOUR for i in range(72) if i not in gaps]
    hours = [
        CountryHour(start, name, 1 + i, 1) for start in starts for i, name in enumerate(countries)
    ]
    observed: dict[tuple[date, int], Counter[str]] = {}
    for start in starts:
        for name in countries:
            local = utc(start + HOUR // 2).astimezone(zone_of_country(name))
            observed.setdefault((local.date(), local.hour), Counter())[name] += 1
    expected = Counter(h for (_, h), of in observed.items() if of == Counter(countries))
    load = sum(range(1, 1 + len(countries)))
    for result in profile(hours, starts):
        assert result.days == expected[result.hour]
        if result.days:
            assert (result.queries, result.flagged) == (load, len(countries))
            assert result.query_box == point(load)


def test_stretches_are_put_together() -> None:
    """Each has its own ends; the days of both are averaged."""
    monday = to_ms(datetime(2026, 11, 23, tzinfo=UTC))
    first, two = (range(monday + d * 24 * HOUR, monday + (d + 2) * 24 * HOUR, HOUR) for d in (0, 2))
    parts = [
        ProfileSegment(
            [CountryHour(start, name, 10, 1) for start in several for name in names], several
        )
        for several, names in ((first, ["JP", "ZZ"]), (two, ["ZZ"]))
    ]
    result = profile_of(parts)
    assert [hour.days for hour in result] == [3] * 9 + [4] * 15
    assert [hour.queries for hour in result] == [40 / 3] * 9 + [15] * 15


def test_years_of_hours_are_gone_through_once() -> None:
    """What is kept of a row is a few bytes: an answer of all time needs no more than the daemon."""
    start = to_ms(datetime(2020, 1, 6, tzinfo=UTC))
    starts = range(start, start + 3 * 365 * 24 * HOUR, HOUR)
    names = ["FR", "US", "AR", "JP", "ZZ", "IT", "ES", "BR"]
    tracemalloc.start()
    try:
        profile((CountryHour(s, name, 1, 0) for s in starts for name in names), starts)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("country", "utc", "local"),
    [
        ("IN", "2026-11-23T00", 6),  # +05:30: the middle is 06:00
        ("IN", "2026-11-23T18", 0),  # the middle is 00:00 of the next day
        ("NP", "2026-11-23T00", 6),  # +05:45: the middle is 06:15
        ("IR", "2026-11-23T00", 4),  # +03:30
        ("AF", "2026-11-23T20", 1),  # +04:30
        ("LK", "2026-11-23T12", 18),  # +05:30
        ("MM", "2026-11-23T12", 19),  # +06:30
        ("FR", "2026-07-01T12", 14),
        ("FR", "2026-12-01T12", 13),
        ("US", "2026-11-23T12", 7),
        ("BR", "2026-11-23T12", 9),
        ("AU", "2026-11-23T12", 23),
        ("CN", "2026-11-23T12", 20),
        ("ZZ", "2026-11-23T12", 12),
        ("XX", "2026-11-23T12", 12),
    ],
)
def test_an_hour_goes_where_its_middle_is(country: str, utc: str, local: int) -> None:
    """Each country has its own time, half hours and summer time included; unknown ones UTC."""
    assert list(filled(profile([at(utc, country, 1)]))) == [local]


def test_a_local_day_is_not_the_utc_day() -> None:
    """23:00 UTC of one day and 22:00 UTC of the next are two local days in France."""
    hours = filled(profile([at("2026-11-23T23", "FR", 10), at("2026-11-24T23", "FR", 30)]))
    assert (hours[0].days, hours[0].queries) == (2, 20.0)


def test_a_quiet_day_of_a_country_lowers_its_mean() -> None:
    """An hour that was followed, in which a country sent nothing, is a zero and not a gap.

    Spain's row shows that the hour of the second day was counted.
    """
    hours = [
        at("2026-11-23T10", "FR", 10, 1), at("2026-11-23T10", "ES", 5),
        at("2026-11-24T10", "ES", 5),
    ]  # fmt: skip
    closed = sorted({hour.start for hour in hours})
    together = filled(profile(hours, closed))[11]
    separate = [
        filled(profile([h for h in hours if h.country == c], closed, [c]))[11] for c in ("FR", "ES")
    ]
    assert together.queries is not None
    assert sum(hour.queries or 0 for hour in separate) == together.queries


def test_every_country_of_the_study_has_a_zone_of_its_own() -> None:
    """The main zones are used where the table begins with an island or an outpost."""
    names = {
        country: str(zone_of_country(country))
        for country in ("PT", "US", "BR", "RU", "ES", "FR", "AR")
    }
    assert names == {
        "PT": "Europe/Lisbon", "US": "America/New_York", "BR": "America/Sao_Paulo",
        "RU": "Europe/Moscow", "ES": "Europe/Madrid", "FR": "Europe/Paris",
        "AR": "America/Argentina/Buenos_Aires",
    }  # fmt: skip
