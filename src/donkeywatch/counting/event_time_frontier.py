"""How far event time has come: a frontier per source that one bogus stamp cannot move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import HOUR, WEEK
from donkeywatch.counting.observations import Times

MAX_STEP = HOUR
"""A stamp further ahead than this is believed only when the next ones agree (ms)."""
CONFIRMATIONS = 3
"""How many queries in a row must agree on a jump."""
LONG_JUMP_MS = WEEK
"""A jump longer than this (ms) makes lines too late that go on where the log was before it."""
MAX_RETURN_LINES = 100
"""Queries after a long jump among which some may still show that there was none."""


@dataclass(slots=True)
class EventTimeFrontier:
    """The newest plausible event time of one source, moved query by query in log order.

    The result does not depend on how the log was cut into blocks.
    """

    max_time: int | None = None
    candidate: int = 0
    confirmations: int = 0
    initial_confirmations: int = 0
    """How many stamps have agreed with the first one; until enough have, it may be the odd one."""
    _before_jump: int | None = field(default=None, init=False)
    """Where the frontier was before a long jump, while that may still be taken back: a server whose
    clock was ahead for some lines goes on where it was."""
    _return_to: int = field(default=0, init=False)
    """The newest of the stamps that contradict it."""
    _returned: int = field(default=0, init=False)
    """How many of those agree in a row."""
    _since_jump: int = field(default=0, init=False)
    """Stamps since the jump that did not contradict it."""

    @classmethod
    def restored(cls, newest: int | None, candidate: int, confirmations: int) -> EventTimeFrontier:
        """As it was stored, of a log that is followed live: its stamps are never ahead of now."""
        return cls(newest, candidate, confirmations, CONFIRMATIONS)

    def rewind(self, newest: int | None, candidate: int, confirmations: int) -> None:
        """Go back to a frontier of before, such as that of the last commit."""
        self.max_time, self.candidate, self.confirmations = newest, candidate, confirmations
        self._before_jump = None

    def advance(self, times: Times, alternatives: Times | None = None) -> tuple[Times, Times]:
        """Move the frontier over ``times``.

        ``alternatives`` holds the second reading of each stamp in the repeated DST hour (equal
        to ``times`` elsewhere): the reading nearer to the frontier is taken. Returns the times
        decided on and, for each, the frontier before it.
        """
        if not len(times):
            return times, times
        start = self.max_time if self.max_time is not None else int(times[0])
        if alternatives is None:
            running = np.maximum.accumulate(np.concatenate(([start], times)))
            plausible = times <= running[:-1] + MAX_STEP
            if self.initial_confirmations < CONFIRMATIONS:
                plausible &= times >= running[:-1] - MAX_STEP
            if self.confirmations == 0 and self._before_jump is None and bool(plausible.all()):
                self.max_time = int(running[-1])
                self.initial_confirmations += len(times)
                return times, running[:-1]
        return self._advance_each(times, alternatives)

    def _advance_each(self, times: Times, alternatives: Times | None) -> tuple[Times, Times]:
        decided = times.copy()
        frontier_before: npt.NDArray[np.int64] = np.empty_like(times)
        for i, first in enumerate(times.tolist()):
            time = first
            if alternatives is not None and self.max_time is not None:
                second = int(alternatives[i])
                if abs(second - self.max_time) < abs(first - self.max_time):
                    time = second
            decided[i] = time
            doubtful = (
                self.max_time is None
                or self._contradicts_start(time)
                or self._is_of_before_jump(time)
            )
            frontier_before[i] = time if doubtful or self.max_time is None else self.max_time
            self._advance(time)
        return decided, frontier_before

    def _contradicts_start(self, time: int) -> bool:
        """Tell whether a stamp far behind the first ones makes them doubtful."""
        young = self.max_time is not None and self.initial_confirmations < CONFIRMATIONS
        return young and time < (self.max_time or 0) - MAX_STEP

    def _is_of_before_jump(self, time: int) -> bool:
        """Tell whether a stamp is too late only because of a long jump."""
        if self._before_jump is None or self.max_time is None:
            return False
        return self._before_jump - MAX_STEP <= time < self.max_time - LONG_JUMP_MS

    def _advance(self, time: int) -> None:
        if self._before_jump is not None:
            if self._is_of_before_jump(time):
                self._count_return(time)
                return
            self._since_jump += 1
            if self._since_jump > MAX_RETURN_LINES:
                self._before_jump = None
        if self.max_time is None or (
            time <= self.max_time + MAX_STEP and not self._contradicts_start(time)
        ):
            self.max_time = time if self.max_time is None else max(self.max_time, time)
            self.confirmations = 0
            self.initial_confirmations += 1
        elif self.confirmations and abs(time - self.candidate) <= MAX_STEP:
            self.confirmations += 1
            self.candidate = max(self.candidate, time)
            if self.confirmations >= CONFIRMATIONS:
                if self.candidate - self.max_time > LONG_JUMP_MS:
                    self._before_jump, self._returned, self._since_jump = self.max_time, 0, 0
                self.max_time, self.confirmations, self.initial_confirmations = (
                    self.candidate,
                    0,
                    CONFIRMATIONS,
                )
        else:
            self.candidate, self.confirmations = time, 1

    def _count_return(self, time: int) -> None:
        """Count a stamp that contradicts a long jump; enough of them take the jump back."""
        agrees = self._returned > 0 and abs(time - self._return_to) <= MAX_STEP
        self._return_to = max(self._return_to, time) if agrees else time
        self._returned = self._returned + 1 if agrees else 1
        if self._returned >= CONFIRMATIONS:
            self.max_time, self._before_jump, self.confirmations = self._return_to, None, 0
