"""What rolling windows cover: to the millisecond, whatever was followed before and after them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, MINUTE, floor_to
from donkeywatch.counting.checkpoint_batch import Batch
from donkeywatch.counting.coverage import CoveredTime
from donkeywatch.counting.window_aggregates import empty_aggregate
from donkeywatch.store import covered_times
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.store import Store
from support.stored_windows import TOPICS

NOON = floor_to(1_790_000_000_000, HOUR)
FIELDS = "create table covered_times (source text, start integer, until integer, share float)"
moments = st.integers(0, 40)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), moments, moments), max_size=12),
    moments,
    moments,
    moments,
)
def test_each_moment_counts_once_for_each_source(
    spans: list[tuple[str, int, int]], start: int, length: int, back: int
) -> None:
    """As if each moment of each source were marked one by one; nothing is left behind a rewind."""
    db = sqlite3.connect(":memory:")
    db.execute(FIELDS)
    marked: set[tuple[str, int]] = set()
    for source, first, more in spans:
        covered_times.add(db, [CoveredTime(first, first + more + 1, source, 0.5)])
        marked |= {(source, moment) for moment in range(first, first + more + 1)}
    end = start + length + 1
    expected = sum(0.5 for _, moment in marked if start <= moment < end)
    assert covered_times.seconds_between(db, start, end) == pytest.approx(expected / 1000)
    covered_times.take_back(db, back)
    rest = sum(0.5 for _, moment in marked if moment < back)
    assert covered_times.seconds_between(db, 0, 1000) == pytest.approx(rest / 1000)
    db.close()


def test_another_number_of_sources_counts_from_when_there_were_as_many() -> None:
    """What is covered already, by another share, is replaced where both are."""
    db = sqlite3.connect(":memory:")
    db.execute(FIELDS)
    covered_times.add(db, [CoveredTime(0, 1000, "a", 1.0), CoveredTime(800, 2000, "a", 0.5)])
    assert covered_times.seconds_between(db, 0, 2000) == pytest.approx(0.8 + 0.6)
    covered_times.add(db, [CoveredTime(300, 500, "a", 0.25)])
    assert covered_times.seconds_between(db, 0, 2000) == pytest.approx(0.6 + 0.05 + 0.6)
    db.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty database."""
    ensure_state_directory(tmp_path)
    return Store(tmp_path, TOPICS)


def rolling_coverage(store: Store, end: int) -> float:
    """Seconds of the hour before ``end`` (ms UTC), as the rolling window says."""
    store.replace_rolling({"1h": (end - HOUR, end, empty_aggregate(len(TOPICS)))})
    (covered,) = store.connection.execute(
        "select covered_seconds from windows where kind = '1h'"
    ).fetchone()
    return float(covered)


def test_what_is_followed_behind_a_rolling_window_is_not_in_it(store: Store) -> None:
    """A log that is followed since 44 s before the end is covered for 44 s."""
    end = NOON + 30 * MINUTE
    store.checkpoint(Batch(), [], [], [CoveredTime(end - 44_000, end + 3 * MINUTE, "a")], end)
    assert rolling_coverage(store, end) == 44.0


def test_a_gap_stays_a_gap_while_the_rest_of_its_hour_is_followed(store: Store) -> None:
    """Twenty minutes are missing in each window of an hour that holds them."""
    gap = NOON, NOON + 20 * MINUTE
    spans = [CoveredTime(NOON - 2 * HOUR, gap[0], "a"), CoveredTime(gap[1], NOON + HOUR, "a")]
    store.checkpoint(Batch(), [], [], spans, NOON + HOUR)
    assert rolling_coverage(store, NOON + 10 * MINUTE) == 50 * 60
    for minutes in range(20, 61, 5):
        assert rolling_coverage(store, NOON + minutes * MINUTE) == 40 * 60


def test_spans_are_forgotten_when_no_rolling_window_needs_them(store: Store) -> None:
    """The table holds a week, however long the daemon runs."""
    for hour in range(10):
        start = NOON + hour * HOUR
        span = CoveredTime(start, start + 50 * MINUTE, "a")
        store.checkpoint(Batch(), [], [], [span], start + HOUR)
        rolling_coverage(store, start + HOUR)
    (count,) = store.connection.execute("select count(*) from covered_times").fetchone()
    assert count == 1
