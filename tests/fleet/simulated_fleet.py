"""Servers that share one simulated stream of queries, so that addresses ask at several of them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from donkeywatch.counting.calendar import WEEK, week_of
from donkeywatch.fleet import key_issue, key_receipt, shipper, tables
from donkeywatch.fleet.sealed_keys import Identity
from donkeywatch.fleet.union_refresh import UnionRefresh
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.ingest import keyring
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation, write_archive
from donkeywatch.simulation.truth import Truth
from donkeywatch.store import outbox
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
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class SimulatedFleet:
    """Servers by name, each with a log of its share of the lines, and the one that unites them."""

    def __init__(self, directory: Path, url: str, cluster: str = "") -> None:
        self.directory, self.url, self.cluster = directory, url, cluster
        self.truth = Truth()
        self.archive = directory / "archive"
        self.end = round((START + timedelta(hours=HOURS)).timestamp() * 1000)
        """End of the stream, ms UTC."""
        self.engines: dict[str, Engine] = {}
        self.refresher: UnionRefresh | None = None

    def make(self, names: Sequence[str], *, seed: int = 5, queries: int = 6_000) -> None:
        """Write settings and logs; each line goes to one server, whoever asks."""
        sim = Simulation(start=START, hours=HOURS, queries=queries, addresses=700, seed=seed)
        self.truth = write_archive(sim, self.archive, files=1)
        (log,) = self.archive.glob("search-*")
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
        self._deal(log, names, seed)

    def _deal(self, log: Path, names: Sequence[str], seed: int) -> None:
        rng = random.Random(seed)
        shares: dict[str, list[bytes]] = {name: [] for name in names}
        for line in log.read_bytes().splitlines(keepends=True):
            shares[rng.choice(names)].append(line)
        for name, lines in shares.items():
            (self.directory / name / "search.log").write_bytes(b"".join(lines))

    def settings(self, name: str) -> Settings:
        """The settings of a server, or of `union`."""
        return loader.load(self.directory / name / "donkeywatch.toml", {})

    def open(self) -> Warehouse:
        """The warehouse, to be closed."""
        return open_warehouse(self.settings("union").fleet)

    def init(self) -> None:
        """Make the tables."""
        with self.open() as warehouse:
            tables.create(warehouse, self.cluster)

    def make_keys(self, *, without: Sequence[str] = ()) -> None:
        """Make the keys of both weeks; every server takes its own, but for some."""
        union = self.settings("union")
        with self.open() as warehouse:
            for week in (week_of(self.end) - WEEK, week_of(self.end)):
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
        settings = self.settings(name)
        with self.open() as warehouse:
            shipped = list(shipper.ship_pending(settings, warehouse, now))
        store = Store(settings.state, ["pedophile", "pornographic"])
        with store.transaction() as db:
            for entry in shipped:
                outbox.mark_shipped(db, entry)
        store.close()
        return [entry.hour for entry in shipped]

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


def _private(directory: Path) -> Path:
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    return directory


def copy_archive(fleet: SimulatedFleet, directory: Path) -> None:
    """The word list and the countries, for a server apart."""
    shutil.copytree(fleet.archive, directory / simulation_directory.ARCHIVE)
