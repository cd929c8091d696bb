"""Times are judged as one would line by line: accepted, late, too late, or of the future."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, WEEK, week_of, week_start
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.ingest.lateness import ACCEPTED, FUTURE, TOO_LATE, LatenessRules, week_starts
from donkeywatch.ingest.line_reader import QueryColumns

MONDAY = week_start("2026-W40")
NOW = MONDAY + HOUR
RULES = LatenessRules(lateness=2 * MINUTE, future=5 * MINUTE)
TIMES = st.lists(
    st.one_of(
        st.integers(-30 * MINUTE, 30 * MINUTE),
        st.integers(-2 * WEEK, 2 * WEEK),
        st.sampled_from((0, 5 * MINUTE, 5 * MINUTE + 1, -WEEK, -WEEK - 1, -HOUR, -HOUR - 1)),
    ).map(lambda aside: NOW + aside),
    max_size=30,
)


def searches(times: list[int]) -> QueryColumns:
    """Searches at these times, of one address, in no category."""
    time = np.array(times, np.int64)
    count = len(times)
    return QueryColumns(
        time, time, np.zeros((count, 16), np.uint8), np.zeros((1, count), np.uint8), Counter()
    )


@given(TIMES, st.booleans())
def test_a_block_is_judged_like_its_lines(times: list[int], destroyed: bool) -> None:
    """The whole block at once, beside one line after the other by the rules as they are told."""

    def has_key(week: int) -> bool:
        return not destroyed or week >= MONDAY

    judged = RULES.judge(searches(times), EventTimeFrontier.restored(NOW, 0, 0), NOW, has_key)
    frontier = EventTimeFrontier.restored(NOW, 0, 0)
    for time, verdict in zip(times, judged.verdict.tolist(), strict=True):
        if time > NOW + RULES.future:
            assert verdict == FUTURE
            continue
        _, before = frontier.advance(np.array([time], np.int64))
        too_late = time < int(before[0]) - WEEK or not has_key(week_of(time))
        assert verdict == (TOO_LATE if too_late else ACCEPTED)
    outcomes = judged.outcomes()
    assert outcomes["future"] + outcomes["too_late"] == np.count_nonzero(judged.verdict)


@given(TIMES, st.integers(-3 * HOUR, 3 * HOUR))
def test_a_search_is_late_when_its_hour_had_closed(times: list[int], closed: int) -> None:
    """By the frontier before it, less the lateness, or because the hour is closed already."""
    before = np.maximum.accumulate(np.array([NOW, *times], np.int64))[:-1]
    late = RULES.are_late(np.array(times, np.int64), before, NOW + closed)
    for time, frontier, is_late in zip(times, before.tolist(), late.tolist(), strict=True):
        end = time // HOUR * HOUR + HOUR
        assert is_late == (end <= max(frontier - RULES.lateness, NOW + closed))


def test_what_only_an_unconfirmed_clock_calls_too_late_depends_on_it() -> None:
    """A log came to stamps two weeks ahead; lines of now are too late by those alone."""
    ahead = NOW + 2 * WEEK
    read = searches([ahead, ahead + SECOND, NOW])
    frontier = EventTimeFrontier.restored(ahead, 0, 0)
    depend = RULES.depend_on_clock(read, frontier, ahead, NOW)
    assert depend.tolist() == [False, False, True]
    assert frontier.max_time == ahead  # It stays where it was.
    assert not RULES.depend_on_clock(read, frontier, ahead, ahead).any()


@given(TIMES)
def test_the_starts_of_weeks_are_those_of_the_calendar(times: list[int]) -> None:
    """The columns' formula beside that of a single time."""
    assert week_starts(np.array(times, np.int64)).tolist() == [week_of(time) for time in times]
