"""Real processes, really killed: nothing lost, nothing doubled, and a clean way to stop."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from donkeywatch.lab import demo
from donkeywatch.lab.live import LiveWriter
from donkeywatch.lab.simulate import Simulation
from donkeywatch.lab.truth import Truth
from support import Simulated, counters, outcomes

KILLS = 50
SERIAL = itertools.count()
COMMAND = Path(sys.executable).with_name("donkeywatch")


def server(directory: Path) -> Simulated:
    """Settings that commit and scan ten times a second, on a free port."""
    sim = Simulation(
        start=datetime(2026, 9, 28, tzinfo=UTC), hours=24, queries=4_000, addresses=300
    )
    path = demo.write_settings(sim, directory)
    path.write_text(
        path.read_text() + "[checkpoint]\ninterval = 0.1\n[follow]\nscan = 0.1\n[http]\nport = 0\n"
    )
    (directory / "search.log").touch()
    return Simulated(directory, Truth())


class Daemon:
    """One `donkeywatch run`, its messages in a file."""

    def __init__(self, server: Simulated) -> None:
        self.errors = server.directory / "errors.txt"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [COMMAND, "run", "--config", server.settings],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    def said(self) -> str:
        """All messages so far, of all daemons of this server."""
        return self.errors.read_text("utf-8")

    def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something; an AssertionError when it does not come."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.02)

    def stop(self, number: int, seconds: float = 20) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def place_said(server: Simulated) -> str:
    """All messages of this server's daemons."""
    return (server.directory / "errors.txt").read_text("utf-8")


