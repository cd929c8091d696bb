"""What happens to files and cannot be told as a script: loss that is named, locks, long lines."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.readers import Daemon, Stepped, tally
from conformance.scripts import prepare
from conformance.site import Case, Site, Tally
from donkeywatch.counting.calendar import MINUTE, SECOND
from donkeywatch.sources.follower import MISSING_FILE_TIMEOUT
from support.simulated_server import counters, outcomes

Make = Callable[[Case], Daemon]
CASES = [Case(wakeup="inotify"), Case(wakeup="polling")]
ENDS = [Case(wakeup=case.wakeup, end=end) for case in CASES for end in ("stop", "kill")]


def at_work(reader: Daemon, directory: Path, case: Case) -> tuple[Daemon, Site]:
    """A daemon that follows an empty log."""
    site = Site(directory, reader, case)
    prepare(site)
    return reader, site


def covered(state: Path) -> float:
    """Seconds for which the log was followed, by the hours."""
    db = sqlite3.connect(state / "donkeywatch.db")
    rows = db.execute("select sum(covered_seconds) from windows where kind = 'hour'").fetchone()
    db.close()
    return float(rows[0])


def dated(site: Site, day: int) -> Path:
    """Rotate under the name of a day."""
    return site.rename(site.path.with_name(f"search.log-2026010{day}"))


@pytest.mark.scenario("R06")
@pytest.mark.parametrize("case", ENDS, ids=str)
def test_the_oldest_backup_deleted_while_it_is_read(
    daemon: Make, tmp_path: Path, case: Case
) -> None:
    """What the daemon has open it reads to the end, though nothing names it any more."""
    reader, site = at_work(daemon(case), tmp_path, case)
    site.write(50)
    site.look()
    reader.signal(signal.SIGSTOP)
    site.write(20)
    oldest = dated(site, 1)
    site.reopen()
    site.write(15)
    oldest.unlink()
    reader.signal(signal.SIGCONT)
    site.look()
    site.restart()
    assert site.outcome() == (0, 0)


@pytest.mark.scenario("R06")
@pytest.mark.parametrize("case", ENDS, ids=str)
def test_the_oldest_backup_deleted_unread(daemon: Make, tmp_path: Path, case: Case) -> None:
    """Deleted while the daemon was down: exactly its unread lines are lost, none is doubled."""
    reader, site = at_work(daemon(case), tmp_path, case)
    site.write(50)
    site.look()
    site.end()
    site.write(20)
    oldest = dated(site, 1)
    site.write(15)
    dated(site, 2)
    site.write(5)
    oldest.unlink()
    site.losable = 20
    reader.start()
    site.look()
    site.restart()
    assert site.outcome() == (0, 0)
    assert reader.tally().distinct == 70


@pytest.mark.scenario("R06")
def test_the_time_of_a_deleted_backup_is_not_covered(tmp_path: Path) -> None:
    """Nobody saw how much was in it: the coverage says that something is missing."""
    case = Case()
    reader = Stepped(tmp_path, case)
    site = Site(tmp_path, reader, case)
    prepare(site)
    begun = reader.now
    site.write(50)
    for _ in range(10):
        reader.tick(MINUTE)
    reader.stop()
    reader.now += 20 * MINUTE
    dated(site, 1).unlink()
    reader.start()
    for _ in range(10):
        reader.tick(MINUTE)
    reader.stop()
    assert covered(reader.state) <= (reader.now - begun) / SECOND - 19 * 60
    assert reader.tally() == tally(reader.state)


@pytest.mark.scenario("T07")
@pytest.mark.parametrize("copy", [True, False])
def test_truncated_while_the_database_cannot_be_written(tmp_path: Path, copy: bool) -> None:
    """Read and not stored, then cut off: found again in the copy, or counted as abandoned."""
    case = Case()
    reader = Stepped(tmp_path, case)
    site = Site(tmp_path, reader, case)
    prepare(site)
    site.write(50)
    site.look()
    begun = reader.now
    for _ in range(3):
        reader.tick(MINUTE)
    assert reader.engine is not None
    reader.engine.store.connection.execute("pragma busy_timeout = 0")
    other = sqlite3.connect(reader.state / "donkeywatch.db", isolation_level=None)
    other.execute("begin immediate")
    unread = site.lines(20)
    site.append(unread)
    reader.tick()
    assert reader.engine.status().readiness_problems(0)
    if copy:
        site.copytruncate()
    else:
        site.truncate()
        site.losable = 20
    site.write(5)
    reader.tick()
    other.execute("rollback")
    other.close()
    for _ in range(4):
        reader.tick(MISSING_FILE_TIMEOUT)
    assert site.outcome() == (0, 0)
    reader.tick(MINUTE)
    assert counters(reader.state).get("lost_bytes", 0) == (0 if copy else len(unread))
    gap = (reader.now - begun) / SECOND - covered(reader.state)
    assert (gap > 0) is not copy
    reader.stop()


@pytest.mark.scenario("T07")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_copied_and_truncated_while_another_process_locks(
    daemon: Make, tmp_path: Path, case: Case
) -> None:
    """A real daemon in front of a real lock; the copy holds what it could not store."""
    reader, site = at_work(daemon(case), tmp_path, case)
    site.write(50)
    site.look()
    other = sqlite3.connect(reader.state / "donkeywatch.db", isolation_level=None)
    other.execute("begin immediate")
    site.write(20)
    reader.until(lambda: "not ready: the last commit failed" in reader.log_text())
    site.copytruncate()
    site.write(5)
    other.execute("rollback")
    other.close()
    site.look()
    site.restart()
    assert site.outcome() == (0, 0)


@pytest.mark.scenario("I06")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_second_daemon_on_the_same_state(daemon: Make, tmp_path: Path, case: Case) -> None:
    """It refuses with 4, the first goes on; when the first is killed, the second may start."""
    first = daemon(case)
    site = Site(tmp_path, first, case)
    prepare(site)
    second = daemon(case)
    second.launch()
    assert second.wait() == 4
    assert "stop it first" in second.log_text()
    site.write(10)
    site.look()
    first.kill()
    site.reader = second
    second.start()
    site.write(10)
    assert site.outcome() == (0, 0)
    second.stop()


def peak(reader: Daemon) -> int:
    """Most memory that the running daemon has had, bytes."""
    status = Path(f"/proc/{reader.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@pytest.mark.scenario("P04")
@pytest.mark.parametrize("size", [1 << 20, 100 << 20], ids=["1 MiB", "100 MiB"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_very_long_line(daemon: Make, tmp_path: Path, case: Case, size: int) -> None:
    """It is dropped in pieces and counted once; the next line counts, memory is bounded."""
    reader, site = at_work(daemon(case), tmp_path, case)
    site.write(5)
    site.look()
    before = peak(reader)
    with site.path.open("ab") as log:
        for _ in range(size >> 20):
            log.write(b"z" * (1 << 20))
        log.write(b"\n" + site.lines())
    site.look()
    assert site.outcome() == (0, 0)
    assert peak(reader) - before < 24 << 20
    reader.stop()
    assert outcomes(reader.state) == {"query": 6, "too_long": 1}


@pytest.mark.scenario("P04")
@pytest.mark.parametrize("case", ENDS, ids=str)
def test_a_line_without_end(daemon: Make, tmp_path: Path, case: Case) -> None:
    """Eight pieces of 4 MiB with restarts between; it ends at last, and counts as one."""
    reader, site = at_work(daemon(case), tmp_path, case)
    site.write(5)
    for number in range(8):
        site.append(b"z" * (4 << 20))
        if number % 3 == 1:
            site.restart()
        reader.look(5)
    assert peak(reader) < 200 << 20
    site.append(b"\n" + site.lines())
    assert site.outcome() == (0, 0)
    reader.stop()
    assert outcomes(reader.state) == {"query": 6, "too_long": 1}


ANNOUNCED = """
import os, signal, sys, threading, time
from pathlib import Path
from conformance.readers import tally
from donkeywatch.settings import loader
from donkeywatch.runtime.service import Service

settings, log, day = map(Path, sys.argv[1:])

def rotated(_url):
    log.rename(day)
    threading.Thread(target=stop).start()

def stop():
    end = time.monotonic() + 10
    while not tally(settings.parent / "state").total and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)

Service(settings, loader.load(settings)).run(rotated)
"""


@pytest.mark.scenario("R07")
def test_what_is_rotated_once_the_start_is_told_is_no_history(tmp_path: Path) -> None:
    """At the first start of all, between the words `listening on` and the first turn."""
    case = Case(wakeup="polling")
    reader = Stepped(tmp_path, case)
    site = Site(tmp_path, reader, case)
    site.write(20)
    day = site.path.with_name("search-2026-01-01.log")
    command = [sys.executable, "-c", ANNOUNCED, *map(str, (reader.settings, site.path, day))]
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": tests}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert tally(reader.state) == Tally(20, 20)
