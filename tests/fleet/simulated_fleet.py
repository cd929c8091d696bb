"""Servers that share one simulated stream of queries, so that addresses ask at several of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from donkeywatch.counting.calendar import HOUR, MINUTE, week_of
from donkeywatch.fleet import hour_commit_records, key_issue, key_receipt, shipper, tables
from donkeywatch.fleet.sealed_keys import Identity
from donkeywatch.fleet.union_refresh import UnionRefresh
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.ingest import keyring
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation.generator import Simulation, batches, write_references
from donkeywatch.simulation.truth import Truth
from donkeywatch.store import outbox
from donkeywatch.store.outbox import OutboxEntry
from donkeywatch.store.store import Store

SETTINGS = """state = "state"
lexicon = "{archive}/lexicon.toml"
countries = "{archive}/countries.mmdb"
[[source]]
name = "simulated"
path = "search.log"
format = "tsv"
[backup]
interval = 0
[fleet]
url = "{url}"
cluster = "{cluster}"
server = "{server}"
issuer = "{issuer}"
"""
UNION = """state = "state"
[fleet]
url = "{url}"
cluster = "{cluster}"
[fleet.servers]
{servers}
"""
HOURS = 30
"""Hours of the stream: they cross the end of a week."""
START = datetime(2026, 10, 4, 12, tzinfo=UTC)
"""Long enough ago that all of it is over by the clock of any shard."""


class SimulatedFleet:
    """Servers by name, each with a log of its share of the lines, and the one that unites them."""

    def __init__(
        self, directory: Path, url: str, cluster: str = "", start: datetime = START
    ) -> None:
        self.directory, self.url, self.cluster = directory, url, cluster
        self.truth = Truth()
        self.archive = directory / "archive"
        self.restart_at(start)
        self._sims: dict[str, Simulation] = {}

    def restart_at(self, start: datetime) -> None:
        """Let the stream begin at another time."""
        self._start = start
        self.end = round((start + timedelta(hours=HOURS)).timestamp() * 1000)
        """End of the stream, ms UTC."""

    def make(self, names: Sequence[str], *, seed: int = 5, queries: int = 6_000) -> None:
        """Write settings and logs; the servers have their addresses in common."""
        sims = [
            Simulation(
                start=self._start, hours=HOURS, queries=queries // len(names), addresses=700,
                seed=seed, server=number,
            )
            for number, _ in enumerate(names)
        ]  # fmt: skip
        write_references(sims[0], _made(self.archive))
        issuer = Identity.load_or_create(_private(self.directory / "union" / "state" / "keys"))
        publics = {}
        for name in names:
            here = self.directory / name
            identity = Identity.load_or_create(_private(here / "state" / "keys"))
            publics[name] = identity.public_text
            text = SETTINGS.format(
                archive=self.archive,
                url=self.url,
                cluster=self.cluster,
                server=name,
                issuer=issuer.public_text,
            )
            (here / "donkeywatch.toml").write_text(text)
        listed = "\n".join(f'{name} = "{public}"' for name, public in publics.items())
        (self.directory / "union" / "donkeywatch.toml").write_text(
            UNION.format(url=self.url, cluster=self.cluster, servers=listed)
        )
        self._sims = dict(zip(names, sims, strict=True))
        for name, sim in self._sims.items():
            with (self.directory / name / "search.log").open("wb") as log:
                for hour in batches(sim):
                    log.write(hour.data)
                    self.truth.add(hour.queries, hour.lines)

    def lines_of(self, name: str) -> list[list[bytes]]:
        """The lines of a server's log, hour by hour."""
        return [hour.data.splitlines(keepends=True) for hour in batches(self._sims[name])]

    def truth_of(self, *names: str) -> Truth:
        """What the logs of some servers hold together."""
        truth = Truth()
        for name in names:
            for hour in batches(self._sims[name]):
                truth.add(hour.queries, hour.lines)
        return truth

    def settings(self, name: str) -> Settings:
        """The settings of a server, or of `union`."""
        return loader.load(self.directory / name / "donkeywatch.toml", {})

    def open(self) -> Warehouse:
        """The warehouse, to be closed."""
        return open_warehouse(self.settings("union").fleet)

    def init(self) -> None:
        """Make the tables.

        By the clock of this machine all rows are long over: they are not to go by themselves.
        """
        with self.open() as warehouse:
            tables.create(warehouse, self.cluster)
            if warehouse.version >= tables.TTL_SINCE:
                table = warehouse.local("pseudonym_rows")
                warehouse.execute_on_shards(f"alter table {table} remove ttl")

    def use(self, url: str) -> None:
        """Reach the warehouse another way."""
        for path in self.directory.glob("*/donkeywatch.toml"):
            path.write_text(path.read_text().replace(f'"{self.url}"', f'"{url}"'))

    def make_keys(self, *, without: Sequence[str] = ()) -> None:
        """Make the keys of both weeks; every server takes its own, but for some."""
        union = self.settings("union")
        with self.open() as warehouse:
            for week in sorted({week_of(self.end - HOURS * HOUR), week_of(self.end)}):
                key_issue.make_week_key(union, week, warehouse, self.end)
        for name in union.fleet.servers:
            if name not in without:
                for sealed in key_issue.sealed_for(union, name):
                    key_receipt.take(self.settings(name), sealed)

    def count(self, name: str, now: int) -> None:
        """Have a server read its log, as if it were ``now`` (ms UTC), and stop."""
        engine = Engine(self.settings(name), now)
        try:
            for step in range(5):
                while engine.tick(now + 1000 * step):
                    pass
            engine.commit(now + 5000, now + 5000)
        finally:
            engine.close()

    def ship(self, name: str, now: int) -> list[int]:
        """Ship what a server has to; the hours that arrived."""
        with self.open() as warehouse:
            shipped = list(shipper.ship_pending(self.settings(name), warehouse, now))
        self.mark_shipped(name, shipped)
        return [entry.hour for entry in shipped]

    def unite(self, names: Sequence[str], now: int) -> None:
        """Have some servers count and ship all they have, and unite it."""
        for name in names:
            self.count(name, now)
            self.ship(name, now)
        self.refresh(now)

    def set_up(self, names: Sequence[str], *, without_key: Sequence[str] = ()) -> int:
        """Make servers, tables and keys; a moment after the end of the stream, ms UTC."""
        self.make(names)
        self.init()
        self.make_keys(without=without_key)
        return self.end + 10 * MINUTE

    def mark_shipped(self, name: str, entries: Sequence[OutboxEntry]) -> None:
        """Note what has arrived, as the daemon does."""
        with self._database(name) as db:
            for entry in entries:
                outbox.mark_shipped(db, entry)

    def pending(self, name: str) -> list[OutboxEntry]:
        """What a server has still to ship."""
        with self._database(name) as db:
            return outbox.pending(db)

    def forget_shipped(self, name: str) -> None:
        """Forget what has arrived."""
        with self._database(name) as db:
            db.execute("update fleet_outbox set shipped = 0")

    @contextmanager
    def _database(self, name: str) -> Iterator[sqlite3.Connection]:
        store = Store(self.settings(name).state, ["pedophile", "pornographic"])
        try:
            with store.transaction() as db:
                yield db
        finally:
            store.close()

    def lose_key(self, name: str, week: int) -> None:
        """Let a server never have got the key of a week."""
        directory = self.settings(name).key_directory
        keyring.supplied_path(directory, week).unlink()
        keyring.supplied_path(directory, week).with_suffix(keyring.CHECK_SUFFIX).unlink()

    def change_lexicon(self, name: str) -> None:
        """Give a server another word list, with a word that nobody asks for."""
        settings = self.directory / name / "donkeywatch.toml"
        lexicon = self.directory / name / "lexicon.toml"
        text = (self.archive / "lexicon.toml").read_text()
        lexicon.write_text(text.replace('title = "', 'title = "another '))
        lexicon.chmod(0o600)
        settings.write_text(
            settings.read_text().replace(f"{self.archive}/lexicon.toml", str(lexicon))
        )

    def withdraw(self, name: str, hour: int) -> None:
        """Let it be as if a server had not shipped an hour yet."""
        with self.open() as warehouse:
            records = hour_commit_records.read(warehouse, self.end - HOURS * HOUR, self.end)
            kept = [r for r in records if (r.server, r.hour) != (name, hour)]
            warehouse.execute_on_shards(f"drop table {warehouse.local('server_hours')}")
            if warehouse.local("server_hours") != warehouse.whole("server_hours"):
                warehouse.execute_on_shards(f"drop table {warehouse.whole('server_hours')}")
            tables.create(warehouse, self.cluster)
            for record in kept:
                hour_commit_records.write(warehouse, record)

    def refresh(self, now: int) -> int:
        """Unite what was shipped; how many windows were written."""
        settings = self.settings("union")
        keyring.ensure_directory(settings.key_directory)
        store = Store(settings.state, [])
        try:
            refresher = UnionRefresh(store, settings.fleet.servers)
            with self.open() as warehouse:
                return refresher.refresh(warehouse, now)
        finally:
            store.close()

    def forget_union(self) -> None:
        """Lose what was united; the warehouse stays."""
        for path in (self.directory / "union" / "state").glob("donkeywatch.db*"):
            path.unlink()

    def fleet_windows(self) -> dict[tuple[str, int], tuple[list[str], dict[str, object], int]]:
        """Which servers are in each window, what is outside, and the shared addresses."""
        store = Store(self.settings("union").state, [])
        try:
            rows = store.connection.execute(
                "select kind, start, servers, outside, shared_addresses from fleet_windows"
            ).fetchall()
        finally:
            store.close()
        return {(k, s): (json.loads(i), json.loads(o), n) for k, s, i, o, n in rows}


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _private(directory: Path) -> Path:
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    return directory
