"""Every figure equals the independent truth, however the lines arrive."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from donkeywatch.counting import tick_counts
from donkeywatch.counting.calendar import MINUTE, WEEK, to_ms
from donkeywatch.runtime.backfill import backfill
from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.live_writer import LiveWriter
from donkeywatch.simulation.truth import Truth
from donkeywatch.store import partitioned_reads, segments
from support.simulated_server import (
    NOW,
    START,
    Simulated,
    assert_calendar_equals,
    assert_rolling_equals,
    engine,
    simulated,
)

FORMATS = ("tsv", "enode-go", "jsonl", "regex")
QUERIES = int(os.environ.get("DONKEYWATCH_QUERIES", "20000"))
SEEDS = int(os.environ.get("DONKEYWATCH_SEEDS", "1"))
"""`make test-million` raises both; the suite stays small enough to run after every change."""
HOURS = 15 * 24
LIVE_HOURS = 8 * 24
LIVE_QUERIES = 8_000 if QUERIES == 20_000 else QUERIES


def simulation(name: str, seed: int, queries: int = QUERIES, hours: int = HOURS) -> Simulation:
    """Two weeks and a day, so that keys roll over and rolling windows cross them."""
    return Simulation(
        seed=seed, start=START, hours=hours, queries=queries, addresses=queries // 5, format=name
    )


@pytest.fixture(params=[(name, seed + 1) for name in FORMATS for seed in range(SEEDS)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Simulated:
    """A simulated archive of each format."""
    name, seed = request.param
    return simulated(tmp_path, simulation(str(name), int(seed)))


def count(server: Simulated, *, step: int | None = None) -> None:
    """Backfill the whole archive."""
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW, commit_every_bytes=step)


def test_one_backfill_equals_the_truth(server: Simulated) -> None:
    """All hours, weeks, countries, categories and rolling windows are exact after a backfill."""
    count(server)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


@pytest.mark.parametrize("server", [("tsv", 1)], indirect=True)
@pytest.mark.untraced
def test_windows_are_exact_where_they_are_counted_a_part_at_a_time(
    server: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As weeks of millions of addresses are; rolling windows across the change of keys, too."""
    monkeypatch.setattr(partitioned_reads, "PARTITION_ABOVE_ROWS", 10)
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", 20)
    monkeypatch.setattr(tick_counts, "CHUNK_ROWS", 50)
    count(server, step=100_000)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


@pytest.mark.parametrize("server", [("tsv", 1)], indirect=True)
def test_a_second_backfill_counts_nothing(server: Simulated) -> None:
    """What was counted is recognised by its content, whatever the file is called now."""
    count(server)
    for path in server.archive:
        path.rename(path.with_name("search-9" + path.name.removeprefix("search-")))
    with engine(server.settings) as opened:
        lines = backfill(opened, server.archive, None, lambda: NOW)
    assert not any(lines.values())
    assert_calendar_equals(server.state, server.truth)


@pytest.mark.parametrize("server", [("tsv", 1), ("enode-go", 1)], indirect=True)
def test_compressed_twins_of_what_was_counted_are_not_counted_again(server: Simulated) -> None:
    """A .gz made of a counted log is the same log."""
    count(server)
    for path in server.archive:
        (path.with_name(path.name + ".gz")).write_bytes(gzip.compress(path.read_bytes()))
    with engine(server.settings) as opened:
        lines = backfill(opened, server.archive, None, lambda: NOW)
    assert not any(lines.values())


@pytest.mark.untraced
def test_tiny_blocks_count_the_same(server: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1 KiB and a commit after each few of them change no figure."""
    monkeypatch.setattr("donkeywatch.runtime.backfill.ARCHIVE_READ_BYTES", 1024)
    count(server, step=200_000)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


@pytest.mark.parametrize("ending", ["gz", "zst", "xz"])
def test_compressed_archives_count_the_same(tmp_path: Path, ending: str) -> None:
    """Archives are decoded by the same blocks."""
    server = simulated(tmp_path, simulation("tsv", 9, 5_000))
    packs: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "zst": zstandard.compress,
        "xz": lzma.compress,
    }
    for path in server.archive:
        path.with_name(f"{path.name}.{ending}").write_bytes(packs[ending](path.read_bytes()))
        path.unlink()
    count(server)
    assert_calendar_equals(server.state, server.truth)


def live(directory: Path, sim: Simulation, *, restarts: int) -> tuple[Simulated, Truth, int]:
    """Follow a server that writes and rotates by the stepped clock; restart every so often.

    Returns what was written in truth, and the time at the end.
    """
    server = simulated(directory, sim, files=1)
    rate = sim.queries / (sim.hours * 3600)
    # As many rotations whatever the volume: more than `keep` between two looks would lose lines.
    rotate = 60_000 * sim.queries // 8_000
    writer = LiveWriter(sim, server.log, rate, rotate, 3, seed=8)
    moments = [sim.start + timedelta(minutes=20 * i) for i in range(3 * sim.hours + 1)]
    every = len(moments) // (restarts + 1) + 1
    for first in range(0, len(moments), every):
        with engine(server.settings, to_ms(moments[first])) as opened:
            for moment in moments[first : first + every]:
                writer.step(moment)
                opened.tick(to_ms(moment))
    now = to_ms(moments[-1])
    with engine(server.settings, now) as opened:
        for _ in range(2):
            now += 2 * MINUTE
            opened.tick(now)
    return server, writer.truth, now


def finish(server: Simulated, now: int) -> None:
    """Let the clock pass the end of the week, so that it closes."""
    with engine(server.settings, now) as opened:
        for _ in range(2):
            now += WEEK
            opened.tick(now)


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", FORMATS)
def test_live_following_equals_the_truth(tmp_path: Path, name: str, seed: int) -> None:
    """Read live through rotations, with the clock stepped over a change of the week."""
    server, truth, now = live(
        tmp_path, simulation(name, seed + 5, LIVE_QUERIES, LIVE_HOURS), restarts=0
    )
    assert_rolling_equals(server.state, truth, now - 2 * MINUTE)
    finish(server, now)
    assert_calendar_equals(server.state, truth)


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", FORMATS if SEEDS > 1 else ("tsv",))
def test_fifty_restarts_change_no_figure(tmp_path: Path, name: str, seed: int) -> None:
    """Stopped and restarted 50 times, the figures are those of one run."""
    server, truth, now = live(
        tmp_path, simulation(name, seed + 6, LIVE_QUERIES, LIVE_HOURS), restarts=50
    )
    assert_rolling_equals(server.state, truth, now - 2 * MINUTE)
    finish(server, now)
    assert_calendar_equals(server.state, truth)
