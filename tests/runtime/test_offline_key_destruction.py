"""Keys that an operator destroys: nothing of an address is left, and every count stays."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, WEEK, iso_utc, week_name, week_start
from donkeywatch.errors import StateError, StateLockedError
from donkeywatch.runtime import offline_key_destruction, source_opening
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.key_status import describe_keys
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.log_writer import LogWriter, numbered_address
from support.simulated_server import START

MONDAY = week_start("2026-W40")
NOW = MONDAY + WEEK + 30 * HOUR + 20 * MINUTE


class Monitor:
    """An engine that is stepped, and what its database holds."""

    def __init__(self, directory: Path) -> None:
        sim = Simulation(seed=1, start=START, hours=1, queries=9, addresses=10)
        self.settings: Settings = loader.load(
            simulation_directory.write_settings(sim, directory), {}
        )
        self.log = directory / "search.log"
        self.now = NOW
        self.lines = 0

    def write(self, time: int, count: int = 20) -> None:
        """Searches of as many addresses, a second apart."""
        for i in range(count):
            self.lines += 1
            query = f"fnarbl {self.lines}"
            LogWriter(self.log).log_search(time + 1000 * i, numbered_address(i), query)

    def run(self, ms: int = 0) -> list[str]:
        """Start, read, close what is due, and stop; what the keyring had lost."""
        self.now += ms
        engine = Engine(self.settings, self.now)
        try:
            for steady in range(0, 40_000, 1_000):
                engine.tick(self.now + steady, steady)
            engine.commit(self.now + 40_000, 40_000)
            return [week_name(week) for week in engine.lost_weeks]
        finally:
            engine.close()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Rows of the database."""
        with closing(sqlite3.connect(self.settings.state / "donkeywatch.db")) as db:
            return db.execute(query).fetchall()

    @property
    def counted(self) -> int:
        """Queries in the counters."""
        return int(str(self.ask("select sum(value) from counters where detail = 'query'")[0][0]))

    @property
    def keys(self) -> list[str]:
        """Weeks whose key is a file."""
        return sorted(path.stem for path in self.settings.key_directory.glob("*-W*.key"))


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    """Searches of last week and of this one, up to this hour; counted."""
    made = Monitor(tmp_path)
    made.write(MONDAY + WEEK - HOUR)
    made.write(NOW - 2 * HOUR)
    made.write(NOW - 10 * MINUTE)
    made.run()
    assert made.counted == 60
    return made


def test_all_keys_go_and_all_counts_stay(monitor: Monitor) -> None:
    """This hour and week are closed with what they had, and no row of an address is left."""
    pseudonyms = monitor.ask("select pseudonyms from segments")
    assert pseudonyms
    weeks = offline_key_destruction.destroy_all(monitor.settings, NOW)
    assert weeks == [week_name(MONDAY), week_name(MONDAY + WEEK)]
    assert monitor.keys == []
    assert monitor.ask("select count(*) from segments") == [(0,)]
    assert monitor.counted == 60
    windows = monitor.ask(
        "select kind, queries, addresses, closed from windows"
        " where kind in ('hour', 'week') and queries > 0 order by kind, start"
    )
    assert windows == [
        ("hour", 20, 20, 1), ("hour", 20, 20, 1), ("hour", 20, 20, 1),
        ("week", 20, 20, 1), ("week", 40, 20, 1),
    ]  # fmt: skip
    data = b"".join(path.read_bytes() for path in monitor.settings.state.rglob("*.db*"))
    for (blob,) in pseudonyms:
        assert isinstance(blob, bytes)
        assert blob[:8] not in data


def test_after_that_this_week_counts_no_more_and_the_next_one_does(monitor: Monitor) -> None:
    """Nobody could tell a line of this week that comes again from one that is new."""
    offline_key_destruction.destroy_all(monitor.settings, NOW)
    monitor.write(NOW, 5)
    monitor.run(MINUTE)
    assert monitor.counted == 60
    counters = "select name, detail, value from counters where detail != 'query'"
    assert monitor.ask(counters) == [("copied_lines", "destroyed_week", 65)]
    monitor.now = MONDAY + 2 * WEEK + HOUR
    monitor.write(monitor.now - MINUTE, 7)
    monitor.run()
    assert monitor.counted == 67
    assert monitor.keys == [week_name(MONDAY + week * WEEK) for week in (2,)]
    assert monitor.ask("select value from counters where name = 'invariant_violations'") == []


