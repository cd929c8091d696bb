"""Two changes of the week: rolling windows cross them exactly, and what was destroyed is gone."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, WEEK, iso_utc, to_ms, week_name
from donkeywatch.ingest.address_mac import pseudonyms
from donkeywatch.ingest.addresses import parse_address
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store.store import Store
from support.log_writer import LogWriter
from support.simulated_server import counted, outcomes

MONDAY = to_ms(datetime(2026, 10, 5, tzinfo=UTC))
"""Start of the second week of three."""
ADDRESSES = [
    f"{net}.{host}" for net in ("192.0.2", "198.51.100", "203.0.113") for host in range(1, 60)
] + [f"2001:db8::{host:x}" for host in range(1, 60)]


class Server:
    """A log in two weeks' addresses, an engine stepped with it, and a brute-force count."""

    def __init__(self, directory: Path, now: int) -> None:
        sim = Simulation(start=datetime(2026, 9, 28, tzinfo=UTC), hours=1, queries=50, addresses=50)
        settings = simulation_directory.write_settings(sim, directory)
        self.settings = loader.load(settings, {})
        self.state = directory / "state"
        self.keys = self.state / "keys"
        self.log = directory / "search.log"
        self.log.touch()
        self.writer = LogWriter(self.log)
        self.random = random.Random(7)
        self.now = now
        self.requests: list[tuple[int, str]] = []
        self.engine = Engine(self.settings, now)

    def write(self, count: int, span: int) -> None:
        """Queries of the last ``span`` ms."""
        for _ in range(count):
            time = self.now - self.random.randrange(min(span, 90_000))
            address = self.random.choice(ADDRESSES)
            self.writer.log_search(time, address, "zqorv")
            self.requests.append((time, address))

    def step(self, ms: int, count: int = 0) -> None:
        """Let the clock go on, write, and look."""
        self.now += ms
        self.write(count, ms)
        self.engine.tick(self.now)

    def restart(self) -> None:
        """Stop and start."""
        self.engine.close()
        self.engine = Engine(self.settings, self.now)

    def truth(self, start: int, end: int) -> dict[str, int]:
        """Queries, addresses and squares of [start, end), by brute force."""
        request = Counter(address for time, address in self.requests if start <= time < end)
        return {
            "queries": request.total(),
            "addresses": len(request),
            "sum_qq": sum(n * n for n in request.values()),
        }

    def rolling(self) -> None:
        """All rolling windows equal the brute-force count between their bounds."""
        with sqlite3.connect(self.state / "donkeywatch.db") as db:
            shown = db.execute(
                "select kind, start, until from windows where kind not in ('hour', 'week')"
            ).fetchall()
        db.close()
        assert len(shown) == 3
        for kind, start, until in shown:
            assert until == (self.now - 2 * MINUTE) // MINUTE * MINUTE, kind
            result = counted(self.state, kind, start)
            message = self.truth(start, until)
            assert {name: result[name] for name in message} == message, (kind, iso_utc(until))

    def key(self, week: int) -> Path:
        """The key file of a week."""
        return self.keys / f"{week_name(week)}.key"

    def hashed(self, key: bytes) -> list[bytes]:
        """All addresses' pseudonyms under a key, as the database would hold them."""
        rows = [parse_address(address.encode()) for address in ADDRESSES]
        table = np.frombuffer(b"".join(row for row in rows if row), np.uint8).reshape(-1, 16)
        assert len(table) == len(ADDRESSES)
        return [int(value).to_bytes(8, "little") for value in pseudonyms(table, key)]

    def holds(self, needles: list[bytes]) -> int:
        """How many of the pseudonyms stand anywhere in the raw files."""
        files = [path for path in self.state.rglob("*") if path.is_file()]
        content = b"\0|\0".join(path.read_bytes() for path in files)
        return sum(needle in content for needle in needles)


