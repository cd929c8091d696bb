"""The frontier follows the log, whatever the cuts, and one bogus stamp does not move it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE
from donkeywatch.counting.event_time_frontier import CONFIRMATIONS, MAX_STEP, EventTimeFrontier

BASE = 1_790_000_000_000
steps = st.sampled_from(
    [-3 * MAX_STEP, -MAX_STEP, -1, 0, 1, MINUTE, MAX_STEP - 1, MAX_STEP, MAX_STEP + 1, 2 * MAX_STEP]
)
walks = st.lists(steps | st.integers(-MAX_STEP, 2 * MAX_STEP), max_size=30)
long_walks = st.lists(steps | st.sampled_from([9 * DAY, -9 * DAY, 0, 0, 1]), max_size=30)


def fed(
    frontier: EventTimeFrontier, times: list[int], alternatives: list[int] | None, cuts: list[int]
) -> tuple[list[int], list[int]]:
    """Admit the times in pieces; what was decided, and the frontiers before."""
    bounds = [0, *sorted(c for c in cuts if c <= len(times)), len(times)]
    decided: list[int] = []
    before: list[int] = []
    for first, last in pairwise(bounds):
        part = np.array(times[first:last], np.int64)
        other = None if alternatives is None else np.array(alternatives[first:last], np.int64)
        if other is not None and bool((other == part).all()):
            other = None
        result = frontier.advance(part, other)
        decided += result[0].tolist()
        before += result[1].tolist()
    return decided, before


@given(
    walks | long_walks,
    st.lists(st.integers(0, 30), max_size=8),
    st.lists(st.booleans(), max_size=30),
)
def test_the_result_does_not_depend_on_cuts(
    walk: list[int], cuts: list[int], folds: list[bool]
) -> None:
    """One block, many blocks or line by line: the same decisions and the same frontier."""
    times = [BASE + sum(walk[: i + 1]) for i in range(len(walk))]
    folds = folds + [False] * (len(times) - len(folds))
    alternatives = [t + HOUR * fold for t, fold in zip(times, folds, strict=False)]
    for other in (None, alternatives):
        whole, cutted, single = EventTimeFrontier(), EventTimeFrontier(), EventTimeFrontier()
        expected = fed(whole, times, other, [])
        assert fed(cutted, times, other, cuts) == expected
        assert fed(single, times, other, list(range(len(times)))) == expected
        assert whole == cutted == single


@given(walks)
def test_the_frontier_before_a_time_never_falls(walk: list[int]) -> None:
    """It is one of the times seen so far, and no time is changed without a second reading."""
    times = [BASE + sum(walk[: i + 1]) for i in range(len(walk))]
    frontier = EventTimeFrontier.restored(BASE, 0, 0)
    decided, before = fed(frontier, times, None, [])
    assert decided == times
    assert before == sorted(before)
    for i, value in enumerate(before):
        assert value in [BASE, *times[: i + 1]]
    assert frontier.max_time in [BASE, *times]


def test_a_first_stamp_that_the_next_ones_contradict_is_given_up() -> None:
    """An archive that begins with a stamp a year ahead: what follows is not late."""
    frontier = EventTimeFrontier()
    times = [BASE + 365 * 24 * HOUR, *(BASE + n * MINUTE for n in range(5))]
    _, before = fed(frontier, times, None, [])
    assert before[1:] == [times[1], times[2], times[3], times[3], times[4]]
    assert frontier.max_time == times[-1]


def test_one_bogus_stamp_closes_nothing() -> None:
    """A lone stamp far ahead is not believed, however often one comes between good ones."""
    frontier = EventTimeFrontier()
    valid = [BASE + i for i in range(20)]
    times = [t for item in valid for t in (item, BASE + 5 * MAX_STEP)]
    frontier.advance(np.array(times, np.int64))
    assert frontier.max_time == valid[-1]


def test_a_jump_is_believed_when_the_next_ones_agree() -> None:
    """After a pause of the server the third query in a row moves the frontier."""
    frontier = EventTimeFrontier()
    frontier.advance(np.array([BASE], np.int64))
    for i in range(CONFIRMATIONS):
        assert frontier.max_time == BASE
        frontier.advance(np.array([BASE + 9 * MAX_STEP + i], np.int64))
    assert frontier.max_time == BASE + 9 * MAX_STEP + CONFIRMATIONS - 1
    assert frontier.confirmations == 0


def test_a_long_jump_is_taken_back_when_the_log_goes_on_where_it_was() -> None:
    """A server's clock is eight days ahead for some lines: none after them is late for it."""
    frontier = EventTimeFrontier.restored(BASE, 0, 0)
    ahead = [BASE + 8 * DAY + n for n in range(12)]
    right = [BASE + 5 * HOUR + n * MINUTE for n in range(6)]
    _, before = fed(frontier, [*ahead, *right], None, [])
    assert all(time >= earlier - HOUR for time, earlier in zip(right, before[12:], strict=True))
    assert frontier.max_time == right[-1]


def test_a_long_jump_stays_when_few_lines_contradict_it() -> None:
    """Two lines that are late after a log was silent for weeks, and after a hundred more."""
    frontier = EventTimeFrontier.restored(BASE, 0, 0)
    late = [BASE + 5 * HOUR + n for n in range(4)]
    now = [BASE + 20 * DAY + n for n in range(200)]
    fed(frontier, [*now[:5], *late[:2], *now[5:]], None, [])
    assert frontier.max_time == now[-1]
    _, before = fed(frontier, late, None, [])
    assert before == [now[-1]] * 4
    assert frontier.max_time == now[-1]


def test_stamps_that_disagree_are_no_witnesses() -> None:
    """Random garbage far ahead never makes three of a kind."""
    frontier = EventTimeFrontier(BASE)
    frontier.advance(np.array([BASE + n * MAX_STEP for n in (5, 9, 14, 20, 30, 7)], np.int64))
    assert frontier.max_time == BASE


def test_a_first_stamp_is_taken_as_it_is() -> None:
    """Without anything before, it is the frontier before itself."""
    frontier = EventTimeFrontier()
    times, before = frontier.advance(np.array([BASE, BASE - 5], np.int64))
    assert before.tolist() == [BASE, BASE]
    assert times.tolist() == [BASE, BASE - 5]
    assert frontier.max_time == BASE


def test_nothing_moves_nothing() -> None:
    """An empty block has no frontier."""
    frontier = EventTimeFrontier()
    empty = np.array([], np.int64)
    times, before = frontier.advance(empty)
    assert len(times) == len(before) == 0
    assert frontier == EventTimeFrontier()


@pytest.mark.parametrize(("newest", "second"), [(30, False), (31, True), (95, True), (-60, False)])
def test_the_reading_nearer_to_the_frontier_is_taken(newest: int, second: bool) -> None:
    """In the repeated hour the order decides; at equal distance it is the first pass."""
    frontier = EventTimeFrontier(BASE + newest * MINUTE)
    times, _ = frontier.advance(np.array([BASE], np.int64), np.array([BASE + HOUR], np.int64))
    assert times.tolist() == [BASE + HOUR * second]
