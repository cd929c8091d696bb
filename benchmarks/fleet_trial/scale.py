"""What a week of many servers costs: insert rate, bytes a row, time of the weekly union."""

from __future__ import annotations

import time
from pathlib import Path

from donkeywatch.counting.calendar import HOUR, SECOND, WEEK, week_of
from donkeywatch.counting.window_aggregates import Window
from donkeywatch.fleet import tables
from donkeywatch.fleet.clickhouse_servers import ClickHouseServers
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.union import unite
from donkeywatch.fleet.warehouse import INSERT_ROWS
from fleet.servers import CLUSTER, Cluster
from fleet.simulated_fleet import SimulatedFleet

HOURS_OF_ADDRESS = 3
"""In so many hours of a week an address asks, at each of its servers."""


def scale(directory: Path, servers: int, addresses: int) -> str:
    """Fill a week of two shards, and measure; a report."""
    cluster = Cluster(directory / "shards", 2)
    cluster.start()
    try:
        fleet = SimulatedFleet(directory, cluster.url, CLUSTER)
        fleet.make(("only",))
        fleet.init()
        with fleet.open() as warehouse:
            assert isinstance(warehouse, ClickHouseServers)
            return _measure(warehouse, cluster, servers, addresses)
    finally:
        cluster.stop()


def _measure(warehouse: ClickHouseServers, cluster: Cluster, servers: int, addresses: int) -> str:
    week = week_of(time.time_ns() // 10**6)
    rate = _insert_rate(warehouse, week)
    begun = time.monotonic()
    for server in range(servers):
        _fill(warehouse, week, server, addresses)
    filled = time.monotonic() - begun
    records = [
        ServerHour(
            f"s{server}", week + hour * HOUR, 1, server, 0, "k", "", "", ("a", "b"), 0, (0, 0), 0.0
        )
        for server in range(servers)
        for hour in range(WEEK // HOUR)
    ]
    (rows,) = warehouse.rows(f"select count() from {warehouse.whole('pseudonym_rows')}")[0]
    parts = warehouse.rows_of_shards(
        "select sum(bytes_on_disk) from system.parts where active and table like 'pseudonym%'"
    )
    size = sum(answer[0][0] for answer in parts)
    union_seconds, distinct = _time(warehouse, Window(week, week + WEEK), records)
    hour_seconds, _ = _time(warehouse, Window(week, week + HOUR), records)
    return (
        f"{servers} servers x {addresses:,} addresses: {rows:,} rows on {len(cluster.shards)}"
        f" shards; shipped {rate:,.0f} rows/s by one server (filled in {filled:.0f} s);"
        f" {size / rows:.1f} bytes a row; union of the week {union_seconds:.1f} s over"
        f" {distinct:,} addresses, of an hour {hour_seconds:.2f} s"
    )


def _insert_rate(warehouse: ClickHouseServers, week: int) -> float:
    """Rows a second, as a server ships them."""
    rows = 4 * INSERT_ROWS
    columns: dict[str, list[object]] = {
        "key_week": [week // SECOND - 1] * rows,
        "hour": [week // SECOND] * rows,
        "server": ["rate"] * rows,
        "batch": [1] * rows,
        "pseudonym": [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(rows)],
        "country": [1] * rows,
        "queries": [1] * rows,
        "flagged": [[]] * rows,
        "expires": [week // SECOND + 10**7] * rows,
    }
    begun = time.monotonic()
    warehouse.insert("pseudonym_rows", columns)
    result = rows / (time.monotonic() - begun)
    table = warehouse.local("pseudonym_rows")
    warehouse.execute_on_shards(f"alter table {table} drop partition ({week // SECOND - 1},'rate')")
    return result


def _fill(warehouse: ClickHouseServers, week: int, server: int, addresses: int) -> None:
    """The rows of a server, made by the shards; half of its addresses are another's, too."""
    per_shard = addresses * HOURS_OF_ADDRESS // warehouse.shards
    for number in range(warehouse.shards):
        first = server * addresses // 2
        address = f"intDiv(number, {HOURS_OF_ADDRESS}) * {warehouse.shards} + {first + number}"
        pseudonym = f"intHash64({address})"
        hour = f"toUInt32({week // SECOND} + intHash32(number) % {WEEK // HOUR} * 3600)"
        flagged = "if(number % 250 = 0, [toUInt32(1), toUInt32(1)], emptyArrayUInt32())"
        select = (
            f"select toUInt32({week // SECOND}), {hour}, 's{server}', toUInt64({server}),"
            f" {pseudonym}, toUInt16(number % 7), toUInt32(1 + number % 3), {flagged},"
            f" toUInt32({week // SECOND + 10**7}) from numbers({per_shard})"
        )
        columns = ", ".join(tables.TABLES["pseudonym_rows"][0])
        statement = f"insert into {warehouse.local('pseudonym_rows')} ({columns}) {select}"
        warehouse.execute_on(number, statement)


def _time(
    warehouse: ClickHouseServers, window: Window, records: list[ServerHour]
) -> tuple[float, int]:
    inside = [record for record in records if window.start <= record.hour < window.end]
    begun = time.monotonic()
    union = unite(warehouse, window, inside, {week_of(window.start): "k"}, ())
    return time.monotonic() - begun, union.figures.addresses
