"""Keeps the united windows up to date: what any server has shipped again is counted again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from donkeywatch.counting.calendar import HOUR, WEEK, floor_to, week_of
from donkeywatch.counting.key_lifetime import first_living_week
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.counting.window_aggregates import Window
from donkeywatch.fleet import hour_commit_records, key_issue, tables, union_tables
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.union import Union, unite
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.store.store import Store

COUNTED = "fleet_counted"
"""Setting: what the counters hold of the hours whose rows live, as records in JSON."""


class UnionRefresh:
    """The united windows of a fleet in a database of its own; used by one thread."""

    def __init__(self, store: Store, servers: Iterable[str]) -> None:
        self._store, self.servers = store, tuple(servers)
        self._expired_at = 0
        self._fingerprints: dict[int, tuple[int, int]] = {}
        self.records: dict[str, ServerHour] = {}
        """The newest hour of each server that has shipped any."""
        self.topics: tuple[str, ...] = ()
        """Topics of the newest hour of any server."""

    def refresh(self, warehouse: Warehouse, now: int) -> int:
        """Count what has changed, and drop rows whose time is over; how many windows were written.

        ``now`` is ms UTC.
        """
        # Archives may have been shipped of weeks that are long over.
        first = first_living_week(now)
        living = {first, first + WEEK, *tables.weeks_with_rows(warehouse)}
        current = hour_commit_records.fingerprints(warehouse, min(living))
        changed = {
            hour
            for hour, each in current.items()
            if self._fingerprints.get(hour) != each and week_of(hour) in living
        }
        written = self._write_windows(warehouse, current, changed, living) if changed else 0
        if self._expired_at != floor_to(now, HOUR):  # Each hour is soon enough.
            tables.destroy_expired_rows(warehouse, now)
            self._expired_at = floor_to(now, HOUR)
        return written

    def _write_windows(
        self,
        warehouse: Warehouse,
        current: dict[int, tuple[int, int]],
        changed: set[int],
        living: set[int],
    ) -> int:
        first = week_of(min(changed))
        records = hour_commit_records.read(warehouse, first - WEEK, max(current) + HOUR)
        by_hour: dict[int, list[ServerHour]] = defaultdict(list)
        for record in records:
            by_hour[record.hour].append(record)
            self.records[record.server] = record
        complete = set(complete_hours(by_hour))
        if not complete:
            return 0
        self.topics = by_hour[max(complete)][0].topics
        checks = key_issue.key_checks(warehouse, first - WEEK)

        def united(window: Window) -> Union:
            inside = [r for r in records if window.start <= r.hour < window.end]
            return unite(warehouse, window, inside, checks, self.servers)

        end = max(complete) + HOUR
        todo = [("hour", Window(hour, hour + HOUR)) for hour in sorted(changed & complete)]
        todo += [
            ("week", Window(week, week + WEEK))
            for week in sorted({week_of(hour) for hour in changed})
            if week + WEEK <= end
        ]
        todo += [
            (kind, Window(end - length, end, with_breakdowns=False))
            for kind, length in ROLLING_LENGTHS.items()
            if week_of(end - length) in living
        ]
        unions = [(kind, united(window)) for kind, window in todo]
        with self._store.transaction() as db:
            for kind, union in unions:
                union_tables.write(db, kind, union)
            self._write_open_week(records, end)
            # Of weeks that are over nobody knows any more which records were counted.
            self._raise_counters(
                [r for r in records if r.hour in complete and week_of(r.hour) in living], living
            )
        # One that still waits for a server is looked at again.
        self._fingerprints |= {hour: current[hour] for hour in complete & set(current)}
        return len(unions)

    def _write_open_week(self, records: list[ServerHour], end: int) -> None:
        week = week_of(end)
        hours = [record for record in records if week <= record.hour < end]
        if hours:
            covered = sum(each.covered_seconds for each in hours) / max(1, len(self.servers))
            queries = sum(record.queries for record in hours)
            union_tables.write_open(
                self._store.connection, "week", week, week + WEEK, queries, covered
            )

    def _raise_counters(self, records: Iterable[ServerHour], living: set[int]) -> None:
        """Count what came since the last time; of which records that was is stored with it."""
        stored = json.loads(self._store.setting(COUNTED) or "{}")
        counted = {
            key: counts
            for key, counts in stored.items()
            if week_of(int(key.rpartition(" ")[2])) in living
        }
        for record in records:
            key = f"{record.server} {record.hour}"
            union_tables.raise_counters(self._store.connection, record, stored.get(key, {}))
            counted[key] = union_tables.counts_of(record)
        self._store.connection.execute(
            "insert or replace into settings values (?, ?)", (COUNTED, json.dumps(counted))
        )


def complete_hours(by_hour: dict[int, list[ServerHour]]) -> Iterable[int]:
    """Give the hours (ms UTC) that every server has shipped that had shipped the hour before.

    One that has fallen silent is waited for until others ship the hour after.
    """
    newest = max(by_hour, default=0)
    for hour, records in by_hour.items():
        expected = {record.server for record in by_hour.get(hour - HOUR, ())}
        if hour < newest or expected <= {record.server for record in records}:
            yield hour
