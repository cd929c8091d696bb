"""P3: per-address state dies with its window: keys, rows, copies and what is left in the log."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, WEEK, week_name, week_start
from donkeywatch.ingest.address_mac import pseudonyms
from donkeywatch.ingest.addresses import parse_address
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store import backups
from promises.stolen_state import as_column, stored_bytes
from support.log_writer import LogWriter
from support.simulated_server import START

MONDAY = week_start("2026-W41")
ADDRESSES = [f"198.51.100.{host}" for host in range(40)]


class Week:
    """An engine over one week's searches of some addresses, stepped by hand."""

    def __init__(self, directory: Path) -> None:
        sim = Simulation(start=START, hours=1, queries=50, addresses=50)
        path = simulation_directory.write_settings(sim, directory)
        path.write_text(path.read_text() + "\n[backup]\ninterval = 1\n")
        self.log = directory / "search.log"
        self.now, self.log_number = MONDAY + HOUR, 0
        self.log.touch()
        self.settings = loader.load(path)
        self.state = self.settings.state
        self.engine = Engine(self.settings, self.now)
        self.step(addresses=ADDRESSES)
        self.key_file = self.state / "keys" / f"{week_name(MONDAY)}.key"
        self.key = self.key_file.read_bytes()

    def step(self, ms: int = MINUTE, addresses: list[str] = ADDRESSES[:3]) -> None:
        """Let the clock go on, write a search of each address, and look."""
        self.now += ms
        for address in addresses:
            LogWriter(self.log).log_search(self.now, address, "zqorv")
        self.engine.tick(self.now, self.now)

    def run_until(self, time: int) -> None:
        """Go on in steps of hours, each with some searches."""
        while self.now < time:
            self.step(6 * HOUR, [f"203.0.113.{self.now // HOUR % 200}"])
            self.step(3 * MINUTE, ["203.0.113.7"])

    def remaining(self) -> int:
        """Give how many of the pseudonyms of the first week stand in any file."""
        return self.in_bytes(stored_bytes(self.state))

    def in_bytes(self, data: bytes) -> int:
        """Give how many of the pseudonyms of the first week stand in some bytes."""
        made = pseudonyms(as_column(map(parse_address, map(str.encode, ADDRESSES))), self.key)
        return sum(int(value).to_bytes(8, "little") in data for value in made)


