"""Blocks that other processes read come back in order, and as this process would have read them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from donkeywatch.counting.calendar import MINUTE
from donkeywatch.counting.window_aggregates import RowColumns, Window, aggregate
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line_format import LineFormat
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.layouts import columnar_format
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader, QueryColumns
from donkeywatch.ingest.timestamps import TimestampParser
from donkeywatch.runtime.worker_processes import (
    SLOT_BYTES,
    SLOTS_PER_WORKER,
    WorkerDied,
    WorkerPool,
)
from donkeywatch.settings.schema import Source, Syntax
from donkeywatch.sources.line_blocks import ARCHIVE_READ_BYTES

TOPIC = {"groups": {"words": ["zqorv"]}, "categories": [{"id": "words", "all": ["words"]}]}
DETECTOR = Detector(Lexicon.model_validate({"topics": {"one": TOPIC}}))
READER = LineReader(
    Tsv(), TimestampParser(ZoneInfo("Europe/Paris")), "plain", "cp1252", 999, DETECTOR
)
FOLD = "2026-10-25T02:30:00.000"
"""A stamp without a zone that comes twice in Paris."""


def same(first: object, other: object) -> bool:
    """Every column and the tally equal."""
    assert isinstance(first, QueryColumns)
    assert isinstance(other, QueryColumns)
    *columns, tally = astuple(first)
    *others, message = astuple(other)
    return tally == message and all(map(np.array_equal, columns, others))


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """Two processes."""
    made = WorkerPool([BlockReader(READER), BlockReader(READER)], 2)
    yield made
    made.shutdown()


def blocks(count: int) -> list[bytes]:
    """Blocks of different length, some with lines that are no search, some with folds."""
    stamps = ("2026-11-23T10:44:36.285Z", FOLD)
    return [
        b"".join(
            f"{stamps[n % 2]}\t192.0.2.{i % 250}\tzqorv {n} {i}\n".encode() for i in range(20 * n)
        )
        + b"banner\n" * n
        for n in range(count)
    ]


def test_results_come_in_order(pool: WorkerPool) -> None:
    """As many blocks in flight as there is room for."""
    reader, waiting, items = BlockReader(READER), blocks(23), []
    for i, block in enumerate(waiting):
        if pool.full:
            items.append(pool.next_result())
        pool.submit_block(i % 2, block)
    while len(items) < len(waiting):
        items.append(pool.next_result())
    assert all(map(same, items, map(reader.read, waiting)))


def test_rows_are_aggregated_between_the_blocks(pool: WorkerPool) -> None:
    """Several windows of some rows, in turn with blocks that are read."""
    rng = np.random.default_rng(1)
    columns = RowColumns(
        rng.integers(0, 9, 500, np.uint64),
        rng.integers(0, 3, 500).astype(np.uint16),
        rng.integers(1, 5, 500).astype(np.uint32),
        rng.integers(0, 2, (3, 500)).astype(np.uint32),
        rng.integers(0, 9, 500).astype(np.int32),
    )
    spans = [Window(0, 9 * MINUTE), Window(3 * MINUTE, 5 * MINUTE, with_breakdowns=False)]
    block = blocks(3)[2]
    assert pool.fits(columns)
    for _ in range(3):
        pool.submit_aggregation(columns, spans)
        pool.submit_block(0, block)
        assert pool.next_result() == aggregate(columns, spans)
        assert same(pool.next_result(), BlockReader(READER).read(block))


def test_what_is_spared_is_not_done() -> None:
    """Unless it was begun; what takes its place later is done again."""
    pool = WorkerPool([BlockReader(READER)], 1)
    waiting, reader = blocks(3), BlockReader(READER)
    os.kill(pool._workers[0].pid, signal.SIGSTOP)
    numbers = [pool.submit_block(0, block) for block in waiting]
    pool.cancel(numbers[1])
    assert not pool.ready
    os.kill(pool._workers[0].pid, signal.SIGCONT)
    items = [pool.next_result() for _ in waiting]
    assert items[1] is None
    assert same(items[0], reader.read(waiting[0]))
    assert same(items[2], reader.read(waiting[2]))
    for _ in range(SLOTS_PER_WORKER):
        pool.submit_block(0, waiting[2])
        assert same(pool.next_result(), items[2])
    pool.shutdown()


def test_a_process_that_is_killed_is_noticed(pool: WorkerPool) -> None:
    """Nothing is taken for a result that is none."""
    for worker in pool._workers:
        os.kill(worker.pid, signal.SIGKILL)

    def ask() -> None:
        pool.submit_block(0, blocks(2)[1])
        pool.next_result()

    with pytest.raises(WorkerDied):
        ask()


@pytest.mark.parametrize("signals", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_for_the_daemon_do_not_end_the_workers(
    signals: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C and a service manager's SIGTERM go to all processes, new ones too."""
    fork = os.fork

    def fork_and_signal() -> int:
        pid = fork()
        if pid == 0:
            os.kill(os.getpid(), signals)  # Before the first step of the worker.
        return pid

    monkeypatch.setattr(os, "fork", fork_and_signal)
    pool = WorkerPool([BlockReader(READER)], 1)
    os.kill(pool._workers[0].pid, signals)
    block = blocks(3)[2]
    pool.submit_block(0, block)
    assert same(pool.next_result(), BlockReader(READER).read(block))
    pool.shutdown()


def test_a_block_without_room_is_refused(pool: WorkerPool) -> None:
    """It has to be read in this process."""
    with pytest.raises(WorkerDied):
        pool.submit_block(0, b"x" * (SLOT_BYTES + 1))


def test_the_largest_block_that_is_ever_read_has_room() -> None:
    """A block without room would be read in this process, and all that follow it."""
    formats: list[tuple[LineFormat, Syntax]] = [
        (Tsv(), "plain"), (Jsonl({}), "plain"), (EnodeGo(), "enode-go")
    ]  # fmt: skip
    kinds = [columnar_format(form, syntax) for form, syntax in formats]
    longest = max(kind.relative_line_length for kind in kinds if kind is not None)
    assert None not in kinds
    limit = Source.model_json_schema()["properties"]["max_line"]["maximum"]
    assert max(ARCHIVE_READ_BYTES * longest, 2 * limit) <= SLOT_BYTES


def test_a_process_holds_no_file_of_this_one(pool: WorkerPool, tmp_path: Path) -> None:
    """A lock that this process holds must not outlive it."""
    with (tmp_path / "held").open("w"):
        other = WorkerPool([BlockReader(READER)], 1)
        block = blocks(2)[1]
        other.submit_block(0, block)
        other.next_result()
        held = Path(f"/proc/{other._workers[0].pid}/fd")
        names = [str(entry.readlink()) for entry in held.iterdir()]
        assert not any(name.endswith("held") for name in names)
        other.shutdown()


def test_dismissing_ends_the_processes() -> None:
    """And waits for them."""
    made = WorkerPool([BlockReader(READER)], 2)
    pids = [worker.pid for worker in made._workers]
    made.shutdown()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
