"""The command line: one verb each for what an operator does."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from donkeywatch import __version__, backfill, check, config, console
from donkeywatch.arrival import lexicon as lexicons
from donkeywatch.arrival.detector import Detector
from donkeywatch.arrival.lexicon import Lexicon
from donkeywatch.arrival.sightings import LineReader
from donkeywatch.config import FormatName, Settings, Source
from donkeywatch.engine import Engine
from donkeywatch.errors import ConfigError, DonkeywatchError, SourceError, StateError
from donkeywatch.hardening import harden
from donkeywatch.lab import demo
from donkeywatch.lab.simulate import Simulation
from donkeywatch.publish import ask
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.service import Service, wall
from donkeywatch.store.store import DATABASE
from donkeywatch.stream import line_reader

EXIT_CODES = """Exit codes: 0 done; 1 failed; 2 settings, lexicon or keys; 3 state or database;
4 state in use by another process; 5 a log or archive cannot be read."""

app = typer.Typer(
    help="Monitor of an eDonkey server's search log: which fraction of queries and of addresses"
    f" is flagged, counted exactly, with no trace of any person.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
lexicon_app = typer.Typer(help="Work on the word list.", no_args_is_help=True)
app.add_typer(lexicon_app, name="lexicon")

out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="the settings file", envvar="DONKEYWATCH_CONFIG")
]
DEFAULT_CONFIG = Path("donkeywatch.toml")


def main() -> None:
    """Run the command line; every failure is one message and an exit code."""
    try:
        app()
    except DonkeywatchError as error:
        err.print(f"donkeywatch: {error.problem}", style="bold", markup=False)
        err.print(f"  remedy: {error.remedy}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def run(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Follow the logs and serve the figures, until SIGTERM or Ctrl-C.

    SIGHUP reloads the settings and the lexicon; a bad file is refused and the old one stays.
    """
    harden()
    _log_to_stderr()
    Service(config_path, config.load(config_path)).run()


@app.command("backfill")
def backfill_command(
    files: Annotated[list[Path], typer.Argument(help="finished logs, also .gz, .zst, .xz")],
    config_path: ConfigOption = DEFAULT_CONFIG,
    source: Annotated[
        str | None, typer.Option(help="source they belong to; default the first")
    ] = None,
) -> None:
    """Count finished log files, oldest first whatever their order.

    Safe to repeat: what was counted is recognised by its content and not counted twice. The
    daemon must not be running on the same state directory.
    """
    harden()
    engine = Engine(config.load(config_path), wall())
    try:
        lines = _with_bar(engine, files, source)
    finally:
        engine.close()
    for path, count in lines.items():
        said = f"{count:,} lines counted" if count else "counted before, nothing new"
        out.print(f"{path.name}: {said}", highlight=False)


def _with_bar(engine: Engine, files: list[Path], source: str | None) -> dict[Path, int]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[rate]:>12} lines/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        tasks = {path: bar.add_task(path.name, total=None, rate="") for path in files}
        begun: dict[Path, float] = {}

        def report(now: backfill.Progress) -> None:
            start = begun.setdefault(now.path, time.monotonic())
            rate = now.lines / max(time.monotonic() - start, 0.001)
            bar.update(tasks[now.path], completed=now.done, total=now.bytes, rate=f"{rate:,.0f}")

        return backfill.backfill(engine, files, source, wall, report)


@app.command()
def status(
    config_path: ConfigOption = DEFAULT_CONFIG,
    watch: Annotated[bool, typer.Option(help="repeat every 2 s until Ctrl-C")] = False,
) -> None:
    """Show the current fractions, how far each log is counted, and errors so far."""
    settings = config.load(config_path)
    if not (settings.state / DATABASE).exists():
        raise StateError(
            f"no database in {settings.state}", "start `donkeywatch run` or `backfill` first"
        )
    topics = [topic.id for topic in lexicons.load(settings.lexicon).headings()]
    snapshots = Snapshots(settings.state, topics)
    if not watch:
        out.print(_status(snapshots, settings))
        return
    with Live(console=out, auto_refresh=False, screen=True) as live:
        while True:
            live.update(_status(snapshots, settings), refresh=True)
            time.sleep(2)


def _status(snapshots: Snapshots, settings: Settings) -> RenderableType:
    try:
        with snapshots.take() as snapshot:
            names = [source.name for source in settings.source]
            parts: list[RenderableType] = [console.fractions(snapshot.current())]
            parts.append(console.sources(snapshot.sources(), snapshot.counters(), names))
            parts.append(console.daemon(ask.health(settings.http)))
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"the database in {settings.state} cannot be read ({error})",
            "see `donkeywatch run` for what is wrong with it",
        ) from None
    return Group(*parts)


