"""A simulated server to look at donkeywatch on: simulate, demo."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from donkeywatch.cli.backfill import backfill_with_progress
from donkeywatch.cli.shared_options import app, log_to_stderr, out
from donkeywatch.errors import ConfigError, printable
from donkeywatch.runtime.clock_jumps import wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.hardening import harden_process
from donkeywatch.settings import loader
from donkeywatch.settings.schema import FormatName

if TYPE_CHECKING:  # The other verbs start faster without the simulator.
    from donkeywatch.simulation.simulate import Simulation

Weeks = Annotated[int, typer.Option(min=1, max=520, help="weeks of archive, up to this hour")]
Queries = Annotated[int, typer.Option(min=1, help="queries in the archive, about")]
Addresses = Annotated[int, typer.Option(min=10, max=16_000_000, help="addresses there are")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same bytes")]


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
) -> None:
    """Simulate a server: logs, a nonsense lexicon, countries, settings, and the exact truth.

    Everything is invented: no real word, no real address.
    """
    from donkeywatch.simulation import demo

    now = datetime.now(UTC)
    sim = demo.simulation(
        now, weeks=weeks, queries=queries, addresses=addresses, name=format_name, seed=seed
    )
    _create_directory(directory)
    if live:
        demo.write_settings(sim, directory)
        _write_live(sim, directory, rate, seed)
        return
    files = demo.prepare(sim, directory, compress="gz" if compress else None)
    size = sum(path.stat().st_size for path in files)
    out.print(f"{len(files)} files, {size:,} bytes in {files[0].parent}", highlight=False)
    out.print(
        f"next: donkeywatch backfill -c {printable(directory / demo.SETTINGS)} ...", highlight=False
    )


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{directory}: cannot be made ({error.strerror})", "name a directory of yours"
        ) from None


def _write_live(sim: Simulation, directory: Path, rate: float, seed: int) -> None:
    from donkeywatch.simulation import demo

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        demo.write_live(sim, directory, rate, threading.Event(), seed)


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
