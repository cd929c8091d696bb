"""SIGKILL at any statement: a process that traces itself and dies where it is told to.

A failpoint is a statement of ours, named ``store/store.py:123``. Nothing in the program knows
of them: the process under test sets a trace function, so none can be forgotten.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import donkeywatch
from conformance.readers import write_settings
from conformance.site import Case
from donkeywatch.counting import rolling_windows
from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, SECOND, WEEK, floor_to
from donkeywatch.runtime import believed_time, window_closer
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.worker_processes import WorkerPool
from donkeywatch.settings import loader
from donkeywatch.sources import directory_listing
from donkeywatch.store import partitioned_reads, segments
from support.log_writer import LogWriter, search_line

SOURCE = Path(donkeywatch.__file__).parent
MONDAY = floor_to(1_780_000_000_000, WEEK) + WEEK
"""The week changes while the process under test is at work, ms UTC."""
FIGURES, YOUNG = "figures.json", "young"
LAST = MONDAY + 5 * MINUTE
"""When a process that was killed is started again."""


@cache
def statements(path: str) -> dict[int, int]:
    """The first line of the statement that a line belongs to; bodies are statements apart."""
    owner: dict[int, int] = {}
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            for line in range(node.lineno, max(end, node.lineno) + 1):
                owner[line] = max(node.lineno, owner.get(line, 0))
    return owner


def functions(path: Path) -> dict[str, set[int]]:
    """Statements of each function of a module, by its name, docstrings left out."""
    result: dict[str, set[int]] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                walk(child, f"{child.name}.")
            elif isinstance(child, ast.FunctionDef):
                result[prefix + child.name] = {
                    inner.lineno
                    for outer in child.body
                    for inner in ast.walk(outer)
                    if isinstance(inner, ast.stmt)
                    and not (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
                    and not isinstance(inner, ast.Global | ast.Nonlocal | ast.Try)
                }

    walk(ast.parse(path.read_bytes()), "")
    return result


def prepare(directory: Path) -> None:
    """A state with two counted hours, and a log that was rotated and written to since.

    Beside it a state with nothing but keys, as pseudonyms decide on what is done how often.
    """
    write_settings(directory, Case(), "[backup]\ninterval = 0\n")
    engine = Engine(loader.load(directory / "donkeywatch.toml", {}), MONDAY - 4 * HOUR)
    for weeks in range(-4, 3):
        engine._keys.key(MONDAY + weeks * WEEK)
    engine.close()
    (directory / "state").rename(directory / YOUNG)
    logs = directory / "logs"
    logs.mkdir()
    log = logs / "search.log"
    first = MONDAY - 4 * HOUR
    _write(log, first, 20)
    for now in (first + 10 * MINUTE, first + 70 * MINUTE):
        _work(directory, [now])
        _write(log, now, 10)
    # The last of these hours is committed in two parts, the second by the process under test.
    _work(directory, [first + 75 * MINUTE])
    _write(log, first + 80 * MINUTE, 12)
    log.rename(log.with_name("search.log.1"))
    _write(log, MONDAY - 2 * HOUR + 20 * MINUTE, 15)
    _write(log, MONDAY - 40 * MINUTE, 15)
    hours = ((3, 30), (3, 31), (3, 31), (3, 50), (2, 30), (2, 50), (1, 30), (1, 50))
    for number, (weeks, hour) in enumerate(hours):
        first = MONDAY - weeks * WEEK + hour * HOUR + number * MINUTE
        _write(directory / f"{first}.archive", first, 12)


def _write(log: Path, first: int, count: int) -> None:
    """Queries of ten addresses, a second apart; every third is flagged, and some lines are odd."""
    writer = LogWriter(log)
    for number in range(count):
        query = f"{'porno' if number % 3 == 0 else 'zqorv'} {number}"
        writer.log_search(first + number * SECOND, f"192.0.2.{number % 10}", query)
    writer.append(b"not a query\n")
    for days in (2, -30):
        writer.log_search(first + days * DAY, "192.0.2.1", "of another time")


def _work(directory: Path, times: list[int], fault: Fault | None = None) -> None:
    # So that ten addresses make long segments, many of them, and windows that take a while.
    with (
        mock.patch.object(segments, "SPLIT_ABOVE_ROWS", 8),
        mock.patch.object(partitioned_reads, "PARTITION_ABOVE_ROWS", 8),
        mock.patch.object(segments, "MAX_SEGMENTS_UNMERGED", 1),
        mock.patch.object(segments, "DELETE_BATCH_ROWS", 8),
        mock.patch.object(window_closer, "WEEK_SLICE_ROWS", 40),
        mock.patch.object(rolling_windows, "REBUILD_ROWS_PER_CALL", 30),
        # A clock that runs evenly is confirmed at once.
        mock.patch.object(believed_time, "EVEN_RUN_MS", 0),
        # How long ago a directory was read is real time, which no two runs have in common.
        mock.patch.object(directory_listing, "MAX_AGE_SECONDS", 0.0),
    ):
        _turns(directory, times, fault)


def _turns(directory: Path, times: list[int], fault: Fault | None) -> None:
    engine = Engine(loader.load(directory / "donkeywatch.toml", {}), times[0])
    steady, before = times[0], times[0]
    for step, now in enumerate(times):
        if fault is not None:
            fault(directory, engine, step)
        arrive(directory, now)
        # Both clocks go on alike, but where the wall clock is set back.
        steady, before = steady + max(SECOND, now - before), now
        # In one of the schedules a turn of the loop ends after its first block.
        while engine.tick(now, steady, lambda: fault is _gone):
            pass
    engine.commit(times[-1], steady + SECOND)
    engine.close()


def _unwritable(directory: Path, engine: Engine, step: int) -> None:
    """Every write of more than a few instructions fails at first, and when windows are closed."""
    failing = step in (0, 2)
    engine.store.connection.set_progress_handler((lambda: 1) if failing else None, 10)


def _truncated(directory: Path, _engine: Engine, step: int) -> None:
    """Copied and truncated after the first step, and longer than before at the next look."""
    if step == 1:
        truncate(directory)


def _gone(directory: Path, _engine: Engine, step: int) -> None:
    """For a step there is no log; it is found again."""
    log, kept = directory / "logs" / "search.log", directory / "logs" / "kept"
    if step == 1:
        log.rename(kept)
    if step == 2:
        restore(directory)


def _pooled(_directory: Path, engine: Engine, _step: int) -> None:
    """Two other processes read the blocks, and are waited for."""
    engine._block_queue.start_workers(3)
    mock.patch.object(WorkerPool, "ready", property(lambda _self: True)).start()


def _helped(_directory: Path, engine: Engine, _step: int) -> None:
    """They are never done in time, and this process helps them."""
    engine._block_queue.start_workers(3)
    mock.patch.object(WorkerPool, "ready", property(lambda _self: False)).start()


def _archived(directory: Path, engine: Engine, step: int) -> None:
    """Weeks before those of the log are counted first, from files of a few minutes each."""
    if step == 0:
        archives = sorted(directory.glob("*.archive"))
        backfill(engine, archives, None, lambda: MONDAY - 35 * MINUTE, commit_every_bytes=1)


def _doubted(_directory: Path, _engine: Engine, step: int) -> None:
    """Nothing confirms the clock at first: lines ahead of it wait, in both files."""
    believed_time.EVEN_RUN_MS = 6 * HOUR if step == 0 else 0


def restore(directory: Path) -> None:
    """The log comes back, if it is gone."""
    if (kept := directory / "logs" / "kept").exists():
        kept.rename(kept.with_name("search.log"))


def arrive(directory: Path, now: int) -> None:
    """The first query of each new week, once: event time goes over the change of the week.

    Of the second one three, so that a week without any is believed.
    """
    log = directory / "logs" / "search.log"
    for first, count in ((MONDAY + 3 * MINUTE, 1), (MONDAY + WEEK + 3 * MINUTE, 3)):
        line = search_line(first, "192.0.2.99", "zqorv")
        if now > first and line not in log.read_bytes():
            LogWriter(log).append(line * count)


def truncate(directory: Path) -> None:
    """The log is copied away, and begins with lines that are no queries; done once."""
    log = directory / "logs" / "search.log"
    aside = log.with_name("search.log.2")
    if not aside.exists():
        shutil.copy2(log, aside)
        log.write_text("not a query\n" * 400)


Fault = Callable[[Path, Engine, int], None]
FAULTS: dict[str, Fault | None] = {
    "none": None, "first start": None, "gone": _gone, "unwritable": _unwritable,
    "truncated": _truncated, "worker pool": _pooled, "helped": _helped, "a week later": None,
    "archive": _archived, "doubted": _doubted,
}  # fmt: skip
TIMES = {
    "none": [MONDAY - 35 * MINUTE, MONDAY - 34 * MINUTE, MONDAY + 4 * MINUTE],
    "unwritable": [
        MONDAY - 35 * MINUTE, MONDAY - 34 * MINUTE, MONDAY + 3 * MINUTE, MONDAY + 4 * MINUTE,
    ],
}  # fmt: skip
TIMES["gone"] = TIMES["first start"] = TIMES["worker pool"] = TIMES["helped"] = TIMES["none"]
TIMES["doubted"] = [MONDAY - 35 * MINUTE, MONDAY - 34 * MINUTE, MONDAY + 4 * MINUTE]
TIMES["archive"] = [MONDAY - 35 * MINUTE]
# The wall clock is set back by a few minutes, too.
TIMES["truncated"] = [
    MONDAY - 35 * MINUTE, MONDAY - 30 * MINUTE, MONDAY - 34 * MINUTE, MONDAY + 4 * MINUTE,
]  # fmt: skip
# The rows of a whole week are destroyed.
TIMES["a week later"] = [*TIMES["none"], MONDAY + WEEK + 4 * MINUTE]


def work(directory: str, fault: str, die_at: str | None, hit: int = 1) -> None:
    """In a process of its own: open, count, close an hour and a week, destroy a key.

    Dies at the ``hit``-th time that a statement is about to run; without ``die_at`` it writes
    which ones were run how often to ``trace.json``.
    """
    observed: Counter[str] = Counter()
    home = str(SOURCE) + os.sep
    watched = home + (die_at or "").partition(":")[0]

    def on_call(frame: FrameType, event: str, _argument: Any) -> Any:
        return on_line if frame.f_code.co_filename.startswith(watched) else None

    def on_line(frame: FrameType, event: str, _argument: Any) -> Any:
        path = frame.f_code.co_filename
        line = statements(path).get(frame.f_lineno)
        if event == "line" and line is not None:
            name = f"{path[len(home) :]}:{line}"
            observed[name] += 1
            if name == die_at and observed[name] == hit:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    if fault in ("first start", "archive"):
        shutil.rmtree(Path(directory, "state"))
    if fault == "archive":
        Path(directory, YOUNG).rename(Path(directory, "state"))
    sys.settrace(on_call)
    try:
        _work(Path(directory), TIMES[fault], FAULTS[fault])
    finally:
        sys.settrace(None)
    if die_at is None:
        Path(directory, "trace.json").write_text(json.dumps(observed))


def go_on(directory: str, fault: str) -> None:
    """What the operator does: start it again, a little later. Its figures are in `FIGURES`."""
    place = Path(directory)
    restore(place)
    if fault == "truncated":
        truncate(place)
    last = TIMES[fault][-1]
    _work(place, [last + MINUTE, last + 2 * MINUTE], _archived if fault == "archive" else None)
    (place / FIGURES).write_text(json.dumps(figures(place)))


def figures(directory: Path) -> dict[str, Any]:
    """Everything that is counted and shown, and which keys there are."""
    db = sqlite3.connect(directory / "state" / "donkeywatch.db")
    tables = {
        table: db.execute(f"select * from {table} order by 1, 2, 3").fetchall()
        for table in ("windows", "window_topics", "window_categories", "window_countries",
                      "window_country_topics", "weekly_keys")
    }  # fmt: skip
    tables["windows"] = [row[:8] + row[9:] for row in tables["windows"]]
    tables["weekly_keys"] = [(week, sealed) for week, _, _, sealed in tables["weekly_keys"]]
    rows: dict[str, Any] = {
        **tables,
        "counters": db.execute(
            "select * from counters where name in ('lines', 'flagged', 'invariant_violations',"
            " 'lost_bytes', 'late_lines') order by 1, 2, 3"
        ).fetchall(),
        # Into how many segments they are cut depends on the commits.
        "rows": db.execute(
            "select hour, sum(rows), sum(length(previous)) from segments"
            " left join previous_pseudonyms on segment = segments.id group by hour"
        ).fetchall(),
        "keys": sorted(path.name for path in (directory / "state" / "keys").iterdir()),
    }
    db.close()
    return rows


def copy(template: Path, to: Path) -> Path:
    """The prepared place, once more."""
    return Path(shutil.copytree(template, to))
