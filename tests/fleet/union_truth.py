"""The figures of a union against those of a count of all lines together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, week_of
from donkeywatch.simulation.truth import Truth
from fleet.simulated_fleet import HOURS, SimulatedFleet
from support.simulated_server import counted


def figures(window: dict[str, Any], *, calendar: bool) -> dict[str, Any]:
    """What the union has of a window: no categories, and no countries where it rolls."""
    kept = {name: window[name] for name in ("queries", "addresses", "sum_qq")}
    names = ["queries", "addresses_1", "addresses_2", "addresses_3", "sum_qk", "sum_kk"]
    names += ["top_1", "top_10"] if calendar else []
    kept["topics"] = {
        topic: {name: values[name] for name in names} for topic, values in window["topics"].items()
    }
    if calendar:
        kept["countries"] = {
            country: {
                **values,
                "topics": {t: pair for t, pair in values["topics"].items() if any(pair.values())},
            }
            for country, values in window["countries"].items()
            if values["queries"]
        }
    return kept


def assert_union_equals(fleet: SimulatedFleet, truth: Truth) -> None:
    """Every hour, the week that is over, and the rolling windows."""
    assert differences(fleet, lambda _week: truth) == []


def rolling_end(state: Path) -> int:
    """When the rolling windows of a union end, ms UTC; 0 where there are none."""
    with closing(sqlite3.connect(state / "donkeywatch.db")) as db:
        (end,) = db.execute("select max(until) from windows where kind = '1h'").fetchone()
    return end or 0


def differences(fleet: SimulatedFleet, truth_of_week: Callable[[int], Truth]) -> list[str]:
    """Name the windows that differ; the truth depends on whose key a window is counted under."""
    state, result = fleet.settings("union").state, []
    windows = [("hour", fleet.end - n * HOUR, HOUR) for n in range(1, HOURS + 1)]
    windows += [
        ("week", week, WEEK)
        for week in {week_of(start) for _, start, _ in windows}
        if week + WEEK <= fleet.end
    ]
    first = fleet.end - HOURS * HOUR
    # An hour may have closed since, with nothing in it.
    end = max(fleet.end, rolling_end(state))
    windows += [
        (kind, end - length, length)
        for kind, length in {"1h": HOUR, "24h": DAY, "7d": WEEK}.items()
        if week_of(end - length) >= week_of(first)
    ]
    for kind, start, length in windows:
        is_calendar = kind in ("hour", "week")
        truth = truth_of_week(week_of(start)).window(start, start + length)
        expected = figures(truth, calendar=is_calendar)
        try:
            result_here = figures(counted(state, kind, start), calendar=is_calendar)
        except AssertionError:
            result.append(f"{kind} {start}: not there")
            continue
        if result_here != expected:
            result.append(f"{kind} {start}: {result_here['queries']} of {expected['queries']}")
    return result
