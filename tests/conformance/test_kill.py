"""SIGKILL, SIGTERM and power cuts, wherever they hurt most."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import failpoints
from conformance.failpoints import FAULTS, SOURCE
from conformance.fork_server import ForkServer

TRUNK = {
    "runtime/engine.py": (
        "Engine.tick", "Engine._read", "Engine.ingest_block", "Engine.drain", "Engine._record",
        "Engine.look_at_clock", "Engine.watermark", "Engine.commit", "Engine._perform_due_work",
        "Engine.commit_batch", "Engine._recover",
    ),
    "runtime/due_work.py": ("DueWork.on_commit", "DueWork.perform"),
    "runtime/rolling_view.py": ("RollingView.show", "RollingView.record"),
    "runtime/clock_gate.py": (
        "ClockGate.look", "ClockGate.has_to_wait", "ClockGate.advance_coverage",
    ),
    "runtime/ordered_work_queue.py": ("BlockQueue.drain",),
    "runtime/backfill_session.py": ("BackfillSession.commit",),
    "runtime/followed_source.py": (
        "FollowedSource.cover_event_times", "FollowedSource.advance_coverage",
        "FollowedSource.take_coverage", "FollowedSource.committed",
        "FollowedSource.roll_back", "FollowedSource.progress",
    ),
    "runtime/window_closer.py": (
        "WindowCloser.close", "WindowCloser.close_hours", "WindowCloser.note_closed",
        "WindowCloser._close_weeks_incrementally",
        "WindowCloser.close_hour", "_WeekInProgress.advance",
    ),
    "runtime/archive_closer.py": (
        "ArchiveCloser.close_hours", "ArchiveCloser._close_finished_hours",
    ),
    "runtime/data_destroyer.py": (
        "DataDestroyer.destroy", "DataDestroyer._destroy_expired_keys",
        "DataDestroyer.delete_sealed_rows", "DataDestroyer.delete_some_sealed_rows",
        "DataDestroyer.truncate_log",
    ),
    "sources/follower.py": ("Follower.read", "Follower.committed", "Follower.roll_back"),
    "sources/generation.py": ("Generation.roll_back",),
    "sources/generation_reader.py": ("read_lines", "_check_head", "_check_tail", "_advance"),
    "ingest/pseudonymiser.py": ("Pseudonymiser.pseudonymise",),
    "ingest/keyring.py": (
        "Keyring.destroy_before", "Keyring._remove", "_destroy",
        "_overwrite_and_remove",
    ),
    "counting/checkpoint_batch.py": ("BatchBuilder.record", "BatchBuilder.take_batch"),
    "store/store.py": (
        "Store.checkpoint", "Store.windows_due", "Store.segments",
        "Store.close_hour", "Store.close_week", "Store.replace_rolling",
        "Store.record_key_destruction",
        "Store.delete_sealed", "Store.delete_some_sealed", "Store._expired_hours", "Store._destroy",
    ),
    "store/writer_connection.py": ("Connection.transaction", "Connection.truncate_log"),
    "store/file_erasure.py": ("overwrite",),
    "store/covered_times.py": ("forget", "_insert"),
    "store/segment_aggregation.py": ("Aggregator.partial_aggregates",),
    "store/window_tables.py": ("add", "close", "replace_rolling"),
    "store/positions.py": ("write",),
    "store/segments.py": ("insert", "expired_hours", "delete", "delete_previous_pseudonyms"),
}  # fmt: skip
"""From reading a block to having it committed, and from closing a window to showing it."""
EXCUSED = (
    "raise failure from None",
    "raise ContentChangedError", "raise NotText", "return", "return None", "return False",
    "return True", "continue", "return building",
    # Of an archive that is damaged: what is before the damage is a block like any other.
    "buffer, damage = file.read_sound(start, mark.tail_length + read_bytes), error",
    "if damage is not None:", "raise damage",
    # While another program reads the database, which test_lifetimes.py has: a note of it.
    "with self.transaction() as db:", "if self.log_blocked:",
    'db.execute("delete from settings where name = ?", (LOG_BLOCKED,))',
    'db.execute("insert into settings values (?, \'1\')", (LOG_BLOCKED,))',
    'self.connection.execute("rollback")', "self.rolling.reset()",
    # In memory alone: the rolling windows are made anew from what is stored.
    "rolling.reset()",
    "self.coverage.skip_until(now)", "follower.bytes_lost = False",
    "self._week_in_progress = None  # It was begun by a clock that was ahead.",
    "self.coverage.skip_until((self.coverage.decided_until or 0) + SECOND)",
)  # fmt: skip
"""Statements of the trunk after which nothing is committed, or that concern memory alone."""


class Runs:
    """The template, what an undisturbed run does and gives, and processes that die."""

    def __init__(self, directory: Path, fork_server: ForkServer) -> None:
        self._directory, self._fork_server = directory, fork_server
        self._template = directory / "template"
        self._template.mkdir()
        failpoints.prepare(self._template)
        self._number = 0
        self.traces: dict[str, dict[str, int]] = {}
        self.expected: dict[str, dict[str, Any]] = {}
        for fault in FAULTS:
            place, code = self.work(fault, None)
            assert code == 0, (directory / "errors.txt").read_text()
            self.traces[fault] = json.loads((place / "trace.json").read_text())
            self.expected[fault] = self.go_on(place, fault)

    def work(self, fault: str, die_at: str | None, hit: int = 1) -> tuple[Path, int]:
        """One process on a fresh copy; the place, and the exit code."""
        self._number += 1
        place = failpoints.copy(self._template, self._directory / str(self._number))
        return place, self._call("work", place, fault=fault, die_at=die_at, hit=hit)

    def go_on(self, place: Path, fault: str) -> dict[str, Any]:
        """The figures after another process went on."""
        code = self._call("go_on", place, fault=fault)
        assert code == 0, (self._directory / "errors.txt").read_text()
        document: dict[str, Any] = json.loads((place / failpoints.FIGURES).read_text())
        return document

    def _call(self, function: str, place: Path, **arguments: Any) -> int:
        errors = self._directory / "errors.txt"
        pid = self._fork_server.call(
            f"conformance.failpoints:{function}", errors, directory=str(place), **arguments
        )
        while (code := self._fork_server.poll(pid)) is None:
            time.sleep(0.002)
        return code


@pytest.fixture(scope="module")
def runs(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """One preparation for all failpoints, in memory where it can be: a power cut is K03's."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(prefix="failpoints-", dir=base) as directory:
        yield Runs(Path(directory), fork_server)


