"""The verb `demo`: a monitor beside a simulated server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import app, log_to_stderr, out
from donkeywatch.cli.backfill import backfill_with_progress
from donkeywatch.cli.shared_options import Queries, Weeks
from donkeywatch.errors import printable
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader

LIVE_SEED = 1
"""Seed of the live log: the same at every start."""


@app.command("demo")
def demo_command(
    directory: Annotated[Path, typer.Argument(help="where to keep it")] = Path("demo"),
    weeks: Weeks = 8,
    queries: Queries = 1_000_000,
    rate: Annotated[float, typer.Option(min=0.01, help="live lines a second")] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the page")] = 9461,
) -> None:
    """Look at donkeywatch on a simulated server, followed live.

    Eight weeks of archive are counted first. A second start goes on with the same directory, also
    where the first was interrupted.
    """
    # The other verbs start faster without a web server.
    from donkeywatch.cli.simulate import simulate
    from donkeywatch.runtime.service import Service
    from donkeywatch.simulation import simulation_directory

    log_to_stderr()
    settings = directory / simulation_directory.SETTINGS
    if not settings.exists():
        out.print(f"simulating {weeks} weeks in {printable(directory)} ...", highlight=False)
        simulate(directory, weeks, queries, max(1_000, queries // 5))
    engine = Engine(loader.load(settings), wall_ms())
    try:
        # What was counted before is known and not read again.
        files = sorted((directory / simulation_directory.ARCHIVE).glob("search-*"))
        backfill_with_progress(engine, files, None, {})
    finally:
        engine.close()
    chosen = loader.load(settings)
    chosen = chosen.model_copy(update={"http": chosen.http.model_copy(update={"port": port})})
    stop = threading.Event()
    with simulation_directory.live_log(directory, rate, stop, LIVE_SEED):
        service = Service(settings, chosen)
        try:
            service.run(_print_urls)
        finally:
            stop.set()


def _print_urls(url: str) -> None:
    out.print(f"\nthe page:       {url}/", highlight=False)
    out.print(f"the fractions:  {url}/api/v1/fractions", highlight=False)
    out.print(f"for Prometheus: {url}/metrics\n", highlight=False)
