"""The union of several servers equals a count of all their lines as if they were one log."""

from __future__ import annotations

from typing import Any

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, week_of
from donkeywatch.simulation.truth import Truth
from fleet.simulated_fleet import HOURS, SimulatedFleet
from support import counted

NAMES = ("first", "second", "third")
MINUTE = 60_000


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
    state = fleet.settings("union").state
    for number in range(1, HOURS + 1):
        start = fleet.end - number * HOUR
        expected = figures(truth.hour(start), calendar=True)
        assert figures(counted(state, "hour", start), calendar=True) == expected, number
    week = week_of(fleet.end) - WEEK
    expected = figures(truth.window(week, week + WEEK), calendar=True)
    assert figures(counted(state, "week", week), calendar=True) == expected
    for kind, length in {"1h": HOUR, "24h": DAY, "7d": WEEK}.items():
        expected = figures(truth.window(fleet.end - length, fleet.end), calendar=False)
        assert figures(counted(state, kind, fleet.end - length), calendar=False) == expected


def test_the_union_of_three_servers_is_exact(fleet: SimulatedFleet) -> None:
    """Per hour, week and rolling window, per topic and country; addresses overlap a lot."""
    fleet.make(NAMES)
    fleet.init()
    fleet.make_keys()
    now = fleet.end + 10 * MINUTE
    for name in NAMES:
        fleet.count(name, now)
        assert len(fleet.ship(name, now)) == HOURS
        assert fleet.ship(name, now) == []
    fleet.refresh(now)
    assert_union_equals(fleet, fleet.truth)
    shared = fleet.fleet_windows()
    assert all(servers == list(NAMES) and not outside for servers, outside, _ in shared.values())
    assert shared["week", week_of(fleet.end) - WEEK][2] > 100