def test_no_block_of_the_disk_holds_a_pseudonym_of_a_week_that_is_over(
    disk: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of removed copies, of the database and of its write-ahead log, in use or freed."""
    image, mounted = disk
    monkeypatch.setenv("DONKEYWATCH_STATE", str(mounted / "state"))
    made = Week(tmp_path)
    made.engine.start_backup_if_due(made.now, made.now)
    made.engine.backups.finish()
    for _ in range(3):  # The log is removed with the last connection, and made again.
        made.step()
        made.engine.close()
        made.engine = Engine(made.settings, made.now)
    subprocess.run(["sync", "-f", mounted], check=True)
    assert made.in_bytes(image.read_bytes()) == len(ADDRESSES), "or the test shows nothing"
    made.run_until(MONDAY + 2 * WEEK + 2 * HOUR)
    made.engine.close()
    for thread in threading.enumerate():
        if thread.name == "erasing":
            thread.join(60)
    subprocess.run(["umount", mounted], check=True)
    assert made.in_bytes(image.read_bytes()) == 0


def test_the_write_ahead_log_is_overwritten_before_it_is_removed(week: Week) -> None:
    """The last connection takes it away; another name of it shows what its blocks hold."""
    for _ in range(2):
        week.step(addresses=ADDRESSES)
    log, kept = week.state / "donkeywatch.db-wal", week.log.with_name("kept")
    kept.hardlink_to(log)
    assert week.in_bytes(kept.read_bytes()) == len(ADDRESSES)
    week.engine.close()
    assert not log.exists()
    assert week.in_bytes(kept.read_bytes()) == 0
    week.engine = Engine(week.settings, week.now)


def test_the_write_ahead_log_is_overwritten_before_it_is_cut(week: Week) -> None:
    """Its blocks would keep what they hold; readers and later commits notice nothing."""
    store, held = week.engine.store, []

    def look(statement: str) -> None:
        if "wal_checkpoint(truncate)" in statement:
            held.append(week.in_bytes((week.state / "donkeywatch.db-wal").read_bytes()))

    log = week.state / "donkeywatch.db-wal"
    for _ in range(2):
        week.step(addresses=ADDRESSES)
    assert week.in_bytes(log.read_bytes()) == len(ADDRESSES)
    with closing(sqlite3.connect(week.state / "donkeywatch.db")) as reader:
        reader.execute("begin")
        before = reader.execute("select count(*), sum(rows) from segments").fetchall()
        assert not store.truncate_log(), "somebody reads it"
        assert week.in_bytes(log.read_bytes()) == len(ADDRESSES)
        assert reader.execute("select count(*), sum(rows) from segments").fetchall() == before
        reader.execute("rollback")
        store.connection.set_trace_callback(look)
        assert store.truncate_log()
        store.connection.set_trace_callback(None)
        assert held == [0]
        assert reader.execute("select count(*), sum(rows) from segments").fetchall() == before
        week.step()
        ((_, rows),) = before
        assert reader.execute("select sum(rows) from segments").fetchone() == (rows + 3,)
        assert reader.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Week]:
    """An engine that has counted the searches of one hour."""
    made = Week(tmp_path)
    yield made
    made.engine.close()


def test_nothing_of_a_week_is_left_when_the_next_is_over(week: Week) -> None:
    """Key, rows, copies and bytes of the database and its log, free pages included."""
    week.engine.start_backup_if_due(week.now, week.now)
    week.engine.backups.finish()
    week.engine.close()
    week.engine = Engine(week.settings, week.now)
    assert week.remaining() == len(ADDRESSES)
    assert backups.list_backups(week.state / "backups")
    week.run_until(MONDAY + 2 * WEEK - 7 * HOUR)
    assert week.key_file.exists()
    week.run_until(MONDAY + 2 * WEEK + 3 * HOUR)
    assert not week.key_file.exists()
    assert week.remaining() == 0
    assert not list((week.state / "backups").glob("*"))
    with closing(sqlite3.connect(week.state / "donkeywatch.db")) as db:
        oldest = db.execute("select min(hour) from segments").fetchone()[0]
    assert oldest >= MONDAY + WEEK


def test_the_write_ahead_log_is_emptied_after_a_copy_and_not_beside_it(
    week: Week, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy in the making reads the log, too: emptying it waits, and is made up for."""
    started, release = threading.Event(), threading.Event()

    def copy(self: backups.Backups, part: Path) -> None:
        started.set()
        release.wait(30)
        raise OSError

    truncated = []
    store = week.engine.store
    truncate = store.truncate_log
    monkeypatch.setattr(backups.Backups, "_copy", copy)

    def spy() -> bool:
        truncated.append(truncate())
        return truncated[-1]

    monkeypatch.setattr(store, "truncate_log", spy)
    week.engine.start_backup_if_due(week.now + WEEK, week.now + WEEK)
    assert started.wait(30)
    store.log_left = True
    week.step()
    assert truncated == []
    release.set()
    week.engine.backups.finish()
    week.step()
    assert truncated == [True]
    assert not store.log_left


def test_a_copy_that_is_being_made_is_given_up_when_the_keys_go(
    week: Week, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, and nothing of it stays."""
    week.run_until(MONDAY + 2 * WEEK - 7 * HOUR)
    copies = week.engine.backups
    asked_for: list[Path] = []
    make = copies.make

    def make_slowly(now: int) -> Path | None:
        started.set()
        release.wait(30)
        path = make(now)
        asked_for.extend([path] if path else [])
        return path

    started, release = threading.Event(), threading.Event()
    cancel = copies.cancel

    def cancel_it() -> None:
        release.set()
        cancel()

    monkeypatch.setattr(copies, "make", make_slowly)
    monkeypatch.setattr(copies, "cancel", cancel_it)
    copies.request_now()
    copies.start_if_due(week.now, week.now)
    assert started.wait(30)
    week.run_until(MONDAY + 2 * WEEK + 3 * HOUR)
    assert release.is_set()
    assert not copies.busy
    assert not list(copies.directory.glob("*"))


def test_a_destroyed_key_is_overwritten_before_it_is_removed(
    week: Week, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a disk may bring back of a removed file is not the key."""
    kept = week.key_file.with_name("kept")
    kept.hardlink_to(week.key_file)
    week.run_until(MONDAY + 2 * WEEK + 3 * HOUR)
    assert not week.key_file.exists()
    assert kept.read_bytes() != week.key
    kept.unlink()


def test_deleted_rows_are_overwritten_and_sorted_in_memory(week: Week) -> None:
    """SQLite's `secure_delete` is on, and no temporary file holds rows."""
    pragma = week.engine.store.connection.execute
    assert pragma("pragma secure_delete").fetchone() == (1,)
    assert pragma("pragma temp_store").fetchone() == (2,)
