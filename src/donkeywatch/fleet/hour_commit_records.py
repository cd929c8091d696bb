"""What a server says of one of its hours: the record that makes a batch of rows count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from donkeywatch.counting.calendar import SECOND
from donkeywatch.fleet.warehouse import Row, Warehouse

COLUMNS = (
    "server", "hour", "version", "batch", "shipped_at", "key_check", "previous_check", "lexicon",
    "topics", "queries", "flagged", "covered_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerHour:
    """An hour of a server as it was when it was closed with this version.

    ``hour`` is its start and ``shipped_at`` a time, ms UTC; ``batch`` names its rows. The checks
    tell which keys the rows are under, the week's and that of the week before; ``lexicon`` is a
    digest under the week's key.
    """

    server: str
    hour: int
    version: int
    batch: int
    shipped_at: int
    key_check: str
    previous_check: str
    lexicon: str
    topics: tuple[str, ...]
    queries: int
    flagged: tuple[int, ...]
    covered_seconds: float


def write(warehouse: Warehouse, record: ServerHour) -> None:
    """Let a batch of rows count; to be called when all of them have arrived."""
    values = {name: getattr(record, name) for name in COLUMNS}
    values |= {
        "hour": record.hour // SECOND,
        "topics": list(record.topics),
        "flagged": list(record.flagged),
    }
    warehouse.insert("server_hours", {name: [value] for name, value in values.items()})


def read(warehouse: Warehouse, start: int, end: int) -> list[ServerHour]:
    """Give the newest record of each server and hour in [start, end) ms, oldest hour first."""
    rows = warehouse.rows(
        f"select {', '.join(COLUMNS)} from {warehouse.whole('server_hours')}"  # noqa: S608 - our own names
        f" where hour >= {start // SECOND} and hour < {end // SECOND}"
    )
    return newest(
        ServerHour(**dict(zip(COLUMNS, row, strict=True)))
        for row in (_with_times_in_ms(row) for row in rows)
    )


def _with_times_in_ms(row: Row) -> Row:
    server, hour, *middle, topics, queries, flagged, covered = row
    return (server, hour * SECOND, *middle, tuple(topics), queries, tuple(flagged), covered)


def newest(records: Iterable[ServerHour]) -> list[ServerHour]:
    """Give the record that counts of each server and hour, whatever else was tried."""
    chosen: dict[tuple[int, str], ServerHour] = {}
    for record in records:
        key = (record.hour, record.server)
        known = chosen.get(key)
        if known is None or (record.version, record.batch) > (known.version, known.batch):
            chosen[key] = record
    return [chosen[key] for key in sorted(chosen)]


def fingerprints(warehouse: Warehouse, start: int) -> dict[int, tuple[int, int]]:
    """Give what changes of each hour (ms UTC) from ``start`` on when any server ships it again."""
    rows = warehouse.rows(
        "select hour, count(), sum(cityHash64(server, version, batch))"  # noqa: S608 - our own names
        f" from {warehouse.whole('server_hours')} where hour >= {start // SECOND} group by hour"
    )
    return {hour * SECOND: (number, digest) for hour, number, digest in rows}
