"""Simulated databases that several tests of the study read."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.lab.truth import HOUR
from donkeywatch.lab.years import WEEK, Years
from donkeywatch.study.findings import Findings, Options, findings
from study.archive import database

for name in ("scipy", "statsmodels", "pymannkendall", "ruptures", "matplotlib"):
    pytest.importorskip(name, reason="needs the extra [study]")

YEARS = Years(
    hours=32 * WEEK + 16,
    queries=2_400_000,
    addresses=50_000,
    change=28 * WEEK,
    outages=((500, 20), (1003, 3), (2500, 60)),
    halves=(1200,),
)
"""Seven months with outages, a change of summer time and one of the lexicon."""


@pytest.fixture(scope="session")
def years() -> Years:
    """What was planted."""
    return YEARS


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of these years."""
    return database(YEARS, tmp_path_factory.mktemp("years") / "donkeywatch.db")


@pytest.fixture(scope="session")
def found(archive: Path) -> Findings:
    """What the report is made of."""
    return findings(archive, Options(until=YEARS.start_ms + YEARS.hours * HOUR))
