"""Coverage tells followed seconds from silent ones."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, floor_to
from donkeywatch.counting.coverage import Coverage, seconds_by_hour

BASE = floor_to(1_790_000_000_000, HOUR)
SILENCE = 15 * MINUTE
gaps = st.sampled_from([0, 1, SECOND, SILENCE - 1, SILENCE, SILENCE + 1, HOUR, 5 * HOUR])


def at(*offsets: int) -> np.ndarray:
    """Times by their distance from the base."""
    return np.array([BASE + item for item in offsets], np.int64)


def test_followed_time_is_covered() -> None:
    """From the first moment on, hour by hour, to the millisecond."""
    coverage = Coverage()
    coverage.cover_until(BASE + 30 * MINUTE)
    coverage.cover_until(BASE + 2 * HOUR + 500)
    expected = {BASE: 1800.0, BASE + HOUR: 3600.0, BASE + 2 * HOUR: 0.5}
    assert seconds_by_hour(coverage.take()) == expected
    assert seconds_by_hour(coverage.take()) == {}


def test_missed_time_is_not() -> None:
    """A gap stays a gap, even when its log is read later."""
    coverage = Coverage(BASE)
    coverage.skip_until(BASE + 40 * MINUTE)
    coverage.cover_until(BASE + HOUR)
    coverage.cover_event_times(at(10 * MINUTE, 20 * MINUTE), SILENCE)
    assert seconds_by_hour(coverage.take()) == {BASE: 1200.0}


def test_time_between_queries_of_the_past_is_covered_unless_silent() -> None:
    """A pause of exactly the limit is covered, a longer one is not."""
    coverage = Coverage()
    coverage.cover_event_times(at(0, SILENCE, SILENCE + 5 * SECOND), SILENCE)
    coverage.cover_event_times(at(2 * SILENCE + 5 * SECOND + 1, 2 * SILENCE + 7 * SECOND), SILENCE)
    assert sum(seconds_by_hour(coverage.take()).values()) == pytest.approx(900 + 5 + 1.999)


def test_a_clock_that_steps_back_covers_nothing_twice() -> None:
    """No moment before `until` is added again."""
    coverage = Coverage(BASE)
    coverage.cover_until(BASE + 10 * MINUTE)
    coverage.cover_until(BASE + 5 * MINUTE)
    coverage.skip_until(BASE + 6 * MINUTE)
    coverage.cover_until(BASE + 10 * MINUTE)
    assert seconds_by_hour(coverage.take()) == {BASE: 600.0}


@given(
    st.lists(
        st.tuples(st.sampled_from(["reach", "miss", "read"]), st.integers(-2 * HOUR, 3 * HOUR),
                  st.lists(gaps | st.integers(-HOUR, HOUR), min_size=1, max_size=6)),
        max_size=12,
    )
)  # fmt: skip
def test_coverage_never_exceeds_elapsed(steps: list[tuple[str, int, list[int]]]) -> None:
    """Whatever happens, no hour has more than 3600 s, nor all of it more than passed."""
    coverage = Coverage()
    total: Counter[int] = Counter()
    moments: list[int] = []
    now = BASE
    for kind, step, more in steps:
        now += step
        if kind == "read":
            times = now + np.cumsum(np.array(more, np.int64))
            coverage.cover_event_times(times, SILENCE)
            moments += times.tolist()
        else:
            (coverage.cover_until if kind == "reach" else coverage.skip_until)(now)
            moments.append(now)
        for hour, seconds in seconds_by_hour(coverage.take()).items():
            total[hour] += round(seconds * SECOND)
    assert all(0 < ms <= HOUR for ms in total.values())
    assert all(hour == floor_to(hour, HOUR) for hour in total)
    if moments:
        assert total.total() <= max(moments) - min(moments)
        assert coverage.decided_until == max(moments)


def covered(times: list[int], cuts: list[int]) -> tuple[dict[int, float], int | None]:
    """What reading in pieces covers."""
    coverage = Coverage()
    bounds = [0, *sorted(c for c in cuts if c <= len(times)), len(times)]
    for first, last in pairwise(bounds):
        coverage.cover_event_times(np.array(times[first:last], np.int64), SILENCE)
    return seconds_by_hour(coverage.take()), coverage.decided_until


@given(st.lists(gaps, max_size=20), st.lists(st.integers(0, 20), max_size=6))
def test_reading_the_past_does_not_depend_on_cuts(walk: list[int], cuts: list[int]) -> None:
    """Blocks of any size cover the same seconds: the pauses up to the limit."""
    times = [BASE + sum(walk[: i + 1]) for i in range(len(walk))]
    result = covered(times, cuts)
    assert result == covered(times, [])
    expected = sum(gap for gap in walk[1:] if gap <= SILENCE) / SECOND
    assert sum(result[0].values()) == pytest.approx(expected)


def test_stamps_out_of_order_do_not_depend_on_cuts_either() -> None:
    """A line that steps back into a silence covers it in one block and not in two."""
    times = [BASE, BASE + 25 * MINUTE, BASE + 12 * MINUTE]
    assert covered(times, [2]) == covered(times, [])
