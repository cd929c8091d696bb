"""P13: the same input gives the same report, byte for byte, whatever the surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from donkeywatch.runtime.backfill import backfill
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import NOW, engine, simulated

SURROUNDINGS = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "COLUMNS": "40"},
    {"PYTHONHASHSEED": "2", "TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8", "COLUMNS": "200"},
)


@pytest.mark.untraced
def test_two_reports_of_one_database_are_the_same_bytes(tmp_path: Path) -> None:
    """Under other hash seeds, zones, locales and umasks, one after the other."""
    if find_spec("matplotlib") is None:
        pytest.skip("needs the extra [study]")
    sim = Simulation(
        seed=5, start=datetime(2026, 10, 5, tzinfo=UTC), hours=14 * 24, queries=9_000, addresses=900
    )
    server = simulated(tmp_path / "server", sim)
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
    reports = []
    for number, surroundings in enumerate(SURROUNDINGS):
        directory = tmp_path / f"report-{number}"
        command = [sys.executable, "-m", "donkeywatch", "report", "-c", str(server.settings)]
        done = subprocess.run(
            [*command, "--out", str(directory)], env={**os.environ, **surroundings},
            capture_output=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        reports.append({path.name: path.read_bytes() for path in directory.iterdir()})
    first, second = reports
    assert {".svg", ".pdf", ".csv", ".png", ".html"} <= {Path(name).suffix for name in first}
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
