"""A simulated server to look at: eight weeks of archive, and a log that is being written."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from donkeywatch.simulation.live_writer import LiveWriter
from donkeywatch.simulation.simulate import Simulation, write_archive, write_references
from donkeywatch.simulation.truth import Truth

ARCHIVE = "archive"
LIVE = "search.log"
SETTINGS = "donkeywatch.toml"
ARCHIVE_TRUTH, LIVE_TRUTH = "truth.json", "truth-live.json"
ROTATE = 4 << 20
"""Bytes at which the live log is renamed."""


def simulation(
    now: datetime, *, weeks: int, queries: int, addresses: int, name: str, seed: int
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
    )


def prepare(sim: Simulation, directory: Path, *, compress: str | None = None) -> Sequence[Path]:
    """Write archive, lexicon, countries, truth and settings; returns the archive's files.

    Logs of an earlier archive of ours there are removed: its truth is replaced.
    """
    archive = directory / ARCHIVE
    if (archive / ARCHIVE_TRUTH).exists():
        for old in archive.glob("search-*"):
            old.unlink()
    write_archive(sim, archive, files=max(1, sim.hours // 168), compress=compress)
    write_settings(sim, directory)
    return sorted(archive.glob("search-*"))


def rate_of(directory: Path, weeks: int) -> float:
    """Lines a second of the archive, so that the live log goes on where it stops."""
    truth = Truth.load(directory / ARCHIVE / ARCHIVE_TRUTH)
    lines: int = sum(truth["lines"].values())
    return lines / (weeks * 7 * 86_400)


def write_settings(sim: Simulation, directory: Path) -> Path:
    """Settings for a daemon that follows the simulated log."""
    archive = directory / ARCHIVE
    archive.mkdir(parents=True, exist_ok=True)
    if not (archive / "lexicon.toml").exists():
        write_references(sim, archive)
    path = directory / SETTINGS
    path.write_text(
        f"""# Settings of a simulated server; see docs/configuration.md for all of them.
state = "state"
lexicon = "{ARCHIVE}/lexicon.toml"
countries = "{ARCHIVE}/countries.mmdb"

[[source]]
name = "simulated"
path = "{LIVE}"
{source_settings(sim.format)}""",
        encoding="utf-8",
    )
    return path


def source_settings(name: str) -> str:
    """The lines of a source's table that its format needs."""
    from donkeywatch.simulation.log_formats import REGEX_PATTERN, REGEX_TIME_FORMAT

    lines = f'format = "{name}"\n'
    if name == "regex":
        lines += f"pattern = '''{REGEX_PATTERN}'''\ntime_format = \"{REGEX_TIME_FORMAT}\"\n"
    return lines


def wait_for_log(directory: Path) -> None:
    """Until the live writer has written, for half a minute at the most."""
    log = directory / LIVE
    for _ in range(300):
        if log.exists() and log.stat().st_size:
            return
        time.sleep(0.1)


def write_live(
    sim: Simulation, directory: Path, rate: float, stop: threading.Event, seed: int
) -> None:
    """Write the log from where it stands until told to stop, then save its truth."""
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
