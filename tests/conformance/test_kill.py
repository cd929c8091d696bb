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
from conformance.zygote import Zygote

TRUNK = {
    "runtime/engine.py": (
        "Engine.tick", "Engine._read", "Engine.take", "Engine.settle", "Engine._count",
        "Engine.look_at_clock", "Engine.watermark", "Engine.commit", "Engine._close",
        "Engine.store_batch", "Engine._recover",
    ),
    "runtime/rolling_view.py": ("RollingView.show", "RollingView.record"),
    "runtime/timekeeper.py": ("Timekeeper.look", "Timekeeper.holds", "Timekeeper.follow"),
    "runtime/block_queue.py": ("Desk.rest",),
    "runtime/archive.py": ("Archive.commit",),
    "runtime/pipeline.py": (
        "Stream.read", "Stream.follow_clock", "Stream.covered", "Stream.committed",
        "Stream.roll_back", "Stream.progress",
    ),
    "runtime/window_closer.py": (
        "Closer.close", "Closer._close_hours", "Closer._close_weeks_at_leisure",
        "Closer._close_hour", "Week.count", "Closer._destroy", "Closer.destroy_doomed",
        "Closer.close_aside", "Closer._close_reckoned",
    ),
    "sources/follow.py": ("Follower.read", "Follower.committed", "Follower.roll_back"),
    "sources/generations.py": ("Generation.read", "Generation._advance", "Generation.roll_back"),
    "ingest/observe.py": ("Observer.observe",),
    "ingest/keyring.py": ("Keyring.destroy", "Keyring._remove", "_destroy"),
    "counting/ledger.py": ("Ledger.record", "Ledger.take"),
    "store/store.py": (
        "Store.checkpoint", "Store.due", "Store.segments",
        "Store.close_hour", "Store.close_week", "Store.show", "Store.seal",
        "Store.destroy_sealed", "Store.destroy_some", "Store._outlived", "Store._destroy",
    ),
    "store/connection.py": ("Connection.transaction", "Connection.truncate_log"),
    "store/reckoning.py": ("Reckoner.parts",),
    "store/windows.py": ("add", "close", "show"),
    "store/positions.py": ("write",),
    "store/segments.py": ("insert", "outlived", "remove", "burn_bridges"),
}  # fmt: skip
"""From reading a block to having it committed, and from closing a window to showing it."""
EXCUSED = (
    "raise failure from None",
    "raise Changed", "raise NotText", "return", "return None", "return False",
    "return True", "continue", "return building",
    # Of an archive that is damaged: what is before the damage is a block like any other.
    "buffer, damage = file.read_sound(start, mark.tail_length + room), error",
    "if damage is not None:", "raise damage",
    # While another program reads the database, which test_lifetimes.py has: a note of it.
    "with self.transaction() as db:", "if self.log_blocked:",
    'db.execute("delete from settings where name = ?", (LOG_BLOCKED,))',
    'db.execute("insert into settings values (?, \'1\')", (LOG_BLOCKED,))',
    'self.connection.execute("rollback")', "self.rolling.forget()",
    # In memory alone: the rolling windows are made anew from what is stored.
    "rolling.forget()",
    "self.coverage.miss(now)", "follower.lost = False",
    "self.coverage.miss((self.coverage.until or 0) + SECOND)",
)  # fmt: skip
"""Statements of the trunk after which nothing is committed, or that concern memory alone."""


class Runs:
    """The template, what an undisturbed run does and gives, and processes that die."""

    def __init__(self, directory: Path, zygote: Zygote) -> None:
        self._directory, self._zygote = directory, zygote
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
        found: dict[str, Any] = json.loads((place / failpoints.FIGURES).read_text())
        return found

    def _call(self, function: str, place: Path, **arguments: Any) -> int:
        errors = self._directory / "errors.txt"
        pid = self._zygote.call(
            f"conformance.failpoints:{function}", errors, directory=str(place), **arguments
        )
        while (code := self._zygote.poll(pid)) is None:
            time.sleep(0.002)
        return code


@pytest.fixture(scope="module")
def runs(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """One preparation for all failpoints, in memory where it can be: a power cut is K03's."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(prefix="failpoints-", dir=base) as directory:
        yield Runs(Path(directory), zygote)


def _reached(runs: Runs, module: str) -> list[tuple[str, str, int]]:
    """Every statement of a module that a run comes to: the run, its name, how often."""
    found, known = [], set()
    for fault, trace in runs.traces.items():
        for name, hits in trace.items():
            if name.startswith(f"{module}:") and name not in known:
                known.add(name)
                found.append((fault, name, hits))
    return found


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
    found = failpoints.functions(SOURCE / module)
    for function in TRUNK[module]:
        missed = [
            text[line - 1].strip()
            for line in sorted(found[function] - reached)
            if text[line - 1].strip() not in EXCUSED
        ]
        assert not missed, function
