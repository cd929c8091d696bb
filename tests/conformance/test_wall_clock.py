"""XD: a wall clock that is wrong for a while: lines wait, nothing is destroyed, all is taken back.

``DONKEYWATCH_CLOCK_EXAMPLES`` sets how many sequences of jumps are tried.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from conformance.cases import Ask, Run
from conformance.clock_model import EPOCH, ERRORS, LOOKS, Clockwork
from conformance.diary import DAY, HOUR, Diary
from conformance.readers import Daemon
from conformance.site import Case
from conformance.surroundings import Shifted
from donkeywatch.counting.calendar import WEEK, week_name, week_of

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

    @rule(
        days=st.sampled_from((1, 4, 8, 30)), error=st.sampled_from((0, 0, *ERRORS)),
        rotated=st.booleans(),
    )  # fmt: skip
    def sleep(self, days: int, error: int, rotated: bool) -> None:
        """The monitor is down for days, and starts under a clock that may be wrong."""
        self.work.sleep(days, error, rotated=rotated)

    @rule(count=COUNTS)
    def rotate(self, count: int) -> None:
        """The log is rotated, and its last lines were not read yet."""
        self.work.write(count)
        self.work.rotate()

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
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.scenario("XD1")
def test_lines_that_wait_are_counted_before_the_keys_they_need_are_destroyed() -> None:
    """When a clock is confirmed, which they wait for, the key of their week may be due at once."""
    work = Clockwork()
    work.stop(commit=False)
    work.jump(8 * DAY)
    work.start()
    work.write_wrong(12)
    work.write()
    work.rotate()
    work.idle(1)
    work.sleep(4, 0, rotated=True)
    work.sleep(4, 0)
    try:
        work.check()
        outcomes = work.query("select distinct detail from counters where name = 'lines'")
        assert outcomes == [("query",)]
    finally:
        work.close()


@pytest.mark.scenario("XD1")
def test_nothing_is_destroyed_while_lines_wait_that_are_read_now() -> None:
    """Those of a rotated file, too: a clock may be confirmed behind the reading of a turn."""
    work = Clockwork()
    try:
        work.check()
        assert work.engine is not None
        gate, (stream,) = work.engine.clock_gate, work.engine.streams
        assert gate.confirmed_time(work.now) is not None
        stream.follower.registry.waiting.add(1)
        assert gate.confirmed_time(work.now) is None
        stream.stop_waiting()
        assert gate.confirmed_time(work.now) is not None
    finally:
        work.close()


@pytest.mark.scenario("XD1")
@pytest.mark.parametrize("count", [1, 12])
def test_lines_of_a_clock_that_was_days_ahead_make_none_late_when_those_days_have_passed(
    count: int,
) -> None:
    """They wait with what follows them, while the monitor is down until they are of the past."""
    work = Clockwork()
    work.sleep(days=1, error=8 * DAY)
    work.write_wrong(count)
    work.sleep(days=8, error=0, rotated=True)
    work.check()
    work.close()


@pytest.mark.scenario("XD1")
def test_a_clock_that_was_believed_for_seconds_takes_nothing_back() -> None:
    """Set back by weeks, where the one before it had not run long enough to be confirmed."""
    work = Clockwork()
    work.sleep(days=1, error=8 * DAY, rotated=True)
    work.stop(commit=True)
    work.jump(-8 * DAY)
    work.start()
    work.step(31_000)
    work.stop(commit=False)
    work.jump(ERRORS[1])
    work.start()
    work.check()
    work.close()


# -- real processes ---------------------------------------------------------------------------


@pytest.fixture
def monitor(tmp_path: Path, shifted: Shifted) -> Iterator[Daemon]:
    """A real daemon whose wall clock can be shifted, and whose retention is short."""
    made = Daemon(tmp_path, Case(), shifted)
    with made.settings.open("a") as settings:
        settings.write("\n[retention]\nhourly_weeks = 2\nweekly_weeks = 2\n")
    yield made
    made.close()


def settled(monitor: Daemon, diary: Diary) -> None:
    """Every line is counted, and the daemon is ready."""
    monitor.until(lambda: diary.lines() == diary.outcomes.total(), 40)


@pytest.mark.scenario("XD2")
@pytest.mark.parametrize("days", [3, 8, 3653, -30, -3653], ids=lambda days: f"{days} days")
@pytest.mark.parametrize("restart", [False, True], ids=["runs on", "restarts"])
def test_a_clock_that_is_wrong_for_seconds(
    monitor: Daemon, diary: Diary, shifted: Shifted, ask: Ask, days: int, restart: bool
) -> None:
    """Four lines are logged by it; later ones count, and keys and history are as before."""
    diary.write(shifted.now())
    monitor.start()
    settled(monitor, diary)
    keys = sorted((diary.state / "keys").iterdir())
    hours = diary.query("select start from windows where kind = 'hour' and queries > 0")
    shifted.shift(days * DAY)
    wrong = "future" if days > 0 else "too_late"
    diary.write(*range(shifted.now(), shifted.now() + 4), outcome=wrong)
    diary.write(now())
    monitor.until(lambda: "the clock" in monitor.log_text())
    if restart:
        monitor.stop()
        monitor.start()
    monitor.until(lambda: "the clock" in str(ask(monitor, "/readyz").json()["reasons"]))
    diary.write(now())
    shifted.shift(0)
    diary.write(*range(now() - 10, now()))
    settled(monitor, diary)
    monitor.until(lambda: ask(monitor, "/readyz").status_code == 200)
    assert "donkeywatch_clock_jumps_total 0.0" not in ask(monitor, "/metrics").text
    monitor.stop()
    monitor.start()
    diary.write(now())
    settled(monitor, diary)
    monitor.stop()
    diary.exact()
    assert set(keys) <= set((diary.state / "keys").iterdir())
    assert set(hours) <= set(diary.query("select start from windows where kind = 'hour'"))


@pytest.mark.scenario("XD3")
@pytest.mark.parametrize("known", [False, True], ids=["first start", "later start"])
def test_a_start_by_a_clock_of_1970_waits(
    monitor: Daemon, diary: Diary, shifted: Shifted, ask: Ask, known: bool
) -> None:
    """Not ready, with the reason; when the clock is right the lines are counted."""
    diary.write(now())
    if known:
        monitor.start()
        settled(monitor, diary)
        monitor.stop()
    shifted.shift(-now())
    diary.write(*range(now() - 10, now()))
    monitor.start()
    monitor.until(lambda: "the clock is wrong" in monitor.log_text())
    assert ask(monitor, "/readyz").status_code == 503
    assert "the clock is wrong" in str(ask(monitor, "/readyz").json()["reasons"])
    assert diary.lines() == int(known)
    shifted.shift(0)
    settled(monitor, diary)
    monitor.until(lambda: ask(monitor, "/readyz").status_code == 200)
    monitor.stop()
    diary.exact()


@pytest.mark.scenario("XD4")
def test_a_start_by_a_clock_ten_years_ahead_deletes_no_history(
    monitor: Daemon, diary: Diary, shifted: Shifted, run: Run
) -> None:
    """Neither the daemon nor a backfill, which is refused, nor `keys destroy`."""
    # The hours of the last two weeks are kept, on whatever day of the week it is.
    diary.write(*range(now() - 13 * DAY, now(), DAY))
    monitor.start()
    settled(monitor, diary)
    monitor.stop()
    hours = diary.query("select start from windows where kind = 'hour' and queries > 0")
    needed = f"{week_name(week_of(now()) - WEEK)}.key"
    keys = [key for key in (diary.state / "keys").iterdir() if key.name >= needed]
    shifted.shift(3653 * DAY)
    monitor.start()
    diary.write(now())
    monitor.until(lambda: "the clock" in monitor.log_text())
    monitor.stop()
    pid = shifted.fork(
        ["keys", "destroy", "--due", "--config", str(monitor.settings)], monitor.errors
    )
    monitor.pid = pid
    assert monitor.wait() == 3
    monitor.pid = shifted.fork(
        ["backfill", "--config", str(monitor.settings), str(diary.log)], monitor.errors
    )
    assert monitor.wait() == 3
    shifted.shift(0)
    monitor.start()
    settled(monitor, diary)
    monitor.stop()
    diary.exact()
    assert set(hours) <= set(diary.query("select start from windows where kind = 'hour'"))
    assert set(keys) <= set((diary.state / "keys").iterdir())


def now() -> int:
    """The right time, ms UTC."""
    return time.time_ns() // 1_000_000


@pytest.mark.scenario("XD1")
def test_a_rotated_file_that_waits_over_restarts_is_not_late_for_the_log_that_goes_on() -> None:
    """The log had gone on for days by the time that the clock was confirmed."""
    work = Clockwork()
    work.sleep(days=30, error=100 * DAY, rotated=True)
    work.write_wrong(2)
    work.sleep(days=4, error=0, rotated=True)
    work.sleep(days=4, error=0)
    work.sleep(days=4, error=-HOUR)
    work.check()
    work.close()


@pytest.mark.scenario("XD1")
def test_right_lines_behind_wrong_ones_of_a_rotated_file_that_waits_are_not_late() -> None:
    """The file was judged as if nothing had been counted of it, by the wrong lines alone."""
    work = Clockwork()
    work.stop(commit=False)
    work.jump(8 * DAY)
    work.start()
    work.write_wrong(4)
    work.sleep(days=8, error=EPOCH, rotated=True)
    work.check()
    work.close()
