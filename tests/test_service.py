"""The daemon's own words: a problem is told once when it comes, and once when it goes."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from donkeywatch import config
from donkeywatch.lab.simulate import Simulation
from donkeywatch.service import Service
from donkeywatch.status import SourceStatus, Status
from support import START, simulated

GOOD = SourceStatus("main", True, True, 0, 0, None, None)
DAMAGED, FORMAT = "a.gz: damaged", "none of its lines is a search"


def of(error: str | None) -> Status:
    """One source that is followed and complains of that."""
    return Status(sources=(replace(GOOD, error=error),))


def test_each_complaint_is_told_when_it_comes_and_that_it_went(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two different ones behind each other are both told; one that lasts is told once."""
    made = simulated(tmp_path, Simulation(seed=1, start=START, hours=24, queries=9, addresses=10))
    service = Service(tmp_path, config.load(made.settings))
    caplog.set_level(logging.INFO)
    caplog.clear()
    course = [None, DAMAGED, DAMAGED, FORMAT, FORMAT, None, None]
    try:
        for before, after in itertools.pairwise(course):
            service._tell(of(before), of(after))
    finally:
        service._stopping = True
        service.run()  # It ends at once, and gives back what it holds.
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if line.startswith("source")] == [
        f"source main: {DAMAGED}",
        f"source main: {FORMAT}",
        "source main: nothing is wrong with it any more",
    ]
