"""Which time is believed: by jumps, starts, and how long a clock has run evenly."""

from __future__ import annotations

import numpy as np
import pytest

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, SECOND
from donkeywatch.runtime.believed_time import (
    BUILD_TIME_MS,
    EVEN_RUN_MS,
    MAX_STOP_MS,
    TRIAL_AHEAD_MS,
    TRIAL_BACK_MS,
    ClockJumpDetector,
    StoredClock,
)

NOW = BUILD_TIME_MS + 300 * DAY
FUTURE = 5 * MINUTE


def run(clocks: ClockJumpDetector, start: int, wall: int, ms: int) -> int:
    """Look each minute while the wall clock goes on evenly; the steady time at the end."""
    for passed in range(0, ms + 1, MINUTE):
        clocks.observe(wall + passed, start + passed)
    return start + ms


def old(even: int = EVEN_RUN_MS, *, proven: bool = True, doubted: bool = False) -> StoredClock:
    """What the database of a monitor that has run holds."""
    return StoredClock(NOW, even, proven, doubted)


def test_an_even_clock_is_believed_at_once() -> None:
    """A new database has nothing to lose; slow corrections of the clock are followed."""
    clocks = ClockJumpDetector()
    assert clocks.observe(NOW, 0) == NOW
    assert clocks.observe(NOW + SECOND + MINUTE, SECOND) == NOW + SECOND + MINUTE
    assert clocks.proven
    assert (clocks.jumps, clocks.problem) == (0, None)


@pytest.mark.parametrize("jump", [-3653 * DAY, -HOUR, 2 * MINUTE, 8 * DAY, 3653 * DAY])
def test_a_clock_that_comes_back_was_never_believed(jump: int) -> None:
    """The time before goes on meanwhile, and nothing may be destroyed by the other one."""
    clocks = ClockJumpDetector()
    steady = run(clocks, 0, NOW, HOUR)
    time = NOW + steady
    assert clocks.observe(time + jump, steady) == time
    assert not clocks.proven
    assert clocks.sure == time
    assert "clock" in (clocks.problem or "")
    assert clocks.observe(time + SECOND + jump, steady + SECOND) == time + SECOND
    assert clocks.observe(time + 2 * SECOND, steady + 2 * SECOND) == time + 2 * SECOND
    assert clocks.problem is None
    assert clocks.sure == time + 2 * SECOND
    assert (clocks.jumps, clocks.moved) == (2, 0)


@pytest.mark.parametrize(
    ("jump", "ran", "needed"),
    [
        (HOUR, 20 * HOUR, TRIAL_AHEAD_MS),
        (8 * DAY, 2 * MINUTE, TRIAL_AHEAD_MS),
        (8 * DAY, HOUR, HOUR),
        (8 * DAY, 20 * HOUR, EVEN_RUN_MS),
        (-HOUR, 0, TRIAL_BACK_MS),
        (-HOUR, HOUR, HOUR),
        (-8 * DAY, 20 * HOUR, EVEN_RUN_MS),
    ],
)
def test_a_clock_is_believed_when_it_ran_as_long_as_the_one_before(
    jump: int, ran: int, needed: int
) -> None:
    """Not before, and nothing is destroyed by it until it has run for six hours."""
    clocks = ClockJumpDetector()
    steady = run(clocks, 0, NOW, ran)
    wall = NOW + ran + jump
    clocks.observe(wall, steady)
    clocks.observe(wall + needed - 1, steady + needed - 1)
    assert clocks.problem
    assert clocks.observe(wall + needed, steady + needed) == wall + needed
    assert clocks.moved == jump
    assert clocks.proven is (needed >= EVEN_RUN_MS)
    run(clocks, steady + needed, wall + needed, EVEN_RUN_MS)
    assert clocks.proven


def test_a_clock_that_jumps_again_begins_anew() -> None:
    """Evenly means without another jump."""
    clocks = ClockJumpDetector()
    steady = run(clocks, 0, NOW, 2 * HOUR)
    for jump in (8 * DAY, 9 * DAY, 8 * DAY):
        steady = run(clocks, steady, NOW + steady + jump, HOUR)
        assert clocks.doubted


def test_before_this_program_no_time_is_possible() -> None:
    """1970 at boot: nothing is known, however long it lasts, until the clock is set."""
    clocks = ClockJumpDetector()
    assert clocks.observe(0, 0) is None
    assert clocks.observe(20 * HOUR, 20 * HOUR) is None
    assert "2026-01-01" in (clocks.problem or "")
    assert clocks.stored() is None
    assert clocks.observe(NOW, 20 * HOUR + SECOND) == NOW
    assert clocks.problem is None


@pytest.mark.parametrize(
    ("stop", "believed", "proven"),
    [
        (-2 * MINUTE, False, False),
        (0, True, True),
        (TRIAL_AHEAD_MS, True, True),
        (HOUR, True, False),
        (8 * DAY, True, False),
        (MAX_STOP_MS, True, False),
        (MAX_STOP_MS + 1, False, False),
        (3653 * DAY, False, False),
    ],
)
def test_a_start_believes_what_can_be_a_stop(stop: int, believed: bool, proven: bool) -> None:
    """Destroyed is only by a short one; what was due before it is due in any case."""
    clocks = ClockJumpDetector(old())
    clocks.observe(NOW + stop, 0)
    assert clocks.doubted is not believed
    assert clocks.proven is proven
    assert clocks.sure == (NOW + stop if proven else NOW)


def test_a_start_by_a_clock_that_was_doubted_goes_on_doubting() -> None:
    """A restart is no way to be believed; a clock that comes back is, a day later too."""
    clocks = ClockJumpDetector(old(doubted=True))
    assert clocks.observe(NOW + 8 * DAY, 0) == NOW
    assert "691200 s" in str(clocks.problem)
    assert clocks.observe(NOW + HOUR, SECOND) == NOW + HOUR
    assert clocks.problem is None


def test_a_start_by_1970_and_then_the_right_clock() -> None:
    """The first clock that is possible is taken as at a start."""
    clocks = ClockJumpDetector(old())
    assert clocks.observe(0, 0) == NOW
    assert "before 2026" in str(clocks.problem)
    assert clocks.observe(NOW + 8 * DAY, SECOND) == NOW + 8 * DAY
    assert clocks.problem is None
    assert not clocks.proven


def test_stamps_between_two_clocks_are_doubtful() -> None:
    """Those of the past of both, or of the future of both, are not."""
    clocks = ClockJumpDetector()
    clocks.observe(NOW, 0)
    stamps = np.array([NOW - DAY, NOW + FUTURE, NOW + HOUR, NOW + DAY, NOW + 3 * DAY])
    assert not clocks.doubtful(stamps, FUTURE).any()
    clocks.observe(NOW + 2 * DAY, 0)
    assert clocks.doubtful(stamps, FUTURE).tolist() == [False, False, True, True, False]
    again = ClockJumpDetector(StoredClock(NOW, EVEN_RUN_MS, True, True))
    again.observe(NOW + 2 * DAY, 0)
    assert again.doubtful(stamps, FUTURE).tolist() == [False, False, True, True, True]


def test_what_is_stored_is_read_back() -> None:
    """As one line of text."""
    for stored in (old(), old(7, proven=False, doubted=True)):
        assert StoredClock.parse(str(stored)) == stored
    assert old().plausible(NOW + DAY) == NOW + DAY
    assert old().plausible(0) == old().plausible(NOW + 3653 * DAY) == NOW
