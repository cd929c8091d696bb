"""The union of several servers equals a count of all their lines as if they were one log."""

from __future__ import annotations

from donkeywatch.counting.calendar import WEEK, week_of
from fleet.simulated_fleet import HOURS, SimulatedFleet
from fleet.union_truth import assert_union_equals

NAMES = ("first", "second", "third")
MINUTE = 60_000


def test_the_union_of_three_servers_is_exact(fleet: SimulatedFleet) -> None:
    """Per hour, week and rolling window, per topic and country; addresses overlap a lot."""
    now = fleet.set_up(NAMES)
    for name in NAMES:
        fleet.count(name, now)
        assert len(fleet.ship(name, now)) == HOURS
        assert fleet.ship(name, now) == []
    fleet.refresh(now)
    assert_union_equals(fleet, fleet.truth)
    shared = fleet.fleet_windows()
    assert all(servers == list(NAMES) and not outside for servers, outside, _ in shared.values())
    assert shared["week", week_of(fleet.end) - WEEK][2] > 100
