"""Prepares a directory with a simulated archive, settings and a live log."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from donkeywatch.errors import DonkeywatchError, StateLockedError
from donkeywatch.simulation.generator import Simulation, write_archive, write_references
from donkeywatch.simulation.live_writer import LiveWriter

ARCHIVE = "archive"
LIVE = "search.log"
SETTINGS = "donkeywatch.toml"
UNFINISHED = ".unfinished"
"""Marks an archive that is being written."""
ARCHIVE_TRUTH, LIVE_TRUTH = "truth.json", "truth-live.json"
WRITER_LOCK = "writer.lock"
"""File that whoever writes the live log holds."""
ADDRESSES = 200_000
"""Addresses that the live log is written of."""
ROTATE = 4 << 20
"""Bytes at which the live log is renamed."""


def simulation(
    now: datetime,
    *,
    weeks: int,
    queries: int,
    addresses: int,
    name: str,
    seed: int,
    server: int = 0,
) -> Simulation:
    """Whole weeks that end with the last full hour before ``now`` (aware)."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Simulation(
        seed=seed,
        start=end - timedelta(weeks=weeks),
        hours=weeks * 168,
        queries=queries,
        addresses=addresses,
        format=name,
        server=server,
    )


def prepare(
    sim: Simulation,
    directory: Path,
    *,
    compress: str | None = None,
    on_hour: Callable[[int], None] = lambda _hours: None,
) -> Sequence[Path]:
    """Write archive, lexicon, countries, truth and settings; returns the archive's files.

    Logs of an earlier archive of ours there are removed: its truth is replaced. ``on_hour`` is
    told how many hours are written.
    """
    archive = directory / ARCHIVE
    archive.mkdir(parents=True, exist_ok=True)
    unfinished = archive / UNFINISHED
    if (archive / ARCHIVE_TRUTH).exists() or unfinished.exists():
        for old in archive.glob("search-*"):
            old.unlink()
    elif not any(archive.glob("search-*")):
        unfinished.touch()  # Logs of an archive that is interrupted are ours, too.
    files = max(1, sim.hours // 168)
    write_archive(sim, archive, files=files, compress=compress, on_hour=on_hour)
    write_settings(sim, directory)
    unfinished.unlink(missing_ok=True)
    return sorted(archive.glob("search-*"))


def ensure_references(sim: Simulation, directory: Path) -> None:
    """Write lexicon and countries where they are not there yet."""
    archive = directory / ARCHIVE
    archive.mkdir(parents=True, exist_ok=True)
    if not (archive / "lexicon.toml").exists():
        write_references(sim, archive)


def write_settings(sim: Simulation, directory: Path) -> Path:
    """Settings for a daemon that follows the simulated log."""
    ensure_references(sim, directory)
    path = directory / SETTINGS
    part = path.with_suffix(".part")  # The demonstration takes settings for those of a whole one.
    part.write_text(
        f"""# Settings of a simulated server; see docs/configuration.md for all of them.
title = "Simulated server"
demonstration = true
state = "state"
lexicon = "{ARCHIVE}/lexicon.toml"
countries = "{ARCHIVE}/countries.mmdb"

[[source]]
name = "simulated"
path = "{LIVE}"
{source_settings(sim.format)}""",
        encoding="utf-8",
    )
    return part.replace(path)


def source_settings(name: str) -> str:
    """The lines of a source's table that its format needs."""
    from donkeywatch.simulation.log_formats import REGEX_PATTERN, REGEX_TIME_FORMAT

    lines = f'format = "{name}"\n'
    if name == "regex":
        lines += f"pattern = '''{REGEX_PATTERN}'''\ntime_format = \"{REGEX_TIME_FORMAT}\"\n"
    return lines


def write_live(
    sim: Simulation, directory: Path, rate: float, stop: threading.Event, seed: int
) -> None:
    """Write the log from where it stands until told to stop, then save its truth.

    StateLockedError while another process writes it.
    """
    with _only_writer(directory):
        log = directory / LIVE
        writer = LiveWriter(sim, log, rate, ROTATE, 5, seed)
        now = datetime.now(UTC)
        if not log.exists():
            # The archive ends with the last full hour: go on there, so that no minute is missing.
            writer.step(now.replace(minute=0, second=0, microsecond=0))
        writer.step(now)
        try:
            writer.run(stop)
        finally:
            writer.truth.save(directory / LIVE_TRUTH)


@contextmanager
def live_log(directory: Path, rate: float, stop: threading.Event, seed: int) -> Iterator[None]:
    """Write the log of the settings in a directory beside the block, until it ends or ``stop``."""
    sim = simulation(
        datetime.now(UTC), weeks=1, queries=1, addresses=ADDRESSES, name="tsv", seed=seed
    )
    errors: list[BaseException] = []

    def run() -> None:
        try:
            write_live(sim, directory, rate, stop, seed)
        except DonkeywatchError as error:
            errors.append(error)

    writer = threading.Thread(target=run, name="simulated server", daemon=True)
    writer.start()
    _wait_for_log(directory / LIVE, writer)
    try:
        if errors:
            raise errors[0]
        yield
    finally:
        stop.set()
        writer.join()


def _wait_for_log(log: Path, writer: threading.Thread) -> None:
    """Until the writer has written or ended, for half a minute at the most."""
    end = time.monotonic() + 30
    while writer.is_alive() and time.monotonic() < end:
        if log.exists() and log.stat().st_size:
            return
        time.sleep(0.1)


@contextmanager
def _only_writer(directory: Path) -> Iterator[None]:
    with (directory / WRITER_LOCK).open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateLockedError(
                f"another process writes {directory / LIVE}",
                "stop it first, or use another directory",
            ) from None
        yield
