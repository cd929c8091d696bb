"""XK: what is promised of lifetimes and of counters also holds when somebody is in the way."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from conformance.cases import Ask, Daemons, Reasons, Run
from conformance.diary import Diary
from conformance.readers import Daemon
from conformance.site import Case
from donkeywatch.counting.calendar import WEEK, week_name, week_of
from donkeywatch.settings import loader

CASE = Case()


def now() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


def overdue(run: Run, diary: Diary, daemon: Daemon) -> tuple[list[Path], list[bytes]]:
    """A backfill of weeks that are over: the key files it left, and some of its pseudonyms."""
    archive = diary.log.with_name("old")
    for weeks in (5, 4, 3):
        start = now() - weeks * WEEK
        diary.write(*range(start, start + 500), log=archive)
    code, message = run("backfill", "--config", daemon.settings, archive)
    assert code == 0, message
    # That of this week, for the fingerprints of the log, is not due.
    every = (diary.state / "keys").glob("*-W*.key")
    keys = sorted(key for key in every if key.stem != week_name(now()))
    assert keys
    return keys, [blob[:16] for (blob,) in diary.query("select pseudonyms from segments")]


def held(state: Path, marks: list[bytes]) -> int:
    """How many of some pseudonyms are anywhere in the files of the state."""
    content = b""
    for path in [path for path in state.rglob("*") if path.is_file()]:
        with contextlib.suppress(FileNotFoundError):  # The daemon may be making a copy.
            content += path.read_bytes()
    return sum(mark in content for mark in marks)


def metric(ask: Ask, daemon: Daemon, name: str) -> float:
    """The sum of the samples of a metric."""
    text = ask(daemon, "/metrics").text
    return sum(map(float, re.findall(rf"^donkeywatch_{name}(?:\{{.*\}})? (\S+)$", text, re.M)))


@pytest.mark.scenario("XK2")
def test_a_reader_neither_blocks_the_loop_nor_hides_what_is_left(
    daemon: Daemons, diary: Diary, run: Run, ask: Ask, reasons: Reasons
) -> None:
    """Told in log, metric, `status` and `verify` while it reads; gone seconds after it left."""
    monitor = daemon(CASE)
    _, marks = overdue(run, diary, monitor)
    reader = sqlite3.connect(f"file:{diary.state / 'donkeywatch.db'}?mode=ro", uri=True)
    reader.execute("begin")
    reader.execute("select count(*) from segments").fetchone()
    monitor.start()
    monitor.until(lambda: "rows whose key is destroyed are still" in monitor.log_text())
    monitor.until(lambda: metric(ask, monitor, "destruction_pending") == 1)
    begun = time.monotonic()
    diary.write(now())
    monitor.until(lambda: diary.lines() == diary.outcomes.total())
    assert time.monotonic() - begun < 3
    monitor.until(lambda: reasons(monitor) == "")
    for verb in ("status", "verify"):
        code, message = run(verb, "--config", monitor.settings)
        assert code == 0
        assert "write-ahead" in message
    assert held(diary.state, marks)
    reader.close()
    monitor.until(lambda: not held(diary.state, marks), 5)
    monitor.until(lambda: metric(ask, monitor, "destruction_pending") == 0)
    assert "the write-ahead log is emptied" in monitor.log_text()
    assert "write-ahead" not in run("verify", "--config", monitor.settings)[1]
    monitor.stop()


@pytest.mark.scenario("XK3")
def test_a_start_destroys_what_is_due_before_it_serves(
    daemon: Daemons, diary: Diary, run: Run
) -> None:
    """`status` and `verify` name the weeks before; afterwards keys and pseudonyms are gone."""
    monitor = daemon(CASE)
    keys, marks = overdue(run, diary, monitor)
    for verb in ("status", "verify"):
        code, message = run(verb, "--config", monitor.settings)
        assert code == 0
        assert all(key.stem in message for key in keys)
        assert "keys that are overdue" in message
    monitor.start()
    assert not [key for key in keys if key.exists()]
    assert not held(diary.state, marks)
    text, _, _ = monitor.log_text().partition("listening on")
    assert f"destroyed the keys of {', '.join(key.stem for key in keys)}" in text
    monitor.stop()
    diary.exact()
    assert "overdue" not in run("verify", "--config", monitor.settings)[1]


@pytest.mark.scenario("XK3")
def test_lines_that_a_stopped_monitor_missed_are_counted_before_their_key_goes(
    daemon: Daemons, diary: Diary, run: Run
) -> None:
    """They are of a week whose key is due at the start, and would be too late without it."""
    monitor = daemon(CASE)
    start = now() - 4 * WEEK
    archive = diary.log.with_name("old")
    diary.write(start, log=archive)
    assert run("backfill", "--config", monitor.settings, archive)[0] == 0
    diary.write(*range(start + 1, start + 100))
    monitor.start()
    assert not (diary.state / "keys" / f"{week_name(week_of(start))}.key").exists()
    monitor.stop()
    diary.exact()


@pytest.mark.scenario("XK4")
def test_keys_are_destroyed_without_a_daemon(daemon: Daemons, diary: Diary, run: Run) -> None:
    """Windows close before; a second time there is nothing to do; refused while a daemon runs."""
    monitor = daemon(CASE)
    keys, marks = overdue(run, diary, monitor)
    code, message = run("keys", "destroy", "--config", monitor.settings)
    assert code == 2
    assert "add --due" in message
    lexicon = loader.load(monitor.settings, {}).lexicon
    assert lexicon is not None
    lexicon.chmod(0o644)  # It is not read.
    command = ("keys", "destroy", "--due", "--config", monitor.settings)
    code, message = run(*command)
    assert code == 0, message
    assert message.splitlines() == [f"destroyed the key of {key.stem}" for key in keys]
    assert not [key for key in keys if key.exists()]
    assert not held(diary.state, marks)
    diary.exact()
    none_due = "no key is due; `donkeywatch keys status` tells when each goes\n"
    assert run(*command) == (0, none_due)
    lexicon.chmod(0o600)
    monitor.start()
    assert run(*command)[0] == 4
    monitor.stop()
    diary.exact()


@pytest.mark.scenario("XK4")
def test_keys_are_not_destroyed_under_a_reader_without_saying_so(
    daemon: Daemons, diary: Diary, run: Run
) -> None:
    """The keys are gone and the exit code says that rows are left; the next leaves none."""
    monitor = daemon(CASE)
    keys, marks = overdue(run, diary, monitor)
    command = ("keys", "destroy", "--due", "--config", monitor.settings)
    with closing(sqlite3.connect(f"file:{diary.state / 'donkeywatch.db'}?mode=ro", uri=True)) as db:
        db.execute("begin")
        db.execute("select count(*) from segments").fetchone()
        code, message = run(*command)
    assert code == 3
    assert "another program reads" in message
    assert not [key for key in keys if key.exists()]
    assert run(*command)[0] == 0
    assert not held(diary.state, marks)


@pytest.mark.scenario("XK5")
@pytest.mark.parametrize("readable", [True, False], ids=["readable", "unreadable"])
def test_no_counter_falls_after_recover(
    daemon: Daemons, diary: Diary, run: Run, ask: Ask, readable: bool
) -> None:
    """A backup has smaller ones: the earlier values are shown until they have caught up."""
    monitor = daemon(CASE)
    diary.write(*range(now() - 20, now() - 10))
    monitor.start()
    backups = diary.state / "backups"
    monitor.until(lambda: diary.lines() == 10 and any(backups.glob("donkeywatch-*Z.db")))
    monitor.stop()
    shutil.copytree(backups, diary.state / "kept")
    diary.write(*range(now() - 50, now()))
    monitor.start()
    monitor.until(lambda: diary.lines() == 60)
    before = metric(ask, monitor, "queries_total")
    monitor.stop()
    shutil.rmtree(backups)
    (diary.state / "kept").rename(backups)
    elsewhere = diary.state.with_name("elsewhere")  # Beside the log its inode would be found.
    diary.log.rename(elsewhere)
    database = diary.state / "donkeywatch.db"
    if not readable:
        database.write_bytes(b"\xa5" * 8192)
    code, message = run("recover", "--force", "--config", monitor.settings)
    assert code == 0, message
    monitor.start()
    assert diary.lines() == 10
    assert metric(ask, monitor, "queries_total") == before == 60
    monitor.until(lambda: metric(ask, monitor, "lines_total") >= 60)  # None before the first look.
    elsewhere.rename(diary.log)
    diary.write(*range(now() - 5, now()))
    monitor.until(lambda: diary.lines() == 65)
    monitor.until(lambda: metric(ask, monitor, "queries_total") == 65)
    monitor.stop()
    diary.exact()


@pytest.mark.scenario("XK6")
@pytest.mark.parametrize("rotated", [False, True], ids=["same log", "rotated meanwhile"])
def test_a_key_directory_that_is_empty_after_a_reboot(
    daemon: Daemons, diary: Diary, run: Run, ask: Ask, rotated: bool
) -> None:
    """Counting goes on where it stood, the closed weeks stay, and a break and a message tell."""
    monitor = daemon(CASE)
    old = diary.log.with_name("search.log.1")
    diary.write(*range(now() - WEEK, now() - WEEK + 50))
    diary.write(*range(now() - 90, now() - 60))
    monitor.start()
    monitor.until(lambda: diary.lines() == 80)
    diary.log.rename(old)
    diary.write(*range(now() - 40, now() - 20))
    monitor.until(lambda: diary.lines() == 100)
    monitor.stop()
    closed = diary.query("select * from windows where kind = 'week' and closed = 1")
    shutil.rmtree(diary.state / "keys")
    if rotated:
        diary.write(*range(now() - 19, now() - 10))
        old.rename(diary.log.with_name("search.log.2"))
        diary.log.rename(old)
    diary.write(*range(now() - 9, now()))
    monitor.start()
    monitor.until(lambda: diary.lines() == diary.outcomes.total())
    week = week_name(week_of(now()))
    assert f"the key of week {week} is lost" in monitor.log_text()
    assert metric(ask, monitor, "breaks_total") >= 1
    monitor.stop()
    diary_exact_but_for_addresses(diary)
    assert set(closed) <= set(diary.query("select * from windows where kind = 'week'"))
    for verb in ("status", "verify"):
        code, message = run(verb, "--config", monitor.settings)
        assert code == 0, message
        assert "keys that were lost" in message
        assert week in message


def diary_exact_but_for_addresses(diary: Diary) -> None:
    """Every line has its outcome, once."""
    lines = diary.query(
        "select detail, sum(value) from counters where name = 'lines' group by detail"
    )
    assert {name: n for name, n in lines if n} == +diary.outcomes
    hours = diary.query("select sum(queries) from windows where kind = 'hour'")
    assert hours == [(len(diary.requests),)]


@pytest.mark.scenario("XK6")
def test_a_wrong_key_stays_refused(daemon: Daemons, diary: Diary, run: Run) -> None:
    """Another one in its place is nobody's loss: exit code 7, and nothing is changed."""
    monitor = daemon(CASE)
    diary.write(now())
    monitor.start()
    monitor.until(lambda: diary.lines() == 1)
    monitor.stop()
    key = min((diary.state / "keys").glob("*-W*.key"))
    key.write_bytes(bytes(32))
    code, message = run("run", "--config", monitor.settings)
    assert code == 7
    assert "not the one this database was made with" in message
    assert key.read_bytes() == bytes(32)
