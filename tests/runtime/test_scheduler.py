"""When the daemon reads, stores and sleeps."""

from __future__ import annotations

import pytest

from donkeywatch.runtime.scheduler import IDLE, LEISURE, Pace
from donkeywatch.settings.schema import Checkpoint

MANY = 1 << 20


@pytest.fixture
def pace() -> Pace:
    """With a commit every second, and one after MANY bytes."""
    return Pace(Checkpoint(interval=1.0, bytes=MANY), scan=2.0)


def test_the_first_line_after_a_silence_is_stored_at_once(pace: Pace) -> None:
    """Nothing was stored for the length of an interval."""
    assert pace.due(0)
    pace.stored(0)
    assert not pace.due(999)
    assert pace.due(1_000)


def test_much_is_stored_sooner(pace: Pace) -> None:
    """What waits in memory is bounded by bytes, too."""
    pace.stored(0)
    pace.pending = MANY - 1
    assert not pace.due(1)
    pace.pending = MANY
    assert pace.due(1)


def test_a_growing_log_is_left_alone_for_a_while(pace: Pace) -> None:
    """Until the next commit at the most, and no longer than LEISURE; a silent one never."""
    assert pace.pause(0) == 0
    pace.stored(0)
    assert pace.pause(0) == LEISURE / 1000
    assert pace.pause(900) == 0.1
    assert pace.pause(1_000) == 0


def test_the_sleep_ends_when_a_commit_is_due(pace: Pace) -> None:
    """With nothing pending only the scan is waited for."""
    pace.stored(0)
    assert pace.wait(200) == 2.0
    pace.pending = 1
    assert pace.wait(200) == 0.8
    assert pace.wait(5_000) == 0


def test_a_failed_commit_is_tried_again_after_an_interval(pace: Pace) -> None:
    """What was pending is read again: nothing is."""
    pace.pending = 5_000
    pace.failed(10)
    assert pace.pending == 0
    assert not pace.due(1_009)
    assert pace.due(1_010)


def test_coverage_alone_is_stored_now_and_then(pace: Pace) -> None:
    """A failed commit does not count as stored."""
    assert pace.stale(0)
    pace.stored(0)
    pace.failed(IDLE - 1)
    assert not pace.stale(IDLE - 1)
    assert pace.stale(IDLE)
