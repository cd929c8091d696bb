"""The live writer, stepped with a given clock; and the truth, asked for odd windows."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.live_writer import LiveWriter
from donkeywatch.simulation.truth import HOUR, Query, Truth

NOON = datetime(2026, 10, 1, 11, 59, 50, tzinfo=UTC)


def writer(path: Path, rotate: int = 20_000, keep: int = 99, name: str = "tsv") -> LiveWriter:
    """Return a writer of some 50 lines a second."""
    sim = Simulation(start=NOON, hours=24, queries=5000, addresses=500, format=name)
    return LiveWriter(sim, path, rate=50, rotate_bytes=rotate, keep=keep, seed=4)


def oldest_first(path: Path) -> list[Path]:
    """Return the log's files in the order of writing."""
    old = path.parent.glob(path.name + ".*")
    return [*sorted(old, key=lambda p: -int(p.suffix[1:])), path]


@pytest.mark.parametrize("name", ["tsv", "enode-go"])
def test_rotation_loses_nothing(tmp_path: Path, name: str) -> None:
    """The renamed files and the log together hold every line once, and the truth counts them."""
    log = tmp_path / "live.log"
    live = writer(log, name=name)
    written = sum(live.step(NOON + timedelta(seconds=0.7 * n)) for n in range(200))
    files = oldest_first(log)
    assert len(files) > 3
    assert all(20_000 < path.stat().st_size < 100_000 for path in files[:-1])
    data = b"".join(path.read_bytes() for path in files)
    assert data.count(b"\n") == written == live.truth.lines.total() > 4000
    for path in files:
        assert not path.read_bytes() or path.read_bytes().endswith(b"\n")
    start = int(NOON.timestamp() * 1000)
    observed = live.truth.window(start - HOUR, start + HOUR)
    assert observed["queries"] == live.truth.lines["query"] > 1000


def test_the_clock_decides_what_is_written_not_the_steps(tmp_path: Path) -> None:
    """One long step writes what many short ones do, and never a line from the future."""
    valid, coarse = tmp_path / "fine.log", tmp_path / "coarse.log"
    first, other = writer(valid, 10**9), writer(coarse, 10**9)
    for n in range(301):
        first.step(NOON + timedelta(seconds=0.3 * n))
    assert other.step(NOON) == 0
    other.step(NOON + timedelta(seconds=90))
    assert valid.read_bytes() == coarse.read_bytes()
    assert first.truth.as_json() == other.truth.as_json()
    end = int((NOON + timedelta(seconds=90)).timestamp() * 1000)
    assert first.truth.window(end + 1, end + HOUR)["queries"] == 0
    assert other.step(NOON) == 0


def test_the_oldest_files_go(tmp_path: Path) -> None:
    """No more than `keep` renamed files remain."""
    log = tmp_path / "live.log"
    for keep, left in ((2, ["live.log", "live.log.1", "live.log.2"]), (0, ["live.log"])):
        live = writer(log, 5_000, keep)
        for n in range(60):
            live.step(NOON + timedelta(seconds=n))
        assert sorted(path.name for path in tmp_path.iterdir()) == left
        for path in tmp_path.iterdir():
            path.unlink()


def test_it_runs_by_the_real_clock_until_told_to_stop(tmp_path: Path) -> None:
    """The loop writes while it runs and ends when the event is set."""
    live, stop = writer(tmp_path / "live.log"), threading.Event()
    thread = threading.Thread(target=live.run, args=(stop, 0.01))
    thread.start()
    for _ in range(500):
        if live.truth.lines.total():
            break
        stop.wait(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert (tmp_path / "live.log").read_bytes().count(b"\n") == live.truth.lines.total() > 0


def test_windows_are_half_open_and_weeks_are_iso_weeks() -> None:
    """A query at a window's start is in it, one at its end is not; a week begins on Monday UTC."""
    monday = int(datetime(2026, 9, 28, tzinfo=UTC).timestamp() * 1000)
    queries: list[Query] = [
        (monday - 1, "10.0.0.1", "FR", None, None),
        (monday, "10.0.0.1", "FR", "explicit", "terms"),
        (monday + 5, "10.0.0.1", "FR", "age_sex", None),
        (monday + HOUR, "10.0.0.2", "ZZ", None, "terms"),
    ]
    truth = Truth()
    truth.add(queries, {"query": 4})
    assert truth.week("2026-W39")["queries"] == 1
    assert truth.week("2026-W40")["queries"] == 3
    hour = truth.hour(monday)
    assert (hour["queries"], hour["addresses"], hour["sum_qq"]) == (2, 1, 4)
    topic = hour["topics"]["pedophile"]
    assert [topic[f"addresses_{n}"] for n in (1, 2, 3)] == [1, 1, 0]
    assert (topic["sum_qk"], topic["sum_kk"]) == (4, 4)
    assert (topic["top_1"], topic["top_10"], topic["exclusive_queries"]) == (2, 2, 1)
    other = truth.week("2026-W40")["topics"]["pornographic"]
    assert (other["top_1"], other["top_10"], other["exclusive_queries"]) == (1, 2, 1)
    assert truth.window(monday + 1, monday + HOUR + 1)["countries"]["ZZ"]["queries"] == 1
    assert truth.window(0, 1)["queries"] == 0
    assert list(truth.as_json()["hours"]) == [
        "2026-09-27T23:00:00Z", "2026-09-28T00:00:00Z", "2026-09-28T01:00:00Z",
    ]  # fmt: skip
