"""When a week's key goes, no row made with it is left anywhere in the fleet; the figures stay."""

from __future__ import annotations

import struct
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import HOUR, WEEK, week_name, week_of
from donkeywatch.fleet import hour_commit_records, key_issue, tables
from donkeywatch.fleet.union_refresh import UnionRefresh
from donkeywatch.ingest import keyring
from donkeywatch.ingest.address_mac import pseudonyms
from donkeywatch.ingest.addresses import parse_address
from donkeywatch.store.counter_floors import counters
from donkeywatch.store.store import Store
from fleet.servers import CLUSTER, Cluster
from fleet.simulated_fleet import SimulatedFleet
from fleet.test_union import MINUTE, NAMES
from support.simulated_server import counted

REMOVAL_SECONDS = 120
"""After so long ClickHouse has removed the files of what was dropped."""


def test_rows_go_with_the_key_and_figures_stay(fleet: SimulatedFleet) -> None:
    """By the statement of the fleet; hours and their totals are kept for ever."""
    now = fleet.set_up(NAMES)
    fleet.unite(NAMES, now)
    week = week_of(fleet.end) - WEEK
    before = counted(fleet.settings("union").state, "week", week)
    with fleet.open() as warehouse:
        assert tables.destroy_expired_rows(warehouse, week + 2 * WEEK - HOUR) == 0
        assert tables.destroy_expired_rows(warehouse, week + 2 * WEEK) > 0
        left = warehouse.rows(f"select distinct key_week from {warehouse.whole('pseudonym_rows')}")
        assert left == [((week + WEEK) // 1000,)]
        hours = warehouse.rows(f"select count() from {warehouse.whole('server_hours')}")
        assert hours == [(90,)]
    fleet.refresh(week + 2 * WEEK + HOUR)
    assert counted(fleet.settings("union").state, "week", week) == before


def test_a_week_that_is_over_is_counted_once(fleet: SimulatedFleet) -> None:
    """A restart reads the records of the week before the living ones, and adds none of them."""
    now = fleet.set_up(NAMES)
    fleet.unite(NAMES, now)
    week = week_of(fleet.end) - WEEK
    later = week + 2 * WEEK + HOUR
    store = Store(fleet.settings("union").state, [])
    with fleet.open() as warehouse, closing(store):
        tables.destroy_expired_rows(warehouse, later)
        first = UnionRefresh(store, NAMES)
        first.refresh(warehouse, later)
        (record, *_) = hour_commit_records.read(warehouse, week + WEEK, week + 2 * WEEK)
        hour_commit_records.write(warehouse, replace(record, hour=week + 2 * WEEK, batch=1))
        first.refresh(warehouse, later)  # What was counted of a week that is over is forgotten.
        before = counters(store.connection)
        assert sum(before.values()) > 6_000
        UnionRefresh(store, NAMES).refresh(warehouse, later)
        assert counters(store.connection) == before


@pytest.mark.parametrize("fleet", ["embedded"], indirect=True)  # Debian's leaves none.
def test_a_week_of_empty_parts_has_no_rows(fleet: SimulatedFleet) -> None:
    """ClickHouse keeps one for a while where all rows are gone; the week is not united of none."""
    now = fleet.set_up(NAMES)
    fleet.unite(NAMES, now)
    week = week_of(fleet.end) - WEEK
    before = counted(fleet.settings("union").state, "week", week)
    with fleet.open() as warehouse:
        table = warehouse.local("pseudonym_rows")
        warehouse.execute_on_shards(f"alter table {table} modify setting remove_empty_parts = 0")
        warehouse.execute_on_shards(
            f"alter table {table} delete where key_week = {week // 1000}"
            " settings mutations_sync = 2"
        )
        parts = "select count() from system.parts where active and rows = 0"
        empty = warehouse.rows_of_shards(f"{parts} and database = '{table.partition('.')[0]}'")
        assert any(rows[0][0] for rows in empty)
        assert tables.weeks_with_rows(warehouse) == {week + WEEK}
    fleet.refresh(week + 2 * WEEK + HOUR)
    assert counted(fleet.settings("union").state, "week", week) == before


def test_no_byte_of_a_pseudonym_is_left_in_the_shards(cluster: Cluster, tmp_path: Path) -> None:
    """Searched for in every file of their data directories, before and after."""
    fleet = SimulatedFleet(tmp_path, cluster.url.replace("/fleet", "/bytes"), CLUSTER)
    now = fleet.set_up(("only",))
    fleet.count("only", now)
    fleet.ship("only", now)
    week = week_of(fleet.end) - WEEK
    with fleet.open() as warehouse:
        distinct = warehouse.rows(
            f"select distinct pseudonym from {warehouse.whole('pseudonym_rows')}"
            f" where key_week = {week // 1000}"
        )
    marks = [struct.pack("<Q", pseudonym) for (pseudonym,) in distinct]

    def held() -> int:
        content = b"".join(shard.content() for shard in cluster.shards)
        return sum(mark in content for mark in marks)

    assert held() > 0.9 * len(marks) > 50
    with fleet.open() as warehouse:
        assert tables.destroy_expired_rows(warehouse, week + 2 * WEEK) > 0
    end = time.monotonic() + REMOVAL_SECONDS
    while held():
        assert time.monotonic() < end, "rows are still in the files of a shard"
        time.sleep(0.5)


def test_sealed_keys_go_with_their_week(fleet: SimulatedFleet) -> None:
    """At the issuer; at a server a key is in one place only once its week has begun."""
    fleet.set_up(NAMES)
    union = fleet.settings("union")
    week = week_of(fleet.end) - WEEK
    assert len(key_issue.sealed_for(union, "first")) == 2
    key_issue.destroy_outlived(union, week + 2 * WEEK - 1)
    assert len(key_issue.sealed_for(union, "first")) == 2
    key_issue.destroy_outlived(union, week + 2 * WEEK)
    assert [sealed.week for sealed in key_issue.sealed_for(union, "first")] == [week + WEEK]
    directory = fleet.settings("first").key_directory
    assert keyring.supplied_key(directory, week) is not None
    fleet.count("first", fleet.end + 10 * MINUTE)
    assert keyring.supplied_key(directory, week) is None
    assert (directory / f"{week_name(week)}.key").exists()


def test_who_has_stolen_the_shards_has_nothing_to_test_an_address_with(
    cluster: Cluster, tmp_path: Path
) -> None:
    """No key is in any file, no address, and what tells keys apart makes no pseudonym."""
    fleet = SimulatedFleet(tmp_path, cluster.url.replace("/fleet", "/stolen"), CLUSTER)
    fleet.set_up(("only",))
    directory, week = fleet.settings("only").key_directory, week_of(fleet.end)
    keys = [keyring.supplied_key(directory, each) for each in (week - WEEK, week)]
    now = fleet.end + 10 * MINUTE
    fleet.count("only", now)
    fleet.ship("only", now)
    content = b"".join(shard.content() for shard in cluster.shards)
    assert all(key and key not in content and key.hex().encode() not in content for key in keys)
    texts = {
        line.split(b"\t")[1]
        for line in (fleet.directory / "only" / "search.log").read_bytes().splitlines()
        if line.count(b"\t") == 2
    }
    addresses = [raw for text in texts if (raw := parse_address(text))]
    assert len(addresses) > 100
    assert not any(text in content for text in texts if len(text) > 8)
    column = np.frombuffer(b"".join(addresses), np.uint8).reshape(-1, 16)
    with fleet.open() as warehouse:
        known = {row[0] for row in warehouse.rows(
            f"select distinct pseudonym from {warehouse.whole('pseudonym_rows')}"
        )}  # fmt: skip
        checks = warehouse.rows(f"select key_check from {warehouse.whole('week_keys')}")
    guesses = [bytes(32), *(bytes.fromhex(check) * 2 for (check,) in checks)]
    for guess in guesses:
        assert not known & set(pseudonyms(column, guess).tolist())
    assert keys[1] is not None
    assert known & set(pseudonyms(column, keys[1]).tolist())
