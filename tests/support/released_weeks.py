"""A database with weeks of which it is decided what is released."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, WEEK
from donkeywatch.publish.release import release_week
from donkeywatch.store import released
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.released import ExactCounts, WeekCounts
from donkeywatch.store.store import Store

START = FIRST_MONDAY + 2900 * WEEK


def week_at(start: int, flagged: int) -> WeekCounts:
    """A week of two countries and three hours."""

    def cell(addresses: int, who: int) -> ExactCounts:
        return ExactCounts(9 * addresses, addresses, {"<one>": (3 * who, who)})

    hours = {start + n * HOUR: cell(300, flagged // 2) for n in range(3)}
    countries = {"FR": cell(500, flagged - 20), "DE": cell(200, 20)}
    return WeekCounts(start, cell(700, flagged), hours, countries)


def decide_weeks(state: Path) -> Path:
    """Three decided weeks in a new state directory; of the last nothing may be told."""
    ensure_state_directory(state)
    with closing(Store(state, ("<one>",))) as store:
        for number, flagged in enumerate((60, 80)):
            rows = release_week(week_at(START + number * WEEK, flagged), ("<one>",))
            released.insert(store, rows, START + 9 * WEEK)
        small = WeekCounts(START + 2 * WEEK, ExactCounts(9, 3, {}), {}, {})
        released.insert(store, release_week(small, ("<one>",)), START + 9 * WEEK)
    return state
