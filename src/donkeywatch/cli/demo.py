"""A monitor beside a simulated server: demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.backfill import backfill_with_progress
from donkeywatch.cli.shared_options import Queries, Weeks, app, log_to_stderr, out
from donkeywatch.errors import printable
from donkeywatch.runtime.clock_jumps import wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.hardening import harden_process
from donkeywatch.settings import loader


@app.command("demo")
def demo_command(
    directory: Annotated[Path, typer.Argument(help="where to keep it")] = Path("demo"),
    weeks: Weeks = 8,
    queries: Queries = 1_000_000,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="live lines a second; default the archive's")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the page")] = 9461,
) -> None:
    """Look at donkeywatch on a simulated server: eight weeks of archive, then a live log.

    A second start goes on with the same directory.
    """
    # The other verbs start faster without a web server.
    from donkeywatch.cli.simulate import simulate
    from donkeywatch.runtime.service import Service
    from donkeywatch.simulation import demo

    harden_process()
    log_to_stderr()
    settings = directory / demo.SETTINGS
    if not settings.exists():
        out.print(f"simulating {weeks} weeks in {printable(directory)} ...", highlight=False)
        simulate(directory, weeks, queries, max(1_000, queries // 5))
        engine = Engine(loader.load(settings), wall_ms())
        try:
            backfill_with_progress(
                engine, sorted((directory / demo.ARCHIVE).glob("search-*")), None, {}
            )
        finally:
            engine.close()
    rate = rate or demo.rate_of(directory, weeks)
    chosen = loader.load(settings)
    chosen = chosen.model_copy(update={"http": chosen.http.model_copy(update={"port": port})})
    command = [sys.executable, "-m", "donkeywatch", "simulate", str(directory), "--live"]
    writer = subprocess.Popen([*command, "--rate", str(rate)])  # noqa: S603 - our own command
    try:
        demo.wait_for_log(directory)
        Service(settings, chosen).run(_print_urls)
    finally:
        writer.terminate()
        writer.wait(timeout=10)


def _print_urls(url: str) -> None:
    out.print(f"\nthe page:       {url}/", highlight=False)
    out.print(f"the fractions:  {url}/api/v1/fractions", highlight=False)
    out.print(f"for Prometheus: {url}/metrics\n", highlight=False)