@contextmanager
def running(server: Simulated) -> Iterator[Daemon]:
    """A daemon that is ready; killed at the end if it still runs."""
    daemon = Daemon(server)
    ready = daemon.errors.read_text("utf-8").count("ready: 1 source") if daemon.errors else 0
    try:
        daemon.until(lambda: daemon.said().count("ready: 1 source") > ready)
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def counted(server: Simulated) -> int:
    """Lines in the database so far, 0 before there is one."""
    try:
        db = sqlite3.connect(f"file:{server.state / 'donkeywatch.db'}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        found = db.execute("select sum(value) from counters where name = 'lines'").fetchone()[0]
        return int(found or 0)
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def append(server: Simulated, count: int) -> None:
    """Queries of now."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with server.log.open("a") as log:
        log.writelines(f"{stamp}\t192.0.2.{n % 250}\tzqorv {next(SERIAL)}\n" for n in range(count))


def test_killed_fifty_times_under_load(tmp_path: Path) -> None:
    """The log rotates while the daemon is killed at random moments; the counts are the truth."""
    sim = Simulation(
        start=datetime(2026, 9, 28, tzinfo=UTC), hours=24, queries=4_000, addresses=300
    )
    place = server(tmp_path)
    with running(place) as daemon:
        daemon.until(lambda: (place.state / "donkeywatch.db").exists())
    rng, stop = random.Random(23), threading.Event()
    writer = LiveWriter(sim, place.log, 600, 40_000, 1_000, seed=3)
    thread = threading.Thread(target=writer.run, args=(stop, 0.02))
    thread.start()
    advanced, before = 0, 0
    try:
        for number in range(KILLS):
            started = place_said(place).count("listening")
            daemon = Daemon(place)
            if number % 5 > 2:
                daemon.until(lambda: counted(place) > before)  # noqa: B023
            elif number % 5:
                daemon.until(lambda: place_said(place).count("listening") > started)  # noqa: B023
            time.sleep(rng.uniform(0.0, 0.5))
            assert daemon.process.poll() is None, daemon.said()
            daemon.process.kill()
            daemon.process.wait()
            advanced += counted(place) > before
            before = counted(place)
    finally:
        stop.set()
        thread.join()
    truth = writer.truth
    total = truth.lines.total()
    with running(place) as daemon:
        daemon.until(lambda: counted(place) >= total)
        assert daemon.stop(signal.SIGTERM) == 0
    assert outcomes(place.state) == {name: n for name, n in truth.lines.items() if n}
    found = counters(place.state)
    assert not found.get("abandoned_bytes")
    assert not found.get("invariant_violations")
    told = truth.window(0, 1 << 50)
    with sqlite3.connect(place.state / "donkeywatch.db") as db:
        queries, weeks = (
            db.execute("select sum(queries) from windows where kind = ?", (kind,)).fetchone()[0]
            for kind in ("hour", "week")
        )
        flagged = dict(db.execute(
            "select subject, sum(value) from counters where name = 'flagged' group by subject"
        ).fetchall())  # fmt: skip
    db.close()
    assert queries == weeks == told["queries"]
    assert flagged == {
        name: topic["queries"] for name, topic in told["topics"].items() if topic["queries"]
    }
    assert len(list(tmp_path.glob("search.log.*"))) > 10, "the log must have been rotated"
    assert advanced > KILLS // 4, "the daemon must have been killed at work"


def test_sigterm_stores_everything_and_exits_0(tmp_path: Path) -> None:
    """Whole lines that were read are stored, within five seconds."""
    place = server(tmp_path)
    with running(place) as daemon:
        for _ in range(5):
            append(place, 2_000)
            time.sleep(0.15)
        before = time.monotonic()
        assert daemon.stop(signal.SIGTERM, 5) == 0
        assert time.monotonic() - before < 5
        assert "all that was read is stored" in daemon.said()
        assert "Traceback" not in daemon.said()
    stored = counted(place)
    assert stored > 0
    with running(place) as daemon:
        daemon.until(lambda: counted(place) >= 10_000)
        assert daemon.stop(signal.SIGINT, 5) == 0
    assert outcomes(place.state) == {"query": 10_000}


def test_sigterm_during_start_up_or_a_long_read_is_obeyed(tmp_path: Path) -> None:
    """A daemon in the middle of a long read exits in time, and the rest is read by the next."""
    place = server(tmp_path)
    append(place, 300_000)
    daemon = Daemon(place)
    daemon.until(lambda: counted(place) > 0 or "listening" in daemon.said(), 30)
    assert daemon.stop(signal.SIGTERM, 5) == 0, daemon.said()
    with running(place) as daemon:
        daemon.until(lambda: counted(place) >= 300_000, 60)
        assert daemon.stop(signal.SIGTERM, 5) == 0
    assert outcomes(place.state) == {"query": 300_000}


@pytest.mark.parametrize("broken", ["settings", "lexicon"])
def test_sighup_with_a_bad_file_keeps_the_old_one(tmp_path: Path, broken: str) -> None:
    """A slip in the settings or the lexicon is refused aloud, and counting goes on."""
    place = server(tmp_path)
    lexicon = tmp_path / demo.ARCHIVE / "lexicon.toml"
    path = {"settings": place.settings, "lexicon": lexicon}[broken]
    good = path.read_text()
    with running(place) as daemon:
        append(place, 10)
        daemon.until(lambda: counted(place) == 10)
        path.write_text(good + "\nzqorv ===\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: "settings not reloaded, the old ones stay" in daemon.said())
        append(place, 10)
        daemon.until(lambda: counted(place) == 20)
        path.write_text(good)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: "settings reloaded" in daemon.said())
        append(place, 10)
        daemon.until(lambda: counted(place) == 30)
        assert daemon.stop(signal.SIGTERM, 5) == 0
    assert outcomes(place.state) == {"query": 30}


def test_sighup_under_load_counts_every_line_once(tmp_path: Path) -> None:
    """Twenty reloads while lines come in and the log is renamed."""
    place = server(tmp_path)
    with running(place) as daemon:
        for number in range(20):
            append(place, 50)
            if number % 5 == 4:
                place.log.rename(place.log.with_name(f"search.log.{number}"))
                append(place, 50)
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        daemon.until(lambda: counted(place) >= 1200)
        assert daemon.stop(signal.SIGTERM, 5) == 0
        assert "Traceback" not in daemon.said()
    assert outcomes(place.state) == {"query": 1200}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_database_is_locked_makes_no_traceback(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Another program holds the write lock: a plain message at the most, and nothing is lost."""
    place = server(tmp_path)
    with running(place) as daemon:
        append(place, 10)
        daemon.until(lambda: counted(place) == 10)
        other = sqlite3.connect(place.state / "donkeywatch.db", isolation_level=None)
        other.execute("begin immediate")
        append(place, 10)
        daemon.process.send_signal(number)
        time.sleep(6.5)
        other.execute("rollback")
        other.close()
        if number == signal.SIGTERM:
            daemon.process.wait(10)
        else:
            daemon.until(lambda: counted(place) == 20)
            daemon.stop(signal.SIGTERM, 5)
        assert "Traceback" not in daemon.said()
    with running(place) as daemon:
        daemon.until(lambda: counted(place) >= 20)
        assert daemon.stop(signal.SIGTERM, 5) == 0
    assert outcomes(place.state) == {"query": 20}


@pytest.mark.parametrize(
    ("slip", "code"), [("zqorv = 1\n", 2), ("===", 2), ("[http]\nport = 99999\n", 2)]
)
def test_a_bad_file_at_the_start_is_refused(tmp_path: Path, slip: str, code: int) -> None:
    """Exit code 2, the fact and the remedy, and no database made."""
    place = server(tmp_path)
    place.settings.write_text(slip + place.settings.read_text())
    daemon = Daemon(place)
    assert daemon.process.wait(20) == code
    assert "remedy: " in daemon.said()
    assert "Traceback" not in daemon.said()
    assert not (place.state / "donkeywatch.db").exists()


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """Exit code 4, while the first goes on."""
    place = server(tmp_path)
    with running(place) as first:
        second = Daemon(place)
        assert second.process.wait(20) == 4
        append(place, 10)
        first.until(lambda: counted(place) == 10)
        assert first.stop(signal.SIGTERM, 5) == 0


def test_files_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    """Directories 0700 and files 0600, though the shell would give everyone everything."""
    place = server(tmp_path)
    place.state.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        with running(place) as daemon:
            append(place, 10)
            daemon.until(lambda: counted(place) == 10)
            modes = {path: path.stat().st_mode for path in place.state.rglob("*")}
            assert daemon.stop(signal.SIGTERM, 5) == 0
    finally:
        os.umask(before)
    assert place.state.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in modes} >= {"donkeywatch.db", "donkeywatch.db-wal", "lock"}
    for path, mode in modes.items():
        assert mode & 0o777 == (0o700 if path.is_dir() else 0o600), path.name
