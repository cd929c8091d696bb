"""What an operator does with the logs of before: backfill."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption, app, err, out
from donkeywatch.counting.observations import OUTCOMES
from donkeywatch.errors import printable
from donkeywatch.runtime import backfill
from donkeywatch.runtime.clock_jumps import monotonic_ms, wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.hardening import harden_process
from donkeywatch.runtime.memory_tuning import retain_freed_memory
from donkeywatch.settings import loader


@app.command("backfill")
def backfill_command(
    files: Annotated[
        list[Path], typer.Argument(help="finished logs, also gzip, zstd, xz, bzip2, lz4")
    ],
    config_path: ConfigOption = DEFAULT_CONFIG,
    source: Annotated[
        str | None, typer.Option(help="source they belong to; default the first")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--force", help="count them even if no search is near their front")
    ] = False,
    overlapping: Annotated[
        bool,
        typer.Option(
            "--overlapping", help="count lines that have the times of counted ones: no masked copy"
        ),
    ] = False,
) -> None:
    """Count finished log files, oldest first whatever their order.

    Safe to repeat: what was counted is recognised by its content and not counted twice. The
    daemon must not be running on the same state directory.
    """
    harden_process()
    retain_freed_memory()
    engine = Engine(loader.load(config_path), wall_ms())
    last: dict[Path, backfill.Progress] = {}
    try:
        engine.timekeeper.require_believed_clock(wall_ms(), monotonic_ms())
        lines = backfill_with_progress(
            engine, files, source, last, anyway=anyway, overlapping=overlapping
        )
        _print(lines, last)
    except backfill.Incomplete as error:
        _print(error.lines, last)
        raise
    finally:
        engine.close()


def _print(lines: dict[Path, Counter[str] | None], last: dict[Path, backfill.Progress]) -> None:
    for path, outcomes in lines.items():
        line = f"{printable(path.name)}: {_describe(outcomes)}"
        if path in last and outcomes and last[path].known:
            line += f"; {last[path].known:,} were counted before"
        if path in last and last[path].ignored:
            line += f"; {last[path].ignored:,} bytes behind the end of the archive ignored"
        out.print(line, highlight=False, soft_wrap=True, markup=False)


def _describe(outcomes: Counter[str] | None) -> str:
    if outcomes is None:
        return "empty"
    if not outcomes:
        return "counted before, nothing new"
    parts = [f"{outcomes[name]:,} {name}" for name in OUTCOMES if outcomes[name]]
    return f"{outcomes.total():,} lines counted ({', '.join(parts)})"


PARALLEL_ABOVE_BYTES = 8 << 20
"""Bytes on disk for which it is worth while to start other processes."""


def backfill_with_progress(
    engine: Engine,
    files: list[Path],
    source: str | None,
    last: dict[Path, backfill.Progress],
    *,
    anyway: bool = False,
    overlapping: bool = False,
) -> dict[Path, Counter[str] | None]:
    """Backfill with a progress bar on the terminal; lines by file and outcome.

    Puts the last report of each file into ``last``.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[rate]:>12} lines/s"),
        TimeRemainingColumn(),
    )
    with contextlib.suppress(OSError):  # What cannot be read is told of when it is tried.
        if sum(path.stat().st_size for path in files) > PARALLEL_ABOVE_BYTES:
            engine.start_workers()
    with Progress(*columns, console=err) as bar:
        tasks = {path: bar.add_task(printable(path.name), total=None, rate="") for path in files}
        started_at: dict[Path, float] = {}

        def report(now: backfill.Progress) -> None:
            start = started_at.setdefault(now.path, time.monotonic())
            last[now.path] = now
            rate = now.lines / max(time.monotonic() - start, 0.001)
            bar.update(
                tasks[now.path], completed=now.bytes_read, total=now.bytes, rate=f"{rate:,.0f}"
            )

        return backfill.backfill(
            engine, files, source, wall_ms, report, force=anyway, overlapping=overlapping
        )
