"""A backfill that is read by several processes counts what one process would have counted."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import MINUTE, SECOND, WEEK, to_ms
from donkeywatch.counting.window_aggregates import RowColumns, Window, WindowAggregate, aggregate
from donkeywatch.errors import DatabaseUnavailableError, SourceError
from donkeywatch.runtime import window_closer
from donkeywatch.runtime.backfill import Progress, backfill
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.ordered_work_queue import MAX_LOCAL_BLOCKS
from donkeywatch.runtime.worker_processes import SLOTS_PER_WORKER
from donkeywatch.settings.schema import Ingest
from donkeywatch.simulation.generator import Simulation
from donkeywatch.sources.log_file import PlainFile
from donkeywatch.store import partitioned_reads, segments
from support.log_writer import LogWriter
from support.simulated_server import (
    NOW,
    START,
    Simulated,
    assert_calendar_equals,
    assert_rolling_equals,
    engine,
    simulated,
)

STEP = 100_000


@pytest.fixture(params=["tsv", "enode-go"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Simulated:
    """Nine days in many small blocks."""
    monkeypatch.setattr("donkeywatch.runtime.backfill.ARCHIVE_READ_BYTES", 4096)
    sim = Simulation(
        seed=3, start=START, hours=9 * 24, queries=20_000, addresses=5_000, format=request.param
    )
    return in_small_blocks(simulated(tmp_path, sim))


def in_small_blocks(made: Simulated) -> Simulated:
    """Blocks hold two of the longest lines."""
    text = made.settings.read_text("utf-8")
    assert text.count("[[source]]") == 1
    made.settings.write_text(text.replace("[[source]]", "[[source]]\nmax_line = 2000"), "utf-8")
    return made


def enlisted(opened: Engine, processes: int = 3) -> list[int]:
    """Process ids of the pool."""
    opened.settings = opened.settings.model_copy(update={"ingest": Ingest(workers=processes)})
    opened.start_workers()
    pool = opened._block_queue._pool
    assert pool is not None
    return [worker.pid for worker in pool._workers]


def dump(state: Path) -> list[tuple[object, ...]]:
    """All figures of all windows."""
    db = sqlite3.connect(state / "donkeywatch.db")
    items = [
        row
        for table in ("windows", "window_topics", "window_categories", "window_countries",
        "window_country_topics", "counters")
        for row in db.execute(f"select * from {table} order by 1, 2, 3, 4")
    ]  # fmt: skip
    db.close()
    return items


def test_figures_are_those_of_one_process(server: Simulated, tmp_path: Path) -> None:
    """Every table equal, and equal to the truth; committed while others read."""
    with engine(server.settings) as opened:
        enlisted(opened)
        backfill(opened, server.archive, None, lambda: NOW, commit_every_bytes=STEP)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)
    many = dump(server.state)
    server.state.rename(tmp_path / "many")
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW, commit_every_bytes=STEP)
    assert dump(server.state) == many


def test_what_the_others_have_no_room_for_is_done_here(server: Simulated) -> None:
    """Some blocks and any figures, while the other process is held up; all come out in order."""
    with engine(server.settings) as opened:
        (pid,) = enlisted(opened, 2)
        queue, stream = opened._block_queue, opened.streams[0]
        stream.follower.open_archive(server.archive[0], 0)
        stream.follower.read_bytes = 4096
        os.kill(pid, signal.SIGSTOP)
        try:
            blocks = []
            for number in range(SLOTS_PER_WORKER + MAX_LOCAL_BLOCKS):
                block = stream.follower.read(0)
                assert block is not None
                blocks.append(block)
                assert list(queue.submit(stream, block)) == []
                assert queue._locally_parsed == max(0, number + 1 - SLOTS_PER_WORKER)
        finally:
            os.kill(pid, signal.SIGCONT)
        done = list(queue.drain())
        assert [block for _, block, _, _ in done] == blocks
        for _, block, _, observed in done:
            assert observed.time.tolist() == stream.reader.read(block.data).time.tolist()
        os.kill(pid, signal.SIGSTOP)
        try:
            columns = RowColumns(
                np.ones(3, np.uint64),
                np.ones(3, np.uint16),
                np.ones(3, np.uint8),
                np.ones((2, 3), np.uint8),
            )
            result: list[list[WindowAggregate]] = []
            for _ in range(SLOTS_PER_WORKER + 3):
                queue.submit_aggregation(columns, [Window(0, MINUTE)], result.append)
            assert len(result) == 3
        finally:
            os.kill(pid, signal.SIGCONT)
        assert list(queue.drain()) == []
        assert result == [aggregate(columns, [Window(0, MINUTE)])] * (SLOTS_PER_WORKER + 3)


def test_processes_that_are_killed_change_nothing(server: Simulated) -> None:
    """What they were reading is read again, once."""
    observed = 0
    with engine(server.settings) as opened:
        pids = enlisted(opened)

        def kill(_now: Progress) -> None:
            nonlocal observed
            observed += 1
            if observed == 20:
                os.kill(pids[1], signal.SIGKILL)

        backfill(opened, server.archive, None, lambda: NOW, kill, commit_every_bytes=STEP)
    assert observed > 20
    assert_calendar_equals(server.state, server.truth)


def test_an_interruption_while_others_read(server: Simulated) -> None:
    """Ctrl-C at any block: the next run goes on behind what was counted."""
    for stop in (3, 11, 30):
        observed = 0

        def interrupt(_now: Progress) -> None:
            nonlocal observed
            observed += 1
            if observed == stop:  # noqa: B023 - used in this round alone
                raise KeyboardInterrupt

        with engine(server.settings) as opened:
            enlisted(opened)
            with pytest.raises(KeyboardInterrupt):
                backfill(
                    opened, server.archive, None, lambda: NOW, interrupt, commit_every_bytes=9_000
                )
    with engine(server.settings) as opened:
        enlisted(opened, 2)
        backfill(opened, server.archive, None, lambda: NOW)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


def test_a_terminal_that_goes_is_not_the_database(server: Simulated) -> None:
    """Who reports the progress may fail: it comes out as it is, and what was counted stays."""

    def gone(_now: Progress) -> None:
        raise BrokenPipeError

    with engine(server.settings) as opened, pytest.raises(BrokenPipeError):
        backfill(opened, server.archive, None, lambda: NOW, gone, commit_every_bytes=1)
    with engine(server.settings) as opened:
        assert opened.status().last_commit_ok
        backfill(opened, server.archive, None, lambda: NOW)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


def test_a_database_that_cannot_be_written_is_named(
    server: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do; the next run goes on behind what was stored."""

    def full(*_given: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with engine(server.settings) as opened:
        monkeypatch.setattr(opened.store, "checkpoint", full)
        with pytest.raises(DatabaseUnavailableError, match="disk is full"):
            backfill(opened, server.archive, None, lambda: NOW)
    monkeypatch.undo()
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
    assert_calendar_equals(server.state, server.truth)


@pytest.mark.parametrize("end", [0, 1, 50_000])
def test_an_archive_on_a_failing_disk_is_named(
    server: Simulated, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    """At the first look, and while it is counted; the next run goes on there."""
    real = PlainFile.read

    def failing(file: PlainFile, offset: int, length: int) -> bytes:
        if offset >= end:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, offset, length)

    monkeypatch.setattr("donkeywatch.runtime.backfill.ARCHIVE_READ_BYTES", 10_000)
    monkeypatch.setattr(PlainFile, "read", failing)
    with engine(server.settings) as opened, pytest.raises(SourceError, match="Input/output error"):
        backfill(opened, server.archive, None, lambda: NOW)
    monkeypatch.undo()
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
    assert_calendar_equals(server.state, server.truth)


def test_an_empty_archive_is_told_from_one_that_was_counted(server: Simulated) -> None:
    """Packed or not, before and after the others."""
    filled = server.archive
    empty = filled[0].with_name("search-00.log.gz")
    empty.write_bytes(gzip.compress(b""))
    plain = filled[0].with_name("search-99.log")
    plain.touch()
    for again in (False, True):
        with engine(server.settings) as opened:
            lines = backfill(opened, [empty, *filled, plain], None, lambda: NOW)
        assert (lines[empty], lines[plain]) == (None, None)
        assert all((lines[path] == Counter()) is again for path in filled)


def test_a_week_is_counted_before_its_rows_are_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long week, and a gap of weeks behind it that outlives its key at once."""
    monkeypatch.setattr(window_closer, "WEEK_SLICE_ROWS", 100)
    monkeypatch.setattr(partitioned_reads, "PARTITION_ABOVE_ROWS", 200)
    for pool in (False, True):
        place = tmp_path / str(pool)
        place.mkdir()
        sim = Simulation(seed=4, start=START, hours=6 * 24, queries=3_000, addresses=900)
        made = simulated(place, sim)
        late = place / "late.log"
        for i in range(500):
            time, address = to_ms(START) + 5 * WEEK + i * SECOND, f"192.0.2.{i % 200}"
            LogWriter(late).log_search(time, address, "late words")
        with engine(made.settings) as opened:
            if pool:
                enlisted(opened, 2)
            backfill(
                opened,
                [*made.archive, late],
                None,
                lambda: NOW + 10 * WEEK,
                commit_every_bytes=STEP,
            )
        with sqlite3.connect(made.state / "donkeywatch.db") as db:
            hours, weeks = (
                db.execute(
                    "select sum(queries) from windows where closed and kind = ?", (kind,)
                ).fetchone()[0]
                for kind in ("hour", "week")
            )
            wrong = db.execute("select 1 from counters where name = 'invariant_violations'")
            assert wrong.fetchall() == []
        db.close()
        assert hours == weeks > 3_000


def test_a_week_of_an_archive_is_destroyed_while_the_next_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some rows with each commit once their key is gone, and the last of them at the end."""
    monkeypatch.setattr("donkeywatch.runtime.backfill.ARCHIVE_READ_BYTES", 4096)
    monkeypatch.setattr(segments, "DELETE_BATCH_ROWS", 1)
    sim = Simulation(seed=6, start=START, hours=16 * 24, queries=8_000, addresses=900)
    made = in_small_blocks(simulated(tmp_path, sim))
    left: list[int] = []
    with engine(made.settings) as opened:
        db = opened.store.connection

        def look(_now: Progress | None) -> None:
            rows = db.execute(
                "select count(*) from segments"
                " where hour < (select max(week) + ? from weekly_keys where destroyed = 1)",
                (WEEK,),
            )
            left.append(rows.fetchone()[0])

        backfill(opened, made.archive, None, lambda: NOW, look, commit_every_bytes=4096)
        look(None)
    most = left.index(max(left))
    assert left[most] > 100
    assert left[most:] == sorted(left[most:], reverse=True)
    assert len(set(left[most:])) > 5
    assert left[-1] == 0
    assert_calendar_equals(made.state, made.truth)
