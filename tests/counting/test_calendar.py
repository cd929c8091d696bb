"""The calendar: hours and ISO weeks in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import (
    DAY,
    FIRST_MONDAY,
    HOUR,
    MINUTE,
    WEEK,
    floor_to,
    iso_utc,
    to_ms,
    utc,
    week_name,
    week_of,
    week_start,
)
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS

times = st.integers(-30 * 365 * DAY, 200 * 365 * DAY)


@given(times, st.sampled_from([MINUTE, HOUR, DAY, WEEK]))
def test_floor_is_the_start_of_the_span(time: int, unit: int) -> None:
    """The span holds the time, starts on a multiple of its own, and before 1970 too."""
    start = floor_to(time, unit)
    assert start <= time < start + unit
    assert floor_to(start, unit) == start
    assert floor_to(start - 1, unit) == start - unit


@given(times)
def test_weeks_are_iso_weeks(time: int) -> None:
    """They start on Monday 00:00 UTC and have the calendar's names, back and forth."""
    start = week_of(time)
    monday = utc(start)
    assert (monday.isoweekday(), monday.hour, monday.minute) == (1, 0, 0)
    assert week_name(time) == week_name(start) == utc(time).strftime("%G-W%V")
    assert week_start(week_name(time)) == start


@given(times)
def test_datetimes_round_trip(time: int) -> None:
    """Milliseconds survive, in any zone."""
    assert to_ms(utc(time)) == time
    assert to_ms(utc(time).astimezone(timezone(timedelta(hours=5, minutes=30)))) == time


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (datetime(2026, 11, 23, tzinfo=UTC), "2026-W48"),
        (datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01"),
        (datetime(2024, 12, 30, tzinfo=UTC), "2025-W01"),
        (datetime(1970, 1, 5, tzinfo=UTC), "1970-W02"),
    ],
)
def test_names_at_the_turn_of_the_year(day: datetime, name: str) -> None:
    """The year of a week is that of its Thursday."""
    assert week_name(to_ms(day)) == name


@pytest.mark.parametrize("name", ["2026-W54", "2025-W53", "2026-W00", "2026", "", "W12", "a-Wb"])
def test_there_is_no_week_of_that_name(name: str) -> None:
    """A year without a week 53 has none."""
    with pytest.raises(ValueError, match=r"[Ii]nvalid|not the name"):
        week_start(name)


def test_constants() -> None:
    """The rolling windows and the first Monday."""
    assert ROLLING_LENGTHS == {"1h": HOUR, "24h": DAY, "7d": WEEK}
    assert week_of(0) == FIRST_MONDAY - WEEK
    assert iso_utc(1795430676285) == "2026-11-23T10:44:36Z"
