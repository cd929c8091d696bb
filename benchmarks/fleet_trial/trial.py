"""Three servers, the one that unites them, and ClickHouse: set up, fed and compared."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from donkeywatch.counting.calendar import HOUR, floor_to, week_of
from donkeywatch.store import outbox
from fleet.servers import BINARY, CLUSTER, Cluster, free_port
from fleet.simulated_fleet import HOURS, SimulatedFleet
from fleet.union_truth import differences
from fleet_trial.processes import Daemon, Proxy

NAMES = ("first", "second", "third")
SETTLE_SECONDS = 180


class Trial:
    """A fleet whose streams of lines ended with the last full hour."""

    def __init__(self, directory: Path, *, queries: int) -> None:
        self.cluster = Cluster(directory / "shards", 2) if BINARY else None
        url, name = f"chdb://{directory}/warehouse", ""
        self.proxies: list[Proxy] = []
        if self.cluster is not None:
            self.cluster.start()
            self.proxies = [Proxy(shard.port) for shard in self.cluster.shards]
            url, name = self.cluster.url, CLUSTER
        end = floor_to(time.time_ns() // 10**6, HOUR)
        start = datetime.fromtimestamp(end / 1000 - HOURS * 3600, UTC)
        self.fleet = SimulatedFleet(directory, url, name, start)
        self.fleet.make(NAMES, queries=queries)
        self.fleet.init()
        self.fleet.make_keys()
        if self.proxies:
            ports = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)
            self.fleet.use(f"clickhouse://{ports}/fleet")
        self.logs = {each: directory / each / "search.log" for each in NAMES}
        for each in NAMES:
            self._set_port(each, free_port())
        self.port = free_port()
        self._set_port("union", self.port)
        self.union = Daemon(directory / "union", "fleet", "serve", "-c", self._config("union"))
        self.servers = {
            each: Daemon(directory / each, "run", "-c", self._config(each)) for each in NAMES
        }

    def _config(self, name: str) -> str:
        return str(self.fleet.directory / name / "donkeywatch.toml")

    def _set_port(self, name: str, port: int) -> None:
        path = Path(self._config(name))
        path.write_text(
            path.read_text().replace("[fleet]\n", f"[http]\nport = {port}\n[fleet]\n", 1)
        )

    def differences(self, outside: str | None = None) -> list[str]:
        """Windows that differ from the truth; ``outside`` had no key in the first week."""
        first_week = week_of(self.fleet.end - HOURS * HOUR)
        names = [name for name in NAMES if name != outside]
        without = self.fleet.truth_of(*names)
        return differences(
            self.fleet, lambda week: without if week == first_week else self.fleet.truth
        )

    def explain(self) -> list[str]:
        """Of each server, what it has counted of its log, and what has not been shipped."""
        result = []
        for name in NAMES:
            path = self.fleet.directory / name / "state" / "donkeywatch.db"
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
                (counted,) = db.execute(
                    "select sum(value) from counters where name = 'lines'"
                ).fetchone()
                pending = len(outbox.pending(db))
            lines = self.logs[name].read_bytes().count(b"\n")
            messages = self.servers[name].messages.read_text().splitlines()[-3:]
            result.append(f"{name}: {counted} of {lines} lines, {pending} hours wait; {messages}")
        messages = self.union.messages.read_text().splitlines()[-3:]
        return [*result, f"union: {messages}"]

    def settle(self, outside: str | None = None) -> list[str]:
        """Wait until the union is the truth; what is not after a long time."""
        end, left = time.monotonic() + SETTLE_SECONDS, ["nothing united yet"]
        while left and time.monotonic() < end:
            time.sleep(1)
            try:
                left = self.differences(outside)
            except sqlite3.OperationalError as error:
                left = [str(error)]
        return left

    def close(self) -> None:
        """End everything."""
        for daemon in (*self.servers.values(), self.union):
            daemon.kill()
        for proxy in self.proxies:
            proxy.close()
        if self.cluster is not None:
            self.cluster.stop()


@contextmanager
def open_trial(directory: Path, *, queries: int = 6_000) -> Iterator[Trial]:
    """A trial that ends whatever happens."""
    trial = Trial(directory, queries=queries)
    try:
        yield trial
    finally:
        trial.close()
