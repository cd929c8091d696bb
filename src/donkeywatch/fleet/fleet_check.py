"""What `fleet check` finds: versions, shards, tables, clocks, keys and word lists."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from donkeywatch.counting.calendar import HOUR, SECOND, WEEK, iso_utc, week_name, week_of
from donkeywatch.errors import DonkeywatchError
from donkeywatch.fleet import hour_commit_records, key_issue, tables
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.settings.schema import Settings

OLDEST_VERSION = (18, 16)
"""The oldest version the statements are tested with."""
MAX_CLOCK_DIFFERENCE_SECONDS = 60


class Finding(NamedTuple):
    """One thing that was looked at."""

    is_good: bool
    text: str


def findings(settings: Settings, warehouse: Warehouse, now: int) -> list[Finding]:
    """Look at all of it; ``now`` is ms UTC. WarehouseError where a host does not answer."""
    version = ".".join(map(str, warehouse.version))
    result = [
        Finding(warehouse.version >= OLDEST_VERSION, f"ClickHouse {version}"),
        *_clock_findings(warehouse, now),
    ]
    for name, look in (
        ("shards", warehouse.check_shards),
        ("tables", lambda: tables.check(warehouse)),
    ):
        try:
            look()
        except DonkeywatchError as error:
            result.append(Finding(False, f"{name}: {error.problem} -> {error.remedy}"))
        else:
            result.append(Finding(True, f"{name}: {warehouse.shards} shard(s)"))
    if all(finding.is_good for finding in result):
        result += _key_findings(warehouse, now)
        records = hour_commit_records.read(warehouse, week_of(now), now + WEEK)
        result += _server_findings(settings, records, now)
    return result


def _clock_findings(warehouse: Warehouse, now: int) -> list[Finding]:
    """Compare the clock of each shard with this machine's."""
    answers = warehouse.rows_of_shards("select toUnixTimestamp(now())")
    away = [abs(rows[0][0] - now // SECOND) for rows in answers]
    return [
        Finding(
            seconds <= MAX_CLOCK_DIFFERENCE_SECONDS,
            f"clock of shard {shard}: {seconds} s from this machine's",
        )
        for shard, seconds in enumerate(away, 1)
    ]


def _key_findings(warehouse: Warehouse, now: int) -> list[Finding]:
    known = key_issue.key_checks(warehouse, week_of(now))
    return [
        Finding(
            week in known,
            f"key of week {week_name(week)}: {'made' if week in known else 'not made'}",
        )
        for week in (week_of(now), week_of(now) + WEEK)
    ]


def _server_findings(settings: Settings, records: list[ServerHour], now: int) -> list[Finding]:
    """Tell of each server what its newest hour says."""
    newest = {record.server: record for record in records}
    lexicons: dict[str, list[str]] = defaultdict(list)
    result = []
    for server in settings.fleet.servers:
        record = newest.get(server)
        if record is None:
            result.append(Finding(False, f"{server}: nothing shipped this week"))
            continue
        late = record.hour + 3 * HOUR < now
        key = "under the week's key" if record.key_check else "under a key of its own: not united"
        text = f"{server}: shipped up to {iso_utc(record.hour + HOUR)}, {key}"
        result.append(Finding(bool(record.key_check) and not late, text))
        lexicons[record.lexicon].append(server)
    if len(lexicons) > 1:
        groups = "; ".join(", ".join(names) for names in lexicons.values())
        result.append(Finding(False, f"word lists differ, so these are not added up: {groups}"))
    return result
