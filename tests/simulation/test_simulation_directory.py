"""An archive that is written again holds one simulation, and no log of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.simulation_directory import ARCHIVE, prepare
from support.simulated_server import START

THREE_WEEKS = Simulation(seed=1, start=START, hours=3 * 168, queries=300, addresses=50)
ONE_WEEK = Simulation(seed=2, start=START, hours=168, queries=300, addresses=50)


def interrupt(hours: int) -> None:
    """As Ctrl-C in the second file."""
    if hours > 200:
        raise KeyboardInterrupt


def test_logs_of_an_interrupted_archive_are_replaced(tmp_path: Path) -> None:
    """Their truth was never written."""
    with pytest.raises(KeyboardInterrupt):
        prepare(THREE_WEEKS, tmp_path, on_hour=interrupt)
    assert len(list((tmp_path / ARCHIVE).glob("search-*"))) == 2
    assert [path.name for path in prepare(ONE_WEEK, tmp_path)] == ["search-01.log"]


def test_logs_of_a_finished_archive_are_replaced(tmp_path: Path) -> None:
    """With their truth."""
    assert len(prepare(THREE_WEEKS, tmp_path)) == 3
    with pytest.raises(KeyboardInterrupt):
        prepare(THREE_WEEKS, tmp_path, on_hour=interrupt)
    assert [path.name for path in prepare(ONE_WEEK, tmp_path)] == ["search-01.log"]


def test_logs_of_somebody_else_stay(tmp_path: Path) -> None:
    """A directory that holds logs without a truth is not ours to empty."""
    (tmp_path / ARCHIVE).mkdir()
    log = tmp_path / ARCHIVE / "search-99.log"
    log.write_text("zqorv")
    prepare(ONE_WEEK, tmp_path)
    assert log.read_text() == "zqorv"
