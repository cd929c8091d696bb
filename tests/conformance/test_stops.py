"""Stops of every kind at moments of no one's choosing: signals, kills at random, power cuts."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance import failpoints
from conformance.failpoints import LAST, MONDAY, SOURCE
from conformance.fork_server import ForkServer
from conformance.readers import LEXICON, Daemon, Stepped, tally
from conformance.scripts import prepare
from conformance.site import Case, Site
from donkeywatch.counting.calendar import DAY, HOUR, iso_utc
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.live_writer import LiveWriter
from support.simulated_server import TOPICS, assert_calendar_equals, counters, outcomes, simulated

Make = Callable[[Case], Daemon]
KILLS = 25
CASES = [Case(wakeup="inotify"), Case(wakeup="polling")]


# -- K02: at random ---------------------------------------------------------------------


@pytest.mark.scenario("K02")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_again_and_again_under_load(daemon: Make, tmp_path: Path, case: Case) -> None:
    """The log rotates while the daemon is killed at random moments; the counts are the truth."""
    reader = daemon(case)
    log = tmp_path / "logs" / "search.log"
    log.parent.mkdir()
    log.touch()
    reader.start()
    rng, stop = random.Random(case.wakeup), threading.Event()
    writer = LiveWriter(LEXICON, log, 600, 16_000, 1_000, seed=3)
    thread = threading.Thread(target=writer.run, args=(stop, 0.02))
    thread.start()
    advanced, before = 0, 0
    try:
        for number in range(10 * KILLS):
            if number >= KILLS and advanced > KILLS // 4:
                break  # Where starts are slow, some more kills find it at work.
            time.sleep(rng.uniform(0.0, 0.4))
            reader.kill()
            advanced += tally(reader.state).total > before
            before = tally(reader.state).total
            reader.start() if number % 2 else reader.launch()
    finally:
        stop.set()
        thread.join()
    reader.kill()  # A life that was only launched may not know SIGTERM yet.
    reader.start()
    truth = writer.truth
    expected = {name: n for name, n in truth.lines.items() if n}
    reader.until(lambda: sum(outcomes(reader.state).values()) >= truth.lines.total())
    reader.stop()
    assert outcomes(reader.state) == expected
    result = counters(reader.state)
    assert not result.get("lost_bytes")
    assert not result.get("invariant_violations")
    message = truth.window(0, 1 << 50)
    with sqlite3.connect(reader.state / "donkeywatch.db") as db:
        sums = dict(
            db.execute("select kind, sum(queries) from windows where kind in ('hour', 'week')"
                       " group by kind").fetchall()
        )  # fmt: skip
        flagged = dict(db.execute(
            "select subject, sum(value) from counters where name = 'flagged' group by subject"
        ).fetchall())  # fmt: skip
    db.close()
    assert sums == {"hour": message["queries"], "week": message["queries"]}
    assert flagged == {
        name: topic["queries"] for name, topic in message["topics"].items() if topic["queries"]
    }
    assert len(list(log.parent.glob("search.log.*"))) > 3, "the log must have been rotated"
    assert advanced > KILLS // 4, "the daemon must have been killed at work"


# -- K03: power cuts --------------------------------------------------------------------


@pytest.mark.scenario("K03")
@pytest.mark.parametrize("seed", range(3))
def test_power_cuts(tmp_path: Path, seed: int) -> None:
    """The last pages of the write-ahead log never reached the disk, or reached it as noise.

    A commit may be gone whole; counts and position go together, so the log is read again.
    """
    rng = random.Random(seed)
    case = Case()
    (tmp_path / "work").mkdir()
    reader = Stepped(tmp_path / "work", case)
    site = Site(tmp_path / "work", reader, case)
    prepare(site)
    assert reader.engine is not None
    connection = reader.engine.store.connection
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    # What is in the log alone is what a power cut can take.
    connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    connection.execute("pragma wal_autocheckpoint = 0").fetchall()
    images = []
    for number in range(12):
        site.write(rng.randrange(1, 30))
        if number % 4 == 3:
            site.rename()
            site.reopen()
        reader.tick()
        image = tmp_path / f"image{number}"
        shutil.copytree(tmp_path / "work", image)
        images.append(image)
    written = site.written
    reader.stop()
    for image in images:
        shutil.rmtree(image / "logs")
        shutil.copytree(site.directory, image / "logs")
        wal = image / "state" / "donkeywatch.db-wal"
        (image / "state" / "donkeywatch.db-shm").unlink(missing_ok=True)
        size = wal.stat().st_size
        cut = rng.randrange(size)
        with wal.open("r+b") as file:
            if rng.random() < 0.5:
                file.truncate(cut)
            else:
                file.seek(cut)
                file.write(rng.randbytes(size - cut))
        again = Stepped(image, case)
        again.now = reader.now
        again.start()
        again.look(written)
        again.stop()
        counted = again.tally()
        assert (counted.total, counted.distinct) == (written, written)


# -- K04: asked to stop -----------------------------------------------------------------


@pytest.mark.scenario("K04")
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_in_the_middle_of_a_batch(
    daemon: Make, tmp_path: Path, case: Case, number: signal.Signals
) -> None:
    """Exit code 0 within five seconds, and the next life counts the rest once."""
    reader = daemon(case)
    site = Site(tmp_path, reader, case)
    site.write(25_000)
    reader.launch()
    reader.until(lambda: tally(reader.state).total > 0 or "listening" in reader.log_text())
    reader.signal(number)
    assert reader.wait(5) == 0, reader.log_text()
    assert "all that was read is stored" in reader.log_text()
    reader.start()
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("K04")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_backfill_ended_and_repeated(
    tmp_path: Path, fork_server: ForkServer, number: signal.Signals
) -> None:
    """Ended at three moments, then let to its end: every figure is the truth."""
    sim = Simulation(
        start=datetime(2026, 9, 28, tzinfo=UTC), hours=72, queries=40_000, addresses=2_000
    )
    server = simulated(tmp_path, sim, files=3)
    with server.settings.open("a") as settings:
        settings.write("\n[checkpoint]\nbytes = 1048576\n")
    argv = ["backfill", "-c", str(server.settings), *map(str, server.archive)]
    ended = 0
    for pause in (0.15, 0.3, 0.6, 120):
        pid = fork_server.fork(argv, tmp_path / "errors.txt")
        end = time.monotonic() + pause
        while (code := fork_server.poll(pid)) is None and time.monotonic() < end:
            time.sleep(0.01)
        if code is None:
            os.kill(pid, number)
            while fork_server.poll(pid) is None:
                time.sleep(0.01)
            ended += 1
    assert ended, "it must have been ended at work"
    assert code == 0, (tmp_path / "errors.txt").read_text()
    assert "Traceback" not in (tmp_path / "errors.txt").read_text()
    assert_calendar_equals(server.state, server.truth)


# -- K05: between closing and publishing ------------------------------------------------


def statement(module: str, text: str) -> str:
    """The failpoint of the first statement that begins with a text."""
    lines = (SOURCE / module).read_text().splitlines()
    result = next(n for n, line in enumerate(lines, 1) if line.strip().startswith(text))
    return f"{module}:{result}"


@pytest.mark.scenario("K05")
@pytest.mark.parametrize(
    ("module", "text", "hit"),
    [
        ("runtime/rolling_view.py", "if not caught_up", 2),
        ("store/window_tables.py", "for kind, (start, end, figures) in rolling", 2),
        ("runtime/window_closer.py", "queries = self._store.queries(\"week\"", 2),
        ("runtime/data_destroyer.py", "self._destroy_expired_keys(sure)", 2),
        ("runtime/data_destroyer.py", "self._keys.destroy_before(ended)", 1),
    ],
)  # fmt: skip
def test_a_window_is_published_once(
    tmp_path: Path, fork_server: ForkServer, module: str, text: str, hit: int
) -> None:
    """Closed and not shown, or not closed whole: after the restart each window is there once."""
    template = tmp_path / "place"
    template.mkdir()
    failpoints.prepare(template)
    pid = fork_server.call(
        "conformance.failpoints:work", tmp_path / "errors.txt",
        directory=str(template), fault="none", die_at=statement(module, text), hit=hit,
    )  # fmt: skip
    while (code := fork_server.poll(pid)) is None:
        time.sleep(0.005)
    assert code == -signal.SIGKILL
    failpoints.go_on(str(template), "none")
    with Snapshots(template / "state", TOPICS).open() as snapshot:
        hours = list(snapshot.windows_between("hour", MONDAY - DAY, LAST, 100))
        weeks = list(snapshot.windows_between("week", MONDAY - 7 * DAY, MONDAY, 100))
        shown = snapshot.current()
    assert [iso_utc(hour.start) for hour in hours if hour.closed] == [
        iso_utc(MONDAY - n * HOUR) for n in (4, 3, 2, 1)
    ]
    assert [week.closed for week in weeks] == [True]
    assert weeks[0].queries == sum(hour.queries for hour in hours if hour.start < MONDAY)
    assert [view.kind for view in shown] == ["1h", "24h", "7d", "hour", "week"]
