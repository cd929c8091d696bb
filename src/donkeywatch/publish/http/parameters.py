"""The parameters of the API, and how times are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import StringConstraints

from donkeywatch.counting.calendar import to_ms, week_start
from donkeywatch.publish.http.error_responses import RequestRefused

END_OF_TIME = 1 << 52
"""Later than any window, ms; small enough for SQLite and for dates to be printed never."""
MAX_PAGE_WINDOWS = 30_000
"""All hours of three years."""

From = Annotated[
    str | None,
    Query(
        alias="from",
        description="first start, ISO 8601 (UTC where no zone is told), a date, or an ISO week",
    ),
]
To = Annotated[str | None, Query(description="end (exclusive), in the same forms")]
Week = Annotated[
    str | None,
    Query(pattern="^[0-9]{4}-W[0-9]{2}$", description="ISO week; by default the last closed one"),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_WINDOWS, description="windows a page")]
OutputFormat = Annotated[
    Literal["json", "csv"], Query(alias="format", description="form of the answer")
]
Topic = Annotated[str, Query(description="what is flagged, as the lexicon names it")]
Country = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]] | None,
    Query(max_length=50, description="ISO 3166 codes to put together"),
]


def parse_time(text: str | None, default: int) -> int:
    """A time given as ISO 8601, a date (UTC) or an ISO week, in ms; HTTP 422 if it is none."""
    if text is None:
        return default
    try:
        if "-W" in text and "T" not in text:
            return week_start(text)
        # A plus sign that was not escaped arrives as a space.
        given = datetime.fromisoformat(text.replace(" ", "+"))
        return to_ms(given if given.tzinfo else given.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise RequestRefused(
            422,
            "a time is in none of the known forms",
            "give times as 2026-11-23T10:00:00Z, 2026-11-23 or 2026-W48",
        ) from None


def parse_range(start: str | None, end: str | None) -> tuple[int, int]:
    """Both ends of a range in ms, all of time where none is given; HTTP 422 if it is none."""
    first, last = parse_time(start, 0), parse_time(end, END_OF_TIME)
    if first > last:
        raise RequestRefused(422, "`from` is after `to`", "exchange them, or leave one out")
    return first, last