def test_nothing_of_a_destroyed_week_is_left(tmp_path: Path) -> None:
    """Key, segments, bridges and every pseudonym in any file go when the next week has ended."""
    server = Server(tmp_path, MONDAY - 2 * DAY)
    for step in range(600):
        server.step(5 * MINUTE, step % 7)
    server.step(HOUR, 700)
    assert server.now > MONDAY
    old, older = server.key(MONDAY - WEEK), server.key(MONDAY - 2 * WEEK)
    # The key of the week before the first was made for bridges only, and goes first.
    assert old.exists()
    assert not older.exists()
    destroyed = server.hashed(old.read_bytes())
    assert server.holds(destroyed) == len(ADDRESSES), "the search itself must find them"
    while server.now < MONDAY + WEEK - HOUR:
        server.step(2 * HOUR, 15)
        server.step(3 * MINUTE, 5)
    kept = server.key(MONDAY)
    following = server.hashed(kept.read_bytes())
    assert old.exists()
    assert server.holds(destroyed) > 0
    for _ in range(6):
        server.step(HOUR, 20)
        server.step(3 * MINUTE, 5)
    assert server.now > MONDAY + WEEK
    server.rolling()
    assert not old.exists()
    assert kept.exists()
    db = server.engine.store.connection
    assert db.execute("select count(*) from segments where hour < ?", (MONDAY,)).fetchone() == (0,)
    assert db.execute(
        "select count(*) from previous_pseudonyms join segments on segments.id = segment where"
        " hour < ?",
        (MONDAY + WEEK,),
    ).fetchone() == (0,)
    assert db.execute(
        "select destroyed, key_check from weekly_keys where week = ?", (MONDAY - WEEK,)
    ).fetchone() == (1, b"")
    assert server.holds(destroyed) == 0
    assert server.holds(following) == len(ADDRESSES)
    server.restart()
    server.step(MINUTE)
    assert server.holds(destroyed) == 0
    server.engine.close()
    assert server.holds(destroyed) == 0
    assert outcomes(server.state) == {"query": len(server.requests)}


def test_a_crash_between_sealing_and_destroying_the_key_is_made_good(tmp_path: Path) -> None:
    """The database says sealed, the key file is still there: the next start removes it."""
    server = Server(tmp_path, MONDAY - DAY)
    server.step(HOUR, 30)
    server.step(DAY, 30)
    old = server.key(MONDAY - WEEK)
    content = old.read_bytes()
    assert old.exists()
    server.step(WEEK, 5)
    server.step(HOUR, 5)
    assert not old.exists()
    server.engine.close()
    old.write_bytes(content)
    old.chmod(0o600)
    server.engine = Engine(server.settings, server.now)
    assert not old.exists()
    server.step(MINUTE, 3)
    server.engine.close()
    assert outcomes(server.state) == {"query": len(server.requests)}


def doomed(directory: Path) -> tuple[Server, Path, list[bytes]]:
    """A server hours before the end of its second week, the first one's key, and its pseudonyms."""
    server = Server(directory, MONDAY - DAY)
    for _ in range(25):
        server.step(HOUR, 30)
    old = server.key(MONDAY - WEEK)
    while server.now < MONDAY + WEEK - 3 * HOUR:
        server.step(2 * HOUR, 5)
    return server, old, server.hashed(old.read_bytes())


@pytest.mark.parametrize("restarted", [True, False])
def test_rows_that_outlived_their_key_are_destroyed_later(
    tmp_path: Path, restarted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails before the rows are: at the next start they are, or within the hour."""
    server, old, destroyed = doomed(tmp_path)

    def failing(self: Store) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "delete_sealed", failing)
        while old.exists():
            server.step(HOUR, 5)
    assert server.holds(destroyed) > 0
    if restarted:
        server.restart()
        server.step(MINUTE, 5)
    else:
        server.step(HOUR, 5)
    assert server.holds(destroyed) == 0
    server.engine.close()


def test_destroyed_pseudonyms_do_not_live_on_in_the_log_while_someone_reads(
    tmp_path: Path,
) -> None:
    """A scrape that holds a snapshot delays the truncation of the WAL, but for no longer."""
    server, old, destroyed = doomed(tmp_path)
    server.engine.store.connection.execute("pragma busy_timeout = 0")
    reader = sqlite3.connect(server.state / "donkeywatch.db")
    reader.execute("begin")
    reader.execute("select count(*) from segments").fetchone()
    while old.exists():
        server.step(HOUR, 5)
    assert server.now > MONDAY + WEEK
    reader.close()
    server.step(HOUR, 5)
    server.step(HOUR, 5)
    assert server.holds(destroyed) == 0
    server.engine.close()
