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

from donkeywatch.counting.figures import Columns, Span, figures_of
from donkeywatch.counting.windows import MINUTE
from donkeywatch.ingest.blocks import BlockReader
from donkeywatch.ingest.clock import Clock
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line import Format
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.layouts import columns_of
from donkeywatch.ingest.lexicon import Lexicon
from donkeywatch.ingest.sightings import LineReader, Sightings
from donkeywatch.runtime.worker_processes import ROOM, SLOTS, Crew, Gone
from donkeywatch.settings.schema import Source, Syntax
from donkeywatch.sources.block import LARGE

TOPIC = {"groups": {"words": ["zqorv"]}, "categories": [{"id": "words", "all": ["words"]}]}
DETECTOR = Detector(Lexicon.model_validate({"topics": {"one": TOPIC}}))
READER = LineReader(Tsv(), Clock(ZoneInfo("Europe/Paris")), "plain", "cp1252", 999, DETECTOR)
FOLD = "2026-10-25T02:30:00.000"
"""A stamp without a zone that comes twice in Paris."""


def same(one: object, other: object) -> bool:
    """Every column and the tally equal."""
    assert isinstance(one, Sightings)
    assert isinstance(other, Sightings)
    *columns, tally = astuple(one)
    *others, told = astuple(other)
    return tally == told and all(map(np.array_equal, columns, others))


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Two processes."""
    made = Crew([BlockReader(READER), BlockReader(READER)], 2)
    yield made
    made.dismiss()


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


def test_results_come_in_order(crew: Crew) -> None:
    """As many blocks in flight as there is room for."""
    reader, waiting, found = BlockReader(READER), blocks(23), []
    for i, block in enumerate(waiting):
        if crew.full:
            found.append(crew.get())
        crew.put(i % 2, block)
    while len(found) < len(waiting):
        found.append(crew.get())
    assert all(map(same, found, map(reader.block, waiting)))


def test_rows_are_reckoned_between_the_blocks(crew: Crew) -> None:
    """Several windows of some rows, in turn with blocks that are read."""
    rng = np.random.default_rng(1)
    columns = Columns(
        rng.integers(0, 9, 500, np.uint64),
        rng.integers(0, 3, 500).astype(np.uint16),
        rng.integers(1, 5, 500).astype(np.uint32),
        rng.integers(0, 2, (3, 500)).astype(np.uint32),
        rng.integers(0, 9, 500).astype(np.int32),
    )
    spans = [Span(0, 9 * MINUTE), Span(3 * MINUTE, 5 * MINUTE, whole=False)]
    block = blocks(3)[2]
    assert crew.fits(columns)
    for _ in range(3):
        crew.ask(columns, spans)
        crew.put(0, block)
        assert crew.get() == figures_of(columns, spans)
        assert same(crew.get(), BlockReader(READER).block(block))


def test_what_is_spared_is_not_done() -> None:
    """Unless it was begun; what takes its place later is done again."""
    crew = Crew([BlockReader(READER)], 1)
    waiting, reader = blocks(3), BlockReader(READER)
    os.kill(crew._workers[0].pid, signal.SIGSTOP)
    numbers = [crew.put(0, block) for block in waiting]
    crew.spare(numbers[1])
    assert not crew.ready
    os.kill(crew._workers[0].pid, signal.SIGCONT)
    found = [crew.get() for _ in waiting]
    assert found[1] is None
    assert same(found[0], reader.block(waiting[0]))
    assert same(found[2], reader.block(waiting[2]))
    for _ in range(SLOTS):
        crew.put(0, waiting[2])
        assert same(crew.get(), found[2])
    crew.dismiss()


def test_a_process_that_is_killed_is_noticed(crew: Crew) -> None:
    """Nothing is taken for a result that is none."""
    for worker in crew._workers:
        os.kill(worker.pid, signal.SIGKILL)

    def ask() -> None:
        crew.put(0, blocks(2)[1])
        crew.get()

    with pytest.raises(Gone):
        ask()


def test_signals_for_the_daemon_do_not_end_the_crew(crew: Crew) -> None:
    """Ctrl-C and a service manager's SIGTERM go to all processes: the daemon ends its crew."""
    for worker in crew._workers:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker.pid, number)
    block = blocks(3)[2]
    crew.put(0, block)
    assert same(crew.get(), BlockReader(READER).block(block))


def test_a_block_without_room_is_refused(crew: Crew) -> None:
    """It has to be read in this process."""
    with pytest.raises(Gone):
        crew.put(0, b"x" * (ROOM + 1))


def test_the_largest_block_that_is_ever_read_has_room() -> None:
    """A block without room would be read in this process, and all that follow it."""
    formats: list[tuple[Format, Syntax]] = [
        (Tsv(), "plain"), (Jsonl({}), "plain"), (EnodeGo(), "enode-go")
    ]  # fmt: skip
    kinds = [columns_of(form, syntax) for form, syntax in formats]
    longest = max(kind.length for kind in kinds if kind is not None)
    assert None not in kinds
    limit = Source.model_json_schema()["properties"]["max_line"]["maximum"]
    assert max(LARGE * longest, 2 * limit) <= ROOM


def test_a_process_holds_no_file_of_this_one(crew: Crew, tmp_path: Path) -> None:
    """A lock that this process holds must not outlive it."""
    with (tmp_path / "held").open("w"):
        other = Crew([BlockReader(READER)], 1)
        block = blocks(2)[1]
        other.put(0, block)
        other.get()
        held = Path(f"/proc/{other._workers[0].pid}/fd")
        names = [str(entry.readlink()) for entry in held.iterdir()]
        assert not any(name.endswith("held") for name in names)
        other.dismiss()


def test_dismissing_ends_the_processes() -> None:
    """And waits for them."""
    made = Crew([BlockReader(READER)], 2)
    pids = [worker.pid for worker in made._workers]
    made.dismiss()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
