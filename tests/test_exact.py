"""Every figure equals the independent truth, however the lines arrive."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support import (
    NOW,
    START,
    Simulated,
    assert_calendar_equals,
    assert_rolling_equals,
    engine,
    simulated,
)

from donkeywatch.backfill import backfill
from donkeywatch.counting.windows import MINUTE, WEEK, milliseconds
from donkeywatch.lab.live import LiveWriter
from donkeywatch.lab.simulate import Simulation
from donkeywatch.lab.truth import Truth

FORMATS = ("tsv", "enode-go", "jsonl", "regex")
HOURS = 15 * 24
LIVE_HOURS = 8 * 24


def simulation(name: str, seed: int, queries: int = 20_000, hours: int = HOURS) -> Simulation:
    """Two weeks and a day, so that keys roll over and rolling windows cross them."""
    return Simulation(
        seed=seed, start=START, hours=hours, queries=queries, addresses=4_000, format=name
    )


@pytest.fixture(params=FORMATS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Simulated:
    """A simulated archive of each format."""
    name = str(request.param)
    return simulated(tmp_path, simulation(name, seed=FORMATS.index(name) + 1))


def count(server: Simulated, *, step: int | None = None) -> None:
    """Backfill the whole archive."""
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW, step=step)


def test_one_backfill_equals_the_truth(server: Simulated) -> None:
    """All hours, weeks, countries, categories and rolling windows are exact after a backfill."""
    count(server)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


@pytest.mark.parametrize("server", ["tsv"], indirect=True)
def test_a_second_backfill_counts_nothing(server: Simulated) -> None:
    """What was counted is recognised by its content, whatever the file is called now."""
    count(server)
    for path in server.archive:
        path.rename(path.with_name("search-9" + path.name.removeprefix("search-")))
    with engine(server.settings) as opened:
        lines = backfill(opened, server.archive, None, lambda: NOW)
    assert set(lines.values()) == {0}
    assert_calendar_equals(server.state, server.truth)


@pytest.mark.parametrize("server", ["tsv", "enode-go"], indirect=True)
def test_compressed_twins_of_what_was_counted_are_not_counted_again(server: Simulated) -> None:
    """A .gz made of a counted log is the same log."""
    count(server)
    for path in server.archive:
        (path.with_name(path.name + ".gz")).write_bytes(gzipped(path))
    with engine(server.settings) as opened:
        lines = backfill(opened, server.archive, None, lambda: NOW)
    assert set(lines.values()) == {0}


def gzipped(path: Path) -> bytes:
    """The compressed content of a file."""
    import gzip

    return gzip.compress(path.read_bytes())


def test_tiny_blocks_count_the_same(server: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1 KiB and a commit after each few of them change no figure."""
    monkeypatch.setattr("donkeywatch.sources.generations.SIZE", 1024)
    count(server, step=200_000)
    assert_calendar_equals(server.state, server.truth)
    assert_rolling_equals(server.state, server.truth)


@pytest.mark.parametrize("ending", ["gz", "zst", "xz"])
def test_compressed_archives_count_the_same(tmp_path: Path, ending: str) -> None:
    """Archives are decoded by the same blocks."""
    import lzma

    import zstandard

    server = simulated(tmp_path, simulation("tsv", 9, 5_000))
    pack = {"gz": gzipped, "zst": lambda p: zstandard.compress(p.read_bytes()),
            "xz": lambda p: lzma.compress(p.read_bytes())}  # fmt: skip
    for path in server.archive:
        path.with_name(f"{path.name}.{ending}").write_bytes(pack[ending](path))
        path.unlink()
    count(server)
    assert_calendar_equals(server.state, server.truth)


def live(directory: Path, sim: Simulation, *, restarts: int) -> tuple[Simulated, Truth, int]:
    """Follow a server that writes and rotates by the stepped clock; restart every so often.

    Returns what was written in truth, and the time at the end.
    """
    server = simulated(directory, sim, files=1)
    rate = sim.queries / (sim.hours * 3600)
    writer = LiveWriter(sim, server.log, rate, 60_000, 3, seed=8)
    moments = [sim.start + timedelta(minutes=20 * i) for i in range(3 * sim.hours + 1)]
    every = len(moments) // (restarts + 1) + 1
    for first in range(0, len(moments), every):
        with engine(server.settings, milliseconds(moments[first])) as opened:
            for moment in moments[first : first + every]:
                writer.step(moment)
                opened.tick(milliseconds(moment))
    now = milliseconds(moments[-1])
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


@pytest.mark.parametrize("name", FORMATS)
def test_live_following_equals_the_truth(tmp_path: Path, name: str) -> None:
    """Read live through rotations, with the clock stepped over a change of the week."""
    server, truth, now = live(tmp_path, simulation(name, 5, 8_000, LIVE_HOURS), restarts=0)
    assert_rolling_equals(server.state, truth, now - 2 * MINUTE)
    finish(server, now)
    assert_calendar_equals(server.state, truth)


def test_fifty_restarts_change_no_figure(tmp_path: Path) -> None:
    """Stopped and restarted 50 times, the figures are those of one run."""
    server, truth, now = live(tmp_path, simulation("tsv", 6, 8_000, LIVE_HOURS), restarts=50)
    assert_rolling_equals(server.state, truth, now - 2 * MINUTE)
    finish(server, now)
    assert_calendar_equals(server.state, truth)
