"""Servers that cannot be united are left out, and it is said which, why and how much."""

from __future__ import annotations

from donkeywatch.counting.calendar import HOUR, WEEK, week_of
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.union import NOT_SHIPPED, OTHER_KEY, OTHER_LEXICON, split
from fleet.simulated_fleet import SimulatedFleet
from fleet.test_union import MINUTE, NAMES
from fleet.union_truth import assert_union_equals
from support.simulated_server import counted


def test_a_server_without_the_key_is_not_in_the_union(fleet: SimulatedFleet) -> None:
    """It counts under one of its own, ships no row, and its queries are told."""
    now = fleet.set_up(NAMES, without_key=("third",))
    fleet.unite(NAMES, now)
    assert_union_equals(fleet, fleet.truth_of("first", "second"))
    start = fleet.end - HOUR
    servers, outside, _ = fleet.fleet_windows()["hour", start]
    assert servers == ["first", "second"]
    queries = counted(fleet.settings("third").state, "hour", start)["queries"]
    assert outside == {"third": {"reasons": [OTHER_KEY], "hours": 1, "queries": queries}}
    with fleet.open() as warehouse:
        rows = warehouse.rows(
            f"select count() from {warehouse.whole('pseudonym_rows')} where server = 'third'"
        )
    assert rows == [(0,)]


def test_a_key_that_came_late_counts_from_its_week_on(fleet: SimulatedFleet) -> None:
    """In the week before, the server is outside; rolling windows that reach back are without it."""
    fleet.set_up(NAMES)
    first_week = week_of(fleet.end) - WEEK
    fleet.lose_key("second", first_week)
    now = fleet.end + 10 * MINUTE
    fleet.unite(NAMES, now)
    windows = fleet.fleet_windows()
    assert windows["hour", fleet.end - HOUR][0] == list(NAMES)
    assert windows["week", first_week][0] == ["first", "third"]
    assert windows["24h", fleet.end - 24 * HOUR][0] == ["first", "third"]
    expected = fleet.truth.hour(fleet.end - HOUR)
    assert (
        counted(fleet.settings("union").state, "hour", fleet.end - HOUR)["addresses"]
        == (expected["addresses"])
    )


def test_servers_with_other_word_lists_are_not_added_up(fleet: SimulatedFleet) -> None:
    """The list of most servers counts; the other's queries are told."""
    fleet.set_up(NAMES)
    fleet.change_lexicon("first")
    now = fleet.end + 10 * MINUTE
    fleet.unite(NAMES, now)
    assert_union_equals(fleet, fleet.truth_of("second", "third"))
    _, outside, _ = fleet.fleet_windows()["hour", fleet.end - HOUR]
    assert outside["first"]["reasons"] == [OTHER_LEXICON]  # type: ignore[index]


def test_a_server_that_has_shipped_nothing_is_named(fleet: SimulatedFleet) -> None:
    """Its queries are not known; the window's coverage is less."""
    now = fleet.set_up(NAMES)
    fleet.unite(NAMES[:2], now)
    servers, outside, _ = fleet.fleet_windows()["hour", fleet.end - HOUR]
    assert servers == list(NAMES[:2])
    assert outside == {"third": {"reasons": [NOT_SHIPPED], "hours": 0, "queries": 0}}


def test_an_hour_waits_for_the_servers_that_had_the_one_before(fleet: SimulatedFleet) -> None:
    """It is not shown by halves; the hour after is shown without one that fell silent."""
    now = fleet.set_up(NAMES)
    for name in NAMES:
        fleet.count(name, now)
        fleet.ship(name, now)
    fleet.withdraw("third", fleet.end - HOUR)
    fleet.refresh(now)
    windows = fleet.fleet_windows()
    assert ("hour", fleet.end - HOUR) not in windows
    assert windows["hour", fleet.end - 2 * HOUR][0] == list(NAMES)
    assert ("24h", fleet.end - 25 * HOUR) in windows


def test_rows_under_a_key_that_is_not_the_weeks_are_never_united() -> None:
    """Not even where all servers have the same wrong one: nobody knows who else has it."""
    week = week_of(1_796_000_000_000)

    def record(server: str, check: str, previous: str = "") -> ServerHour:
        hour = week if not previous else week + WEEK
        return ServerHour(server, hour, 1, 1, 0, check, previous, "x", (), 7, (), 0.0)

    records = [record("first", "right"), record("second", "wrong"), record("third", "")]
    members, outside = split(records, week, {week: "right"}, ())
    assert [each.server for each in members] == ["first"]
    assert {name: each.queries for name, each in outside.items()} == {"second": 7, "third": 7}
    assert split(records, week, {}, ())[0] == []
    # Of hours of the week after, the key of the week before decides.
    records = [record("first", "other", "right"), record("second", "right", "wrong")]
    assert [r.server for r in split(records, week, {week: "right"}, ())[0]] == ["first"]
