"""Whatever is cut off, repeated or closed again: each query of the fleet counts once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from donkeywatch.counting.calendar import HOUR, WEEK, week_of
from donkeywatch.errors import WarehouseError
from donkeywatch.fleet import hour_commit_records, shipper
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.warehouse import Columns, Warehouse
from fleet.simulated_fleet import HOURS, SimulatedFleet
from fleet.test_union import MINUTE, NAMES
from fleet.union_truth import assert_union_equals, figures
from support.simulated_server import counted


@pytest.fixture
def ready(fleet: SimulatedFleet) -> SimulatedFleet:
    """Three servers that have counted and shipped nothing yet."""
    fleet.set_up(NAMES)
    for name in NAMES:
        fleet.count(name, fleet.end + 10 * MINUTE)
    return fleet


def cut_off_after(calls: int, monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse) -> None:
    """Let only so many inserts through; the next one arrives, and its answer is lost."""
    insert, left = warehouse.insert, [calls]

    def once(table: str, columns: Columns) -> None:
        insert(table, columns)
        left[0] -= 1
        if left[0] < 0:
            raise WarehouseError("cut off", "try again")

    monkeypatch.setattr(warehouse, "insert", once)


def test_a_connection_that_is_cut_again_and_again_doubles_and_loses_nothing(
    ready: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any insert, of rows or of a record, whose answer never comes."""
    rng, now = random.Random(3), ready.end + 10 * MINUTE
    cuts = 0
    for name in NAMES:
        for _ in range(1_000):
            with ready.open() as warehouse:
                cut_off_after(rng.randrange(40), monkeypatch, warehouse)
                entries = []
                try:
                    for entry in shipper.ship_pending(ready.settings(name), warehouse, now):
                        entries.append(entry)
                except WarehouseError:
                    cuts += 1
            ready.mark_shipped(name, entries)
            if not ready.pending(name):
                break
    assert cuts > 3
    ready.refresh(now)
    assert_union_equals(ready, ready.truth)


def test_all_of_it_shipped_twice_counts_once(ready: SimulatedFleet) -> None:
    """As after a backup was restored that knows of nothing that was shipped."""
    now = ready.end + 10 * MINUTE
    for name in NAMES:
        ready.ship(name, now)
        ready.forget_shipped(name)
        assert len(ready.ship(name, now)) == HOURS
    ready.refresh(now)
    assert_union_equals(ready, ready.truth)


def test_an_hour_that_closes_again_replaces_what_was_shipped(ready: SimulatedFleet) -> None:
    """Late lines open it; the union is counted again with them, and stays without repeats."""
    now = ready.end + 10 * MINUTE
    for name in NAMES:
        ready.ship(name, now)
    ready.refresh(now)
    moment = ready.end - 20 * HOUR + 7
    line = f"{moment}\t192.0.2.77\tzqorv\n".encode()
    with (ready.directory / "first" / "search.log").open("ab") as log:
        log.write(line * 3)
    ready.count("first", now + 10 * MINUTE)
    shipped = ready.ship("first", now + 10 * MINUTE)
    assert shipped == [ready.end - 20 * HOUR]
    before = counted(ready.settings("union").state, "hour", shipped[0])
    ready.refresh(now + 20 * MINUTE)
    after = counted(ready.settings("union").state, "hour", shipped[0])
    assert (after["queries"], after["addresses"]) == (
        before["queries"] + 3,
        before["addresses"] + 1,
    )
    week = week_of(ready.end) - WEEK
    truth = ready.truth.window(week, week + WEEK)
    result = counted(ready.settings("union").state, "week", week)
    assert (result["queries"], result["addresses"]) == (
        truth["queries"] + 3 * (shipped[0] < week + WEEK),
        truth["addresses"] + (shipped[0] < week + WEEK),
    )


def test_a_fleet_of_one_has_its_servers_own_figures(fleet: SimulatedFleet) -> None:
    """In every hour and in the week."""
    now = fleet.set_up(("only",))
    fleet.count("only", now)
    fleet.ship("only", now)
    fleet.refresh(now)
    assert_union_equals(fleet, fleet.truth)
    states = [fleet.settings(name).state for name in ("only", "union")]

    def of(state: Path, kind: str, start: int) -> dict[str, Any]:
        return figures(counted(state, kind, start), calendar=True)

    week = week_of(fleet.end) - WEEK
    windows = [("hour", fleet.end - n * HOUR) for n in range(1, HOURS + 1)] + [("week", week)]
    for kind, start in windows:
        assert of(states[0], kind, start) == of(states[1], kind, start)
    assert all(shared == 0 for _, _, shared in fleet.fleet_windows().values())


def test_of_several_records_the_newest_counts() -> None:
    """And of two of one version always the same."""

    def record(version: int, batch: int) -> ServerHour:
        return ServerHour("first", 0, version, batch, 0, "", "", "", (), 0, (), 0.0)

    records = [record(1, 9), record(3, 2), record(3, 7), record(2, 8)]
    for _ in range(10):
        random.Random(1).shuffle(records)
        assert hour_commit_records.newest(records) == [record(3, 7)]