def _reached(runs: Runs, module: str) -> list[tuple[str, str, int]]:
    """Every statement of a module that a run comes to: the run, its name, how often."""
    items, known = [], set()
    for fault, trace in runs.traces.items():
        for name, hits in trace.items():
            if name.startswith(f"{module}:") and name not in known:
                known.add(name)
                items.append((fault, name, hits))
    return items


MODULES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


@pytest.mark.scenario("K01")
@pytest.mark.parametrize("module", MODULES)
def test_killed_at_every_statement(runs: Runs, module: str) -> None:
    """A restart gives the same figures; on the trunk, also for the middle and the last time."""
    for fault, name, hits in _reached(runs, module):
        for hit in sorted({1, hits // 2 + 1, hits} if module in TRUNK else {1}):
            place, code = runs.work(fault, name, hit)
            assert code == -9, f"{name} was not reached again"
            assert runs.go_on(place, fault) == runs.expected[fault], f"{name}, hit {hit}"
            shutil.rmtree(place)


@pytest.mark.scenario("K01")
@pytest.mark.parametrize("module", TRUNK)
def test_no_statement_of_the_trunk_is_left_out(runs: Runs, module: str) -> None:
    """Each one between reading and showing is reached by a run, or excused by name."""
    reached = {int(name.rpartition(":")[2]) for _, name, _ in _reached(runs, module)}
    text = (SOURCE / module).read_text().splitlines()
    result = failpoints.functions(SOURCE / module)
    for function in TRUNK[module]:
        missed = [
            text[line - 1].strip()
            for line in sorted(result[function] - reached)
            if text[line - 1].strip() not in EXCUSED
        ]
        assert not missed, function
