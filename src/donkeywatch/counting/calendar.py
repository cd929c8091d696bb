"""The calendar of the windows: UTC hours and ISO weeks, and their names."""

import re
from datetime import UTC, date, datetime

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
"""All in milliseconds, like every time inside."""

FIRST_MONDAY = 4 * DAY
"""The first Monday of the Unix era, 1970-01-05."""


WEEK_NAME = re.compile(r"[0-9]{4}-W[0-9]{2}")


def floor_to(time: int, unit: int) -> int:
    """Start of the span of ``unit`` ms that holds ``time``; weeks start on Monday 00:00 UTC."""
    if unit == WEEK:
        return (time - FIRST_MONDAY) // WEEK * WEEK + FIRST_MONDAY
    return time // unit * unit


def week_of(time: int) -> int:
    """Start of the ISO week that holds ``time``, ms since the epoch, UTC."""
    return floor_to(time, WEEK)


def utc(time: int) -> datetime:
    """The aware datetime of a time in ms."""
    return datetime.fromtimestamp(time / SECOND, UTC)


def iso_utc(time: int) -> str:
    """ISO 8601 to the second with ``Z``, as the API and the database show it."""
    return utc(time).isoformat(timespec="seconds")[:-6] + "Z"


def week_name(time: int) -> str:
    """ISO name of the week that holds ``time``, such as ``2026-W48``."""
    year, week, _ = utc(time).isocalendar()
    return f"{year}-W{week:02d}"


def week_start(name: str) -> int:
    """Start of the ISO week ``2026-W48`` in ms; ValueError when there is none of that name."""
    if not WEEK_NAME.fullmatch(name):
        raise ValueError("not the name of an ISO week")
    year, _, number = name.partition("-W")
    monday = date.fromisocalendar(int(year), int(number), 1)
    return int(datetime(monday.year, monday.month, monday.day, tzinfo=UTC).timestamp()) * SECOND


def to_ms(moment: datetime) -> int:
    """The time in ms of an aware datetime."""
    return round(moment.timestamp() * SECOND)
