"""Stamps to UTC: every shape a server writes, and every shape that must be refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.timestamps import BAD_TIME, IMPOSSIBLE_TIME, Timestamp, TimestampParser

PARIS = ZoneInfo("Europe/Paris")


def ms(*parts: int) -> int:
    """The time in ms of a UTC date."""
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def same(time: int) -> Timestamp:
    """A moment with one reading."""
    return Timestamp(time, time)


BASE = ms(2026, 11, 23, 10, 44, 36)


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (b"2026-11-23T10:44:36Z", BASE),
        (b"2026-11-23 10:44:36Z", BASE),
        (b"2026-11-23T10:44:36.285Z", BASE + 285),
        (b"2026-11-23T10:44:36,285Z", BASE + 285),
        (b"2026-11-23T10:44:36.2Z", BASE + 200),
        (b"2026-11-23T10:44:36.285999999Z", BASE + 285),
        (b"2026-11-23T11:44:36.285+0100", BASE + 285),
        (b"2026-11-23T11:44:36.285+01:00", BASE + 285),
        (b"2026-11-23T05:14:36-05:30", BASE),
        (b"2026-11-23T10:44:36+0000", BASE),
        (b"2026-11-23T10:44:36-00:00", BASE),
        (b"2026-01-01T00:30:00+0100", ms(2025, 12, 31, 23, 30)),
        (b"2025-12-31T23:30:00-0100", ms(2026, 1, 1, 0, 30)),
        (b"2024-02-29T00:00:00Z", ms(2024, 2, 29)),
        (b"2000-01-01T00:00:00Z", ms(2000, 1, 1)),
    ],
)
def test_a_stamp_with_a_zone_is_read_in_that_zone(stamp: bytes, time: int) -> None:
    """ISO stamps with Z, +hhmm and +hh:mm are the same instant, to the millisecond."""
    assert TimestampParser().read(stamp) == same(time)
    assert TimestampParser(PARIS).read(stamp) == same(time)


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (b"946684800", ms(2000, 1, 1)),
        (b"1795430676", BASE),
        (b"1795430676.2", BASE + 200),
        (b"1795430676.285", BASE + 285),
        (b"1795430676.285999999", BASE + 285),
    ],
)
def test_unix_seconds_are_read_with_their_fraction(stamp: bytes, time: int) -> None:
    """Unix seconds need no zone; digits behind the milliseconds are cut off."""
    assert TimestampParser(PARIS).read(stamp) == same(time)


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (b"1795430676285", BASE + 285),
        (b"1795430676285.9", BASE + 285),
        (b"1795430676285999", BASE + 285),
        (b"1795430676285999999", BASE + 285),
        (b"1000000000000", ms(2001, 9, 9, 1, 46, 40)),
    ],
)
def test_unix_times_are_told_apart_by_their_digits(stamp: bytes, time: int) -> None:
    """13 digits count milliseconds, 16 microseconds, 19 nanoseconds."""
    assert TimestampParser(PARIS).read(stamp) == same(time)


@pytest.mark.parametrize("digits", [12, 14, 15, 17, 18, 20, 22])
def test_any_other_number_of_digits_is_bad_time(digits: int) -> None:
    """It would be read as a time of no unit there is."""
    assert TimestampParser(PARIS).read(b"1795430676285999999123"[:digits]) == BAD_TIME


def test_a_leap_second_is_the_end_of_the_second_before() -> None:
    """23:59:60 has no number of its own and never becomes the next year."""
    assert TimestampParser().read(b"2016-12-31T23:59:60.500Z") == same(ms(2017, 1, 1) - 1)
    assert TimestampParser().read(b"2017-01-01T00:59:60+0100") == same(ms(2017, 1, 1) - 1)


def test_the_hour_that_the_clocks_skip_is_impossible() -> None:
    """In Paris 02:30 does not exist on the last Sunday of March."""
    clock = TimestampParser(PARIS)
    assert clock.read(b"2026-03-29T02:00:00") == IMPOSSIBLE_TIME
    assert clock.read(b"2026-03-29T02:30:00.000") == IMPOSSIBLE_TIME
    assert clock.read(b"2026-03-29T02:59:59.999") == IMPOSSIBLE_TIME
    assert clock.read(b"2026-03-29T01:59:59.999") == same(ms(2026, 3, 29, 1) - 1)
    assert clock.read(b"2026-03-29T03:00:00") == same(ms(2026, 3, 29, 1))


def test_the_hour_that_the_clocks_repeat_has_two_readings() -> None:
    """In Paris 02:30 happens twice on the last Sunday of October, an hour apart."""
    clock = TimestampParser(PARIS)
    first = ms(2026, 10, 25, 0, 30)
    assert clock.read(b"2026-10-25T02:30:00") == Timestamp(first, first + 3_600_000)
    assert clock.read(b"2026-10-25T01:59:59") == same(ms(2026, 10, 24, 23, 59, 59))
    assert clock.read(b"2026-10-25T03:00:00") == same(ms(2026, 10, 25, 2))


def test_a_stamp_without_a_zone_needs_one_from_the_settings() -> None:
    """No zone is ever guessed."""
    assert TimestampParser().read(b"2026-11-23T11:44:36") == BAD_TIME
    assert TimestampParser(PARIS).read(b"2026-11-23T11:44:36") == same(BASE)
    assert TimestampParser(None, "%Y-%m-%d %H:%M:%S").read(b"2026-11-23 11:44:36") == BAD_TIME


def test_a_layout_replaces_the_standard_stamps() -> None:
    """With a strptime format nothing else is read, and its own zone wins."""
    local = TimestampParser(PARIS, "%d/%m/%Y %H:%M:%S")
    assert local.read(b"23/11/2026 11:44:36") == same(BASE)
    assert local.read(b"2026-11-23T10:44:36Z") == BAD_TIME
    assert local.read(b"29/03/2026 02:30:00") == IMPOSSIBLE_TIME
    first = ms(2026, 10, 25, 0, 30)
    assert local.read(b"25/10/2026 02:30:00") == Timestamp(first, first + 3_600_000)
    zoned = TimestampParser(PARIS, "%d/%b/%Y:%H:%M:%S %z")
    assert zoned.read(b"23/Nov/2026:10:44:36 +0000") == same(BASE)


@pytest.mark.parametrize(
    "stamp",
    [
        b"", b" ", b"[10:44:36]", b"10:44:36", b"2026-11-23", b"2026-13-01T00:00:00Z",
        b"2026-02-29T00:00:00Z", b"2026-11-23T24:00:00Z", b"2026-11-23T10:60:00Z",
        b"2026-11-23T10:44:61Z", b"2026-11-23T10:44:60Z", b"2026-11-23T10:44:36z",
        b"2026-11-23T10:44:36.Z", b"2026-11-23T10:44:36.1234567890Z", b"2026-11-23T10:44:36+2400",
        b"2026-11-23T10:44:36Z ", b" 2026-11-23T10:44:36Z", b"2026-11-23T10:44:36Z\n",
        b"0000-00-00T00:00:00Z", b"123456789012", b"1795430676.", b"-1", b"1e9", b"\xff\xfe",
        "\u0662026-11-23T10:44:36Z".encode(), b"2026-11-23T10:44:36Z\x00", b"NaN", b"inf", b"0",
        b"1969-12-31T23:59:59.999Z", b"1999-12-31T23:59:59.999Z", b"946684799.999",
        b"0001-01-01T00:00:00Z", b"0001-01-01T00:00:00+01:00",
    ],
)  # fmt: skip
def test_what_is_no_stamp_is_bad_time(stamp: bytes) -> None:
    """Garbage, half stamps, impossible dates and times before the network (2000) are refused."""
    assert TimestampParser(PARIS).read(stamp) == BAD_TIME


@pytest.mark.parametrize("stamp", [b"2026-01-01T00:00:00+01:99", b"2026-01-01T00:00:00+0175"])
def test_an_offset_with_more_than_59_minutes_is_bad_time(stamp: bytes) -> None:
    """No zone is 99 minutes past an hour."""
    assert TimestampParser().read(stamp) == BAD_TIME


def test_a_leap_second_is_known_in_zones_of_half_hours() -> None:
    """The leap second of 2016 fell at 05:29:60 in India."""
    assert TimestampParser().read(b"2017-01-01T05:29:60+05:30") == same(ms(2017, 1, 1) - 1)


@given(st.binary(max_size=40))
def test_no_bytes_make_the_clock_raise(stamp: bytes) -> None:
    """A moment or an outcome comes of any bytes, with any clock."""
    for clock in (
        TimestampParser(),
        TimestampParser(PARIS),
        TimestampParser(PARIS, "%Y %j %H:%M"),
        TimestampParser(None, "%c %z"),
    ):
        block = clock.read(stamp)
        assert isinstance(block, Timestamp) or block in (BAD_TIME, IMPOSSIBLE_TIME)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2200, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
    st.integers(0, 9),
    st.booleans(),
)
def test_a_stamp_that_python_writes_is_read_back(
    naive: datetime, minutes: int, digits: int, colon: bool
) -> None:
    """Any date, offset and number of fraction digits gives the instant, cut to milliseconds."""
    zone = timezone(timedelta(minutes=minutes))
    moment = naive.replace(tzinfo=zone)
    fraction = f"{naive.microsecond:06d}000"[:digits]
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    offset = f"{sign}{size // 60:02d}{':' if colon else ''}{size % 60:02d}"
    stamp = f"{naive:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{fraction}{offset}"
    whole = (moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    expected = round(whole) * 1000 + int((fraction + "000")[:3])
    assert TimestampParser().read(stamp.encode()) == same(expected)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2037, 1, 1)))
def test_local_stamps_agree_with_the_zone(moment: datetime) -> None:
    """Both readings show the stamp on a Paris clock; a skipped stamp is shown by none."""
    moment = moment.replace(microsecond=0)
    block = TimestampParser(PARIS).read(f"{moment:%Y-%m-%d %H:%M:%S}".encode())
    both = [
        datetime.fromtimestamp(moment.replace(tzinfo=PARIS, fold=fold).timestamp(), PARIS)
        for fold in (0, 1)
    ]
    shown = [item for item in both if item.replace(tzinfo=None) == moment]
    if not shown:
        assert block == IMPOSSIBLE_TIME
    else:
        assert isinstance(block, Timestamp)
        assert {block.time, block.fold_time} == {round(item.timestamp()) * 1000 for item in shown}
        assert block.time <= block.fold_time
