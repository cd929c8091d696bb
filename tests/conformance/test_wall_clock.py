"""XD: a wall clock that is wrong for a while: lines wait, nothing is destroyed, all is taken back.

``DONKEYWATCH_CLOCK_EXAMPLES`` sets how many sequences of jumps are tried.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from conformance.clock_model import ERRORS, LOOKS, Clockwork

COUNTS = st.sampled_from((1, 2, 4, 12))


class Machine(RuleBasedStateMachine):
    """Whatever the wall clock does, and whenever the monitor restarts under it."""

    work: Clockwork

    @initialize()
    def begin(self) -> None:
        """A monitor that has run for minutes by a clock that is right."""
        self.work = Clockwork()

    @rule(count=COUNTS)
    def write(self, count: int) -> None:
        """The server logs by a clock that is right."""
        self.work.write(count)

    @rule(count=COUNTS)
    def write_wrong(self, count: int) -> None:
        """The server logs by the monitor's clock."""
        if self.work.error:
            self.work.write_wrong(count)

    @rule(error=st.sampled_from(ERRORS), look=st.sampled_from(LOOKS))
    def jump(self, error: int, look: int) -> None:
        """The wall clock is wrong from now on."""
        self.work.jump(error)
        self.work.step(look)

    @rule(error=st.sampled_from(ERRORS), commit=st.booleans())
    def jump_and_restart(self, error: int, commit: bool) -> None:
        """The wall clock is wrong when the monitor starts again, and was not when it ended."""
        self.work.stop(commit=commit)
        self.work.jump(error)
        self.work.start()

    @rule(ms=st.sampled_from(LOOKS))
    def step(self, ms: int) -> None:
        """Time goes on."""
        self.work.step(ms)

    @rule()
    def right(self) -> None:
        """The wall clock is right again."""
        self.work.run_right()

    @rule(commit=st.booleans())
    def restart(self, commit: bool) -> None:
        """The monitor is stopped or killed, and starts under the same clock."""
        self.work.stop(commit=commit)
        self.work.start()

    @rule(days=st.sampled_from((1, 4, 8, 30)), error=st.sampled_from((0, 0, *ERRORS)))
    def sleep(self, days: int, error: int) -> None:
        """The monitor is down for days, and starts under a clock that may be wrong."""
        self.work.sleep(days, error)

    @rule(hours=st.sampled_from((1, 5, 7, 26)))
    def idle(self, hours: int) -> None:
        """Nothing is logged for hours."""
        self.work.idle(hours)

    def teardown(self) -> None:
        """The clock is right in the end: every line is accounted for."""
        if hasattr(self, "work"):
            try:
                self.work.check()
            finally:
                self.work.close()


@pytest.mark.scenario("XD1")
@pytest.mark.untraced
def test_whatever_the_wall_clock_does_no_line_is_lost_and_nothing_destroyed_early() -> None:
    """Every sequence that hypothesis thinks up, with the whole engine and a real database."""
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("DONKEYWATCH_CLOCK_EXAMPLES", "60")),
            stateful_step_count=14,
            deadline=None,
            derandomize=False,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
