"""The verb `simulate`: writes the log of a simulated server."""

from __future__ import annotations

import contextlib
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from donkeywatch.cli.application import app, err, out
from donkeywatch.cli.progress import hours_display
from donkeywatch.cli.shared_options import Addresses, Queries, Seed, Weeks
from donkeywatch.errors import UsageError, printable
from donkeywatch.settings.schema import FormatName

if TYPE_CHECKING:  # The other verbs start faster without the simulator.
    from donkeywatch.simulation.generator import Simulation


@app.command()
def simulate(
    directory: Annotated[Path, typer.Argument(help="where to write")],
    weeks: Weeks = 8,
    queries: Queries = 2_000_000,
    addresses: Addresses = 400_000,
    seed: Seed = 1,
    format_name: Annotated[FormatName, typer.Option("--format", help="form of the lines")] = "tsv",
    compress: Annotated[bool, typer.Option("--gz", help="compress the archive")] = False,
    live: Annotated[
        bool, typer.Option(help="write search.log now, in real time, until Ctrl-C; no archive")
    ] = False,
    rate: Annotated[float, typer.Option(min=0.01, help="lines a second when live")] = 5.0,
    server: Annotated[
        int, typer.Option(min=0, help="which of several servers that have the same addresses")
    ] = 0,
) -> None:
    """Simulate a server: logs, a nonsense lexicon, the exact truth.

    Everything is invented: no real word, no real address.
    """
    from donkeywatch.simulation import simulation_directory

    now = datetime.now(UTC)
    sim = simulation_directory.simulation(
        now, weeks=weeks, queries=queries, addresses=addresses, name=format_name, seed=seed,
        server=server,
    )  # fmt: skip
    _create_directory(directory)
    if live:
        if (directory / simulation_directory.SETTINGS).exists():
            simulation_directory.ensure_references(sim, directory)
        else:
            simulation_directory.write_settings(sim, directory)
        _write_live(sim, directory, rate, seed + (server << 32))
        return
    with hours_display(err, sim.hours) as show:
        files = simulation_directory.prepare(
            sim, directory, compress="gz" if compress else None, on_hour=show
        )
    size = sum(path.stat().st_size for path in files)
    out.print(f"{len(files)} files, {size:,} bytes in {files[0].parent}", highlight=False)
    out.print(
        f"next: donkeywatch backfill -c {printable(directory / simulation_directory.SETTINGS)}"
        f" {printable(files[0].parent)}/search-*",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{directory}: cannot be made ({error.strerror})", "name a directory of yours"
        ) from None


def _write_live(sim: Simulation, directory: Path, rate: float, seed: int) -> None:
    from donkeywatch.simulation import simulation_directory

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        simulation_directory.write_live(sim, directory, rate, threading.Event(), seed)
