"""P11: gaps show: an hour that nobody followed has a coverage below 1 and no fraction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, week_start
from donkeywatch.counting.coverage import Coverage, seconds_by_hour
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.publish.window_views import WindowView
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.log_writer import LogWriter
from support.simulated_server import START, TOPICS

NOON = week_start("2026-W41") + 12 * HOUR


@pytest.fixture
def hours(tmp_path: Path) -> list[WindowView]:
    """Three hours of which the log is there for the first, and for half of the third."""
    sim = Simulation(start=START, hours=1, queries=50, addresses=50)
    settings = loader.load(simulation_directory.write_settings(sim, tmp_path), {})
    log = tmp_path / "search.log"
    log.touch()
    engine = Engine(settings, NOON)
    for now in range(NOON, NOON + 3 * HOUR + 5 * MINUTE, 30 * SECOND):
        if NOON + HOUR <= now < NOON + 2 * HOUR + 30 * MINUTE:
            log.unlink(missing_ok=True)
        else:
            LogWriter(log).log_search(now, "198.51.100.7", "zqorv")
        engine.tick(now, now)
    engine.close()
    with Snapshots(settings.state, TOPICS).open() as snapshot:
        return list(snapshot.windows_between("hour", NOON, NOON + 3 * HOUR, 10))


def test_the_coverage_is_the_time_for_which_the_log_was_followed(hours: list[WindowView]) -> None:
    """All of the first hour, nothing of the second, half of the third."""
    followed = {(hour.start - NOON) // HOUR: hour.coverage for hour in hours}
    assert followed[0] == pytest.approx(1, abs=0.02)
    assert followed.get(1, 0) == pytest.approx(0, abs=0.02)
    assert followed[2] == pytest.approx(0.5, abs=0.03)


def test_an_hour_that_nobody_followed_has_no_fraction(hours: list[WindowView]) -> None:
    """Neither of queries nor of addresses: silence is not zero."""
    for hour in hours:
        known = hour.queries > 0
        for topic in hour.topics:
            assert (topic.query_fraction is not None) is known
            assert (topic.address_fractions[0] is not None) is known
        assert known or hour.coverage < 1


def test_a_long_silence_in_the_past_is_not_covered() -> None:
    """Nobody looked meanwhile: the server may have been down."""
    coverage = Coverage()
    coverage.cover_event_times(np.array([0, 10 * MINUTE, 50 * MINUTE, 55 * MINUTE]), 15 * MINUTE)
    assert sum(seconds_by_hour(coverage.take()).values()) == 15 * 60


def test_what_was_not_followed_is_left_out_and_nothing_counts_twice() -> None:
    """Also where a clock steps back."""
    coverage = Coverage()
    coverage.cover_until(0)
    coverage.cover_until(10 * MINUTE)
    coverage.skip_until(40 * MINUTE)
    coverage.cover_until(50 * MINUTE)
    coverage.cover_until(45 * MINUTE)
    coverage.cover_until(50 * MINUTE)
    assert seconds_by_hour(coverage.take()) == {0: 20 * 60.0}
