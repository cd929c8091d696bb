"""Simulated databases that several tests of the study read."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.simulation.three_years import WEEK, Years
from donkeywatch.simulation.truth import HOUR
from report.archive import database

LIBRARIES = ("scipy", "statsmodels", "pymannkendall", "ruptures", "matplotlib")


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """The extra [study] is there; in CI its absence is a failure."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"needs the extra [study]: {', '.join(missing)} missing")
    assert not missing


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
def analysis(archive: Path) -> Analysis:
    """What the report is made of."""
    return analyse_database(archive, Options(until=YEARS.start_ms + YEARS.hours * HOUR))


@pytest.fixture(scope="session")
def short(archive: Path, years: Years) -> Analysis:
    """A hundred hours: no whole week."""
    return analyse_database(archive, Options(until=years.start_ms + 100 * HOUR))
