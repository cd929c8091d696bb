"""When the daemon reads, stores and sleeps."""

from __future__ import annotations

import pytest

from donkeywatch.runtime.commit_scheduler import (
    COVERAGE_COMMIT_MS,
    MAX_COALESCE_MS,
    CommitScheduler,
)
from donkeywatch.settings.schema import Checkpoint

BATCH_BYTES = 1 << 20


@pytest.fixture
def pace() -> CommitScheduler:
    """With a commit every second, and one after MANY bytes."""
    return CommitScheduler(Checkpoint(interval=1.0, bytes=BATCH_BYTES), scan=2.0)


def test_the_first_line_after_a_silence_is_stored_at_once(pace: CommitScheduler) -> None:
    """Nothing was stored for the length of an interval."""
    assert pace.commit_due(0)
    pace.on_commit(0)
    assert not pace.commit_due(999)
    assert pace.commit_due(1_000)


def test_much_is_stored_sooner(pace: CommitScheduler) -> None:
    """What waits in memory is bounded by bytes, too."""
    pace.on_commit(0)
    pace.pending_bytes = BATCH_BYTES - 1
    assert not pace.commit_due(1)
    pace.pending_bytes = BATCH_BYTES
    assert pace.commit_due(1)


def test_a_growing_log_is_left_alone_for_a_while(pace: CommitScheduler) -> None:
    """Until the next commit at the most, and no longer than LEISURE; a silent one never."""
    assert pace.coalesce_seconds(0) == 0
    pace.on_commit(0)
    assert pace.coalesce_seconds(0) == MAX_COALESCE_MS / 1000
    assert pace.coalesce_seconds(900) == 0.1
    assert pace.coalesce_seconds(1_000) == 0


def test_the_sleep_ends_when_a_commit_is_due(pace: CommitScheduler) -> None:
    """With nothing pending only the scan is waited for."""
    pace.on_commit(0)
    assert pace.sleep_seconds(200) == 2.0
    pace.pending_bytes = 1
    assert pace.sleep_seconds(200) == 0.8
    assert pace.sleep_seconds(5_000) == 0


def test_a_failed_commit_is_tried_again_after_an_interval(pace: CommitScheduler) -> None:
    """What was pending is read again: nothing is."""
    pace.pending_bytes = 5_000
    pace.on_failed_commit(10)
    assert pace.pending_bytes == 0
    assert not pace.commit_due(1_009)
    assert pace.commit_due(1_010)


def test_coverage_alone_is_stored_now_and_then(pace: CommitScheduler) -> None:
    """A failed commit does not count as stored."""
    assert pace.coverage_commit_due(0)
    pace.on_commit(0)
    pace.on_failed_commit(COVERAGE_COMMIT_MS - 1)
    assert not pace.coverage_commit_due(COVERAGE_COMMIT_MS - 1)
    assert pace.coverage_commit_due(COVERAGE_COMMIT_MS)
