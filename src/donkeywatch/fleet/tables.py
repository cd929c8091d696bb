"""The tables of a fleet in ClickHouse: what is in them, and the statements that make them.

Rows live as long as the key of their week. An insert of rows counts only when a record in
`server_hours` names its batch, and of the records of a server's hour only the newest counts: so a
repeated insert, one that was cut off, and an hour that closes again can neither double nor lose
anything.
"""

from __future__ import annotations

from donkeywatch.counting.calendar import DAY, SECOND
from donkeywatch.counting.key_lifetime import end_of_life
from donkeywatch.errors import ConfigError
from donkeywatch.fleet.warehouse import Warehouse, literal

TABLES = {
    "pseudonym_rows": (
        {
            "key_week": "UInt32",  # start of the week whose key the pseudonym is under, s UTC
            "hour": "UInt32",  # start of the hour, s UTC
            "server": "String",
            "batch": "UInt64",  # random; each try to insert has another
            "pseudonym": "UInt64",
            "country": "UInt16",  # two letters packed, as in SQLite
            "queries": "UInt32",
            "flagged": "Array(UInt32)",  # by topic, in the order of the record; empty for none
            "expires": "UInt32",  # when the row is over, s UTC
        },
        "partition by (key_week, server) order by (hour, pseudonym)",
    ),
    "server_hours": (
        {
            "server": "String",
            "hour": "UInt32",  # start, s UTC
            "version": "UInt64",  # the higher, the later the hour was closed
            "batch": "UInt64",  # whose rows are those of the hour
            "shipped_at": "UInt64",  # ms UTC, by the server's clock
            "key_check": "String",  # tells which key the rows are under, in hex
            "previous_check": "String",  # the same of the week before; empty for none
            "lexicon": "String",  # digest under the week's key: the same word list, the same digest
            "topics": "Array(String)",
            "queries": "UInt64",
            "flagged": "Array(UInt64)",  # by topic
            "covered_seconds": "Float64",
        },
        "order by (hour, server)",
    ),
    "week_keys": (
        {
            "week": "UInt32",  # start, s UTC
            "key_check": "String",  # which key the fleet has in common; nothing else of it
            "made_at": "UInt64",  # ms UTC
        },
        "order by week",
    ),
}
"""Columns and engine clause by table. All but the rows are kept for ever."""
SHARDING = {"pseudonym_rows": "pseudonym", "server_hours": "cityHash64(server)"}
"""What decides the shard of a row: an address is whole on one."""
TTL_SINCE = (19, 6)
"""First version whose tables know a time to live."""
ARCHIVE_ROWS_MS = 14 * DAY
"""Rows of an archive, whose week is long over, live so long after they were shipped."""


def create(warehouse: Warehouse, cluster: str) -> None:
    """Make what is not there yet; ConfigError where a table has other columns."""
    warehouse.execute_on_shards(f"create database if not exists {warehouse.database}")
    for table, (columns, clause) in TABLES.items():
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        belt = ""
        if table == "pseudonym_rows" and warehouse.version >= TTL_SINCE:
            belt = " ttl toDateTime(expires) + interval 1 day"
        warehouse.execute_on_shards(
            f"create table if not exists {warehouse.local(table)} ({listed})"
            f" engine = MergeTree {clause}{belt}"
        )
        if warehouse.local(table) != warehouse.whole(table):
            parts = ", ".join(
                (cluster, warehouse.database, f"{table}_local", SHARDING.get(table, "0"))
            )
            warehouse.execute_on_shards(
                f"create table if not exists {warehouse.whole(table)} ({listed})"
                f" engine = Distributed({parts})"
            )
    check(warehouse)


def check(warehouse: Warehouse) -> None:
    """ConfigError unless every shard has the tables with the columns of this version."""
    query = (
        "select table, name, type from system.columns"  # noqa: S608 - quoted
        f" where database = {literal(warehouse.database)}"
    )
    for shard, rows in enumerate(warehouse.rows_of_shards(query), 1):
        known = {(table, name): kind for table, name, kind in rows}
        for table, (columns, _) in TABLES.items():
            name_here = warehouse.local(table).partition(".")[2]
            wrong = [name for name, kind in columns.items() if known.get((name_here, name)) != kind]
            if wrong:
                raise ConfigError(
                    f"shard {shard}: table {name_here} has no column {wrong[0]} of type"
                    f" {columns[wrong[0]]}",
                    "run `donkeywatch fleet init`; where a table of another version is there,"
                    " let it be, and take another database in `fleet.url`",
                )


def expiry(key_week: int, now: int) -> int:
    """Tell when rows under the key of a week are over, of ``now`` when they are shipped; ms UTC.

    That is when the key's life ends; of an archive, after the time that uniting it may take.
    """
    end = end_of_life(key_week)
    return end if end > now else now + ARCHIVE_ROWS_MS


def weeks_with_rows(warehouse: Warehouse) -> set[int]:
    """Give the weeks under whose keys there are rows, ms UTC."""
    partitions = _partitions(warehouse)
    return {_week_of_partition(partition) * SECOND for partition in partitions}


def destroy_expired_rows(warehouse: Warehouse, now: int) -> int:
    """Drop the rows of each week that are all over at ``now``, ms UTC; how many partitions went.

    They have to be over by the clock of every shard, too: one clock may be wrong. A week's rows go
    together: a union of what is left of them would be wrong.
    """
    table = warehouse.local("pseudonym_rows")
    answers = warehouse.rows_of_shards(
        f"select key_week, max(expires) from {table} group by key_week"  # noqa: S608 - our own names
    )
    clocks = warehouse.rows_of_shards("select toUnixTimestamp(now())")
    seconds = min(now // SECOND, *(rows[0][0] for rows in clocks))
    ends: dict[int, int] = {}
    for week, end in (row for rows in answers for row in rows):
        ends[week] = max(end, ends.get(week, 0))
    expired = [
        partition
        for partition in _partitions(warehouse)
        if ends.get(_week_of_partition(partition), 0) <= seconds
    ]
    for partition in expired:
        warehouse.execute_on_shards(f"alter table {table} drop partition {partition}")
    return len(expired)


def _partitions(warehouse: Warehouse) -> list[str]:
    """List the partitions with rows on any shard, as ClickHouse writes them.

    A partition that was dropped leaves an empty part, which is active until it is cleaned up: a
    week that seems to have rows would be united again, of none.
    """
    table = warehouse.local("pseudonym_rows")
    database, _, name = table.partition(".")
    answers = warehouse.rows_of_shards(
        "select distinct partition from system.parts where active and rows > 0 and"  # noqa: S608 - quoted
        f" database = {literal(database)} and table = {literal(name)}"
    )
    return sorted({partition for rows in answers for (partition,) in rows})


def _week_of_partition(partition: str) -> int:
    return int(partition.strip("()").split(",")[0])
