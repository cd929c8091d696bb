"""The verb `backfill`: counts finished log files."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import app, err, out
from donkeywatch.cli.progress import ProgressDisplay
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.observations import OUTCOMES
from donkeywatch.errors import printable
from donkeywatch.runtime import backfill
from donkeywatch.runtime.backfill_errors import Incomplete
from donkeywatch.runtime.clocks import monotonic_ms, wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.fleet_backfill import finish_shipping, ship_before_destroying
from donkeywatch.runtime.memory_tuning import retain_freed_memory
from donkeywatch.settings import loader
from donkeywatch.store.key_findings import findings


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
    fleet: Annotated[
        bool,
        typer.Option("--fleet", help="ship each hour to the fleet before its week's key goes"),
    ] = False,
) -> None:
    """Count finished log files, oldest first whatever their order.

    Safe to repeat: what was counted is recognised by its content and not counted twice. The
    daemon must not be running on the same state directory.
    """
    retain_freed_memory()
    engine = Engine(loader.load(config_path), wall_ms())
    last: dict[Path, backfill.Progress] = {}
    try:
        engine.clock_gate.require_believed_clock(wall_ms(), monotonic_ms())
        if fleet:
            ship_before_destroying(engine)
        lines = backfill_with_progress(
            engine, files, source, last, anyway=anyway, overlapping=overlapping
        )
        _print(lines, last)
        if fleet:
            finish_shipping(engine)
    except Incomplete as error:
        _print(error.lines, last)
        raise
    except KeyboardInterrupt:
        err.print("interrupted: what was read is stored, and the same command goes on from there")
        raise
    finally:
        engine.close()
    for notice in findings(engine.settings.state, wall_ms()):
        err.print(notice)


def _print(lines: dict[Path, Counter[str] | None], last: dict[Path, backfill.Progress]) -> None:
    for path, outcomes in lines.items():
        unknowable = last[path].unknowable if path in last else 0
        line = f"{printable(path.name)}: {_describe(outcomes, unknowable)}"
        if path in last and outcomes and last[path].known:
            line += f"; {last[path].known:,} were counted before"
        if path in last and last[path].ignored:
            line += f"; {last[path].ignored:,} bytes behind the end of the archive ignored"
        out.print(line, highlight=False, soft_wrap=True, markup=False)


def _describe(outcomes: Counter[str] | None, unknowable: int) -> str:
    if outcomes is None:
        return "empty"
    undecided = (
        f"{unknowable:,} lines are of weeks whose keys are destroyed: nobody can tell whether they"
        " were counted before; no fewer searches are counted in their hours"
    )
    if not outcomes:
        return f"nothing counted; {undecided}" if unknowable else "counted before, nothing new"
    parts = [f"{outcomes[name]:,} {name}" for name in OUTCOMES if outcomes[name]]
    text = f"{outcomes.total():,} lines counted ({', '.join(parts)})"
    return f"{text}; {undecided}" if unknowable else text


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
    """Backfill and show how far it is; lines by file and outcome.

    Puts the last report of each file into ``last``.
    """
    files = list(dict.fromkeys(files))
    total = sum(_size(path) for path in files)
    if total > PARALLEL_ABOVE_BYTES:
        engine.start_workers()
    with ProgressDisplay(err, total, len(files), "counted") as display:

        def report(now: backfill.Progress) -> None:
            last[now.path] = now
            name = printable(now.path.name)
            lines = now.lines + now.known + now.unknowable
            if now.counted_before:
                display.skip_file(name, now.bytes)
            elif now.finished:
                became = "left out" if now.unknowable else "counted before"
                display.finish_file(name, now.bytes, lines, "" if now.lines else became)
            else:
                display.show(name, now.bytes_read, lines)

        return backfill.backfill(
            engine, files, source, wall_ms, report, force=anyway, overlapping=overlapping
        )


def _size(path: Path) -> int:
    """Bytes of a file; 0 of one that cannot be read, which is reported when it is tried."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