@app.command("check")
def check_command(
    sample: Annotated[Path | None, typer.Argument(help="a log file to try the format on")] = None,
    config_path: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="the settings file", envvar="DONKEYWATCH_CONFIG"),
    ] = None,
    format_name: Annotated[
        FormatName | None, typer.Option("--format", help="format of the sample, without settings")
    ] = None,
    source: Annotated[str | None, typer.Option(help="source whose format to try")] = None,
) -> None:
    """Check settings, lexicon, keys and logs, and how the lines of a sample are understood.

    Prints counts by outcome and the byte offsets of the first rejected lines; never a line.
    With --format alone no settings file is needed.
    """
    if format_name is not None and config_path is None:
        if sample is None:
            raise ConfigError("--format needs a sample", "name a log file")
        _show_sample(sample, check.bare_reader(Source(path=sample, format=format_name)))
        return
    settings = config.load(config_path or DEFAULT_CONFIG)
    failures = []
    for name, error in check.problems(settings):
        mark = "ok" if error is None else f"{error.problem} -> {error.remedy}"
        out.print(f"{name}: {mark}", highlight=False, markup=False, soft_wrap=True)
        failures += [error] if error else []
    if settings.countries is None:
        out.print("countries: none given, every address counts as ZZ", highlight=False)
    if failures:
        raise failures[0]
    if sample is not None:
        chosen = _source(settings, source)
        detector = Detector(lexicons.load(settings.lexicon))
        _show_sample(sample, line_reader(chosen, detector))


def _source(settings: Settings, name: str | None) -> Source:
    named = {source.name: source for source in settings.source}
    if name is not None and name not in named:
        raise ConfigError(f"there is no source `{name}`", f"use one of: {', '.join(named)}")
    return named[name] if name else settings.source[0]


def _show_sample(path: Path, reader: LineReader) -> None:
    found = check.sample(path, reader)
    out.print(console.outcomes(found))
    for offset, outcome in found.rejected:
        out.print(f"rejected as {outcome}: the line at byte {offset}", highlight=False)
    if found.lines and not found.searches:
        raise SourceError(
            f"{path}: none of {found.lines} lines is a search",
            "check the format; eNode-go logs searches only at log level `debug`",
        )


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
    now = datetime.now(UTC)
    sim = demo.simulation(
        now, weeks=weeks, queries=queries, addresses=addresses, name=format_name, seed=seed
    )
    directory.mkdir(parents=True, exist_ok=True)
    if live:
        demo.write_settings(sim, directory)
        _write_live(sim, directory, rate, seed)
        return
    files = demo.prepare(sim, directory, compress="gz" if compress else None)
    size = sum(path.stat().st_size for path in files)
    out.print(f"{len(files)} files, {size:,} bytes in {files[0].parent}", highlight=False)
    out.print(f"next: donkeywatch backfill -c {directory / demo.SETTINGS} ...", highlight=False)


def _write_live(sim: Simulation, directory: Path, rate: float, seed: int) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    demo.write_live(sim, directory, rate, stop, seed)


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
    harden()
    _log_to_stderr()
    settings = directory / demo.SETTINGS
    if not settings.exists():
        out.print(f"simulating {weeks} weeks in {directory} ...", highlight=False)
        simulate(directory, weeks, queries, max(1_000, queries // 5))
        engine = Engine(config.load(settings), wall())
        try:
            _with_bar(engine, sorted((directory / demo.ARCHIVE).glob("search-*")), None)
        finally:
            engine.close()
    rate = rate or demo.rate_of(directory, weeks)
    chosen = config.load(settings)
    chosen = chosen.model_copy(update={"http": chosen.http.model_copy(update={"port": port})})
    command = [sys.executable, "-m", "donkeywatch", "simulate", str(directory), "--live"]
    writer = subprocess.Popen([*command, "--rate", str(rate)])  # noqa: S603 - our own command
    try:
        demo.wait_for_log(directory)
        Service(settings, chosen).run(_tell_where)
    finally:
        writer.terminate()
        writer.wait(timeout=10)


def _tell_where(url: str) -> None:
    out.print(f"\nthe page:       {url}/", highlight=False)
    out.print(f"the fractions:  {url}/api/v1/fractions", highlight=False)
    out.print(f"for Prometheus: {url}/metrics\n", highlight=False)


@lexicon_app.command("check")
def lexicon_check(
    path: Annotated[Path, typer.Argument(help="the word list")],
) -> None:
    """Check a word list; tells counts and places, never an entry."""
    lexicon: Lexicon = lexicons.load(path)
    for name, topic in lexicon.topics.items():
        words = sum(len(entries) for entries in topic.groups.values())
        suffixes = len(topic.ages.suffixes) if topic.ages else 0
        out.print(
            f"{name}: {len(topic.categories)} categories, {words} words in"
            f" {len(topic.groups)} groups, {suffixes} age suffixes",
            highlight=False,
        )
    out.print(f"expires: {lexicon.expires or 'never'}", highlight=False)


def _log_to_stderr() -> None:
    """The daemon's own log: counts, paths and byte offsets only; journald adds the time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
