"""Everything at once for minutes: kills, cuts, a shard that is down, hours that close again."""

from __future__ import annotations

import random
import sqlite3
import statistics
import threading
import time
from collections import Counter
from pathlib import Path

from donkeywatch.counting.calendar import HOUR, week_of
from fleet.simulated_fleet import HOURS
from fleet_trial.processes import Daemon
from fleet_trial.trial import NAMES, Trial

WITNESS = "witness"
"""A server without a fleet that follows what the first one does, to compare its latency."""


class Writer(threading.Thread):
    """Writes each server's lines over the time there is, one in ten of them hours late."""

    def __init__(self, trial: Trial, seconds: float, rng: random.Random, witness: Path) -> None:
        super().__init__()
        self._trial, self._seconds, self._rng = trial, seconds, rng
        self._witness = witness
        self.written = 0
        self.times: list[tuple[int, float]] = []
        """After how many lines of the first server it was when."""

    def run(self) -> None:
        """Write all of it."""
        plans = {name: self._plan(name) for name in NAMES}
        steps = max(map(len, plans.values()))
        begun = time.monotonic()
        for step in range(steps):
            for name, plan in plans.items():
                lines = b"".join(plan[step]) if step < len(plan) else b""
                targets = [self._trial.logs[name]]
                targets += [self._witness] if name == "first" else []
                for target in targets:
                    with target.open("ab") as log:
                        log.write(lines)
                if name == "first" and lines:
                    self.written += lines.count(b"\n")
                    self.times.append((self.written, time.monotonic()))
            time.sleep(max(0.0, begun + self._seconds * (step + 1) / steps - time.monotonic()))

    def _plan(self, name: str) -> list[list[bytes]]:
        """Twenty pieces an hour; some lines are put into later ones."""
        pieces: list[list[bytes]] = [[] for _ in range(HOURS * 20)]
        for hour, lines in enumerate(self._trial.fleet.lines_of(name)):
            for number, line in enumerate(lines):
                at = hour * 20 + number * 20 // len(lines)
                if self._rng.random() < 0.1:
                    at = self._rng.randrange(at, len(pieces))
                pieces[at].append(line)
        return pieces


class Latency(threading.Thread):
    """How long lines of a server take until they are counted, from its database."""

    def __init__(self, state: Path, writer: Writer) -> None:
        super().__init__(daemon=True)
        self._path, self._writer = state / "donkeywatch.db", writer
        self.seconds: list[float] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look twenty times a second."""
        done = 0
        while not self.stopped.wait(0.05):
            try:
                with sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=1) as db:
                    query = "select coalesce(sum(value), 0) from counters where name = 'lines'"
                    (lines,) = db.execute(query).fetchone()
            except sqlite3.OperationalError:
                continue
            now = time.monotonic()
            while done < len(self._writer.times) and self._writer.times[done][0] <= lines:
                self.seconds.append(now - self._writer.times[done][1])
                done += 1

    def percentile_99(self) -> float:
        """Of all pieces that were counted, s."""
        return statistics.quantiles(self.seconds, n=100)[98]


def torture(trial: Trial, seconds: float, seed: int) -> tuple[list[str], str]:
    """What differs in the end from the truth, and a report."""
    rng = random.Random(seed)
    for log in trial.logs.values():
        log.write_bytes(b"")
    trial.fleet.lose_key("third", week_of(trial.fleet.end - HOURS * HOUR))
    witness = _make_witness(trial)
    daemons = {**trial.servers, "union": trial.union}
    for daemon in (*daemons.values(), witness):
        daemon.start()
    directory = trial.fleet.directory
    writer = Writer(trial, seconds, rng, directory / WITNESS / "search.log")
    latencies = [Latency(directory / name / "state", writer) for name in ("first", WITNESS)]
    for thread in (writer, *latencies):
        thread.start()
    deeds: Counter[str] = Counter()
    long_at = time.monotonic() + seconds / 4
    while writer.is_alive():
        time.sleep(rng.uniform(0.2, seconds / 60))
        if trial.cluster and long_at and time.monotonic() > long_at:
            long_at = 0.0
            _shard_down(trial, min(120.0, seconds / 5), deeds)
            continue
        _torment(trial, daemons, rng, deeds)
    writer.join()
    left = trial.settle("third")
    if left:
        left += trial.explain()
    for latency in latencies:
        latency.stopped.set()
    fleet, without_fleet = (latency.percentile_99() for latency in latencies)
    witness.stop()
    codes = [daemon.stop() for daemon in daemons.values()]
    if any(codes):
        left.append(f"exit codes {codes}")
    named = ", ".join(f"{number} {what}" for what, number in sorted(deeds.items()))
    report = (
        f"{named}; p99 of a line {fleet:.2f} s beside a fleet in trouble,"
        f" {without_fleet:.2f} s without a fleet; versions shipped: {_versions(trial)}"
    )
    return left, report


def _make_witness(trial: Trial) -> Daemon:
    directory = trial.fleet.directory / WITNESS
    directory.mkdir()
    text = (trial.fleet.directory / "first" / "donkeywatch.toml").read_text()
    (directory / "donkeywatch.toml").write_text(text.partition("[http]")[0] + "[http]\nport = 0\n")
    (directory / "search.log").write_bytes(b"")
    return Daemon(directory, "run", "-c", str(directory / "donkeywatch.toml"))


def _torment(
    trial: Trial, daemons: dict[str, Daemon], rng: random.Random, deeds: Counter[str]
) -> None:
    # The first server is left alone, since its latency is compared.
    what = rng.choice(("daemon", "daemon", "shard", "cut", "cut", "cut"))
    if what == "daemon":
        daemon = daemons[rng.choice(("second", "third", "union"))]
        daemon.kill()
        daemon.start()
        deeds["kills of daemons"] += 1
    elif what == "shard" and trial.cluster:
        shard = rng.choice(trial.cluster.shards)
        shard.kill()
        time.sleep(rng.uniform(0, 2))
        shard.start()
        deeds["kills of shards"] += 1
    elif trial.proxies:
        proxy = rng.choice(trial.proxies)
        for _ in range(20):  # Until something is under way.
            before = proxy.cuts
            proxy.cut()
            if proxy.cuts > before:
                deeds["cuts under way"] += 1
                return
            time.sleep(0.05)


def _shard_down(trial: Trial, seconds: float, deeds: Counter[str]) -> None:
    assert trial.cluster is not None
    shard = trial.cluster.shards[-1]
    shard.kill()
    time.sleep(seconds)
    shard.start()
    deeds[f"times a shard down for {seconds:.0f} s"] += 1


def _versions(trial: Trial) -> int:
    with trial.fleet.open() as warehouse:
        rows = warehouse.rows(f"select count() from {warehouse.whole('server_hours')}")
    return int(rows[0][0])