def test_keys_that_somebody_saw_are_replaced_at_the_next_start(monitor: Monitor) -> None:
    """The week goes on under another key, with a break; counts and rows stay."""
    weeks = [week_name(MONDAY), week_name(MONDAY + WEEK)]
    before = {name: (monitor.settings.key_directory / f"{name}.key").read_bytes() for name in weeks}
    rows = monitor.ask("select count(*) from segments")
    assert offline_key_destruction.rotate_keys(monitor.settings, NOW) == weeks
    assert monitor.keys == []
    assert monitor.ask("select count(*) from segments") == rows
    monitor.write(NOW, 5)
    assert monitor.run(MINUTE) == weeks
    assert monitor.keys == weeks
    for name, key in before.items():
        assert (monitor.settings.key_directory / f"{name}.key").read_bytes() != key
    assert monitor.counted == 65
    assert monitor.ask("select kind from breaks") == [("keys",)]


@pytest.mark.parametrize("step", ["adopt_logs", "open_sources"])
def test_a_start_that_dies_after_keys_were_replaced_is_completed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The next one still knows which logs were read under the lost keys, and marks one break."""
    weeks = offline_key_destruction.rotate_keys(monitor.settings, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(source_opening, step, die)
        with pytest.raises(KeyboardInterrupt):
            Engine(monitor.settings, NOW)
    monitor.write(NOW, 5)
    assert monitor.run(MINUTE) == ([] if step == "open_sources" else weeks)
    assert monitor.counted == 65
    assert monitor.ask("select * from counters where name in ('lost_bytes', 'copied_lines')") == []
    assert monitor.ask("select kind from breaks") == [("keys",)]


def die(*_arguments: object) -> None:
    """Die in the place of any function."""
    raise KeyboardInterrupt


def test_keys_that_were_lost_are_told_though_a_timer_finds_it_first(monitor: Monitor) -> None:
    """What destroys due keys without a daemon replaces lost ones; the next start knows it."""
    weeks = monitor.keys
    for path in monitor.settings.key_directory.glob("*-W*.key"):
        path.unlink()
    assert offline_key_destruction.destroy_due(monitor.settings, NOW, 0) == []
    monitor.write(NOW, 5)
    assert monitor.run(MINUTE) == weeks
    assert monitor.counted == 65
    assert monitor.ask("select kind from breaks") == [("keys",)]
    assert monitor.ask("select * from counters where name in ('lost_bytes', 'copied_lines')") == []


def test_the_keys_are_described_by_week(monitor: Monitor) -> None:
    """In use, overdue, lost, or destroyed with or without rows."""
    state, keys = monitor.settings.state, monitor.settings.key_directory
    first, second = week_name(MONDAY), week_name(MONDAY + WEEK)
    assert describe_keys(state, keys, NOW) == [
        f"{week_name(MONDAY - WEEK)}: destroyed",
        f"{first}: in use, destroyed after {iso_utc(MONDAY + 2 * WEEK)}",
        f"{second}: in use, destroyed after {iso_utc(MONDAY + 3 * WEEK)}",
    ]
    _, overdue, *_, finding = describe_keys(state, keys, MONDAY + 2 * WEEK)
    assert overdue == f"{first}: overdue"
    assert "keys that are overdue" in finding
    offline_key_destruction.rotate_keys(monitor.settings, NOW)
    lost = "lost: the next start goes on under another one"
    assert describe_keys(state, keys, NOW)[1:] == [f"{first}: {lost}", f"{second}: {lost}"]
    offline_key_destruction.destroy_all(monitor.settings, NOW)
    gone = [f"{first}: destroyed", f"{second}: destroyed"]
    assert describe_keys(state, keys, NOW)[1:3] == gone


def test_while_a_daemon_runs_nothing_is_destroyed(monitor: Monitor) -> None:
    """It holds the keys in memory."""
    engine = Engine(monitor.settings, NOW)
    try:
        with pytest.raises(StateLockedError):
            offline_key_destruction.destroy_all(monitor.settings, NOW)
        with pytest.raises(StateLockedError):
            offline_key_destruction.rotate_keys(monitor.settings, NOW)
    finally:
        engine.close()
    assert len(monitor.keys) == 2


def test_without_a_database_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """And that is said."""
    with pytest.raises(StateError, match="there is no database"):
        describe_keys(tmp_path, tmp_path / "keys", NOW)


@pytest.mark.parametrize("verb", [["destroy", "--all"], ["rotate"]])
def test_what_cannot_be_undone_is_confirmed(monitor: Monitor, verb: list[str]) -> None:
    """By an option, since it may be asked for by a script."""
    settings = str(monitor.log.with_name("donkeywatch.toml"))
    command = [sys.executable, "-m", "donkeywatch", "keys", *verb, "-c", settings]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "cannot be undone" in refused.stderr
    assert len(monitor.keys) == 2
    done = subprocess.run([*command, "--yes"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert monitor.keys == []
