"""How far event time has come: a frontier per source that one bogus stamp cannot move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Times
from donkeywatch.counting.windows import HOUR, WEEK

JUMP = HOUR
"""A stamp further ahead than this is believed only when the next ones agree (ms)."""
WITNESSES = 3
"""How many queries in a row must agree on a jump."""
LONG_JUMP_MS = WEEK
"""A jump longer than this (ms) makes lines too late that go on where the log was before it."""
MAX_RETURN_LINES = 100
"""Queries after a long jump among which some may still show that there was none."""


@dataclass(slots=True)
class Frontier:
    """The newest plausible event time of one source, moved query by query in log order.

    The result does not depend on how the log was cut into blocks.
    """

    newest: int | None = None
    suspect: int = 0
    witnesses: int = 0
    confirmed: int = 0
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
    def restored(cls, newest: int | None, suspect: int, witnesses: int) -> Frontier:
        """As it was stored, of a log that is followed live: its stamps are never ahead of now."""
        return cls(newest, suspect, witnesses, WITNESSES)

    def set_back(self, newest: int | None, suspect: int, witnesses: int) -> None:
        """Go back to a frontier of before, such as that of the last commit."""
        self.newest, self.suspect, self.witnesses = newest, suspect, witnesses
        self._before_jump = None

    def admit(self, times: Times, alternatives: Times | None = None) -> tuple[Times, Times]:
        """Move the frontier over ``times``.

        ``alternatives`` holds the second reading of each stamp in the repeated DST hour (equal
        to ``times`` elsewhere): the reading nearer to the frontier is taken. Returns the times
        decided on and, for each, the frontier before it.
        """
        if not len(times):
            return times, times
        start = self.newest if self.newest is not None else int(times[0])
        if alternatives is None:
            running = np.maximum.accumulate(np.concatenate(([start], times)))
            even = times <= running[:-1] + JUMP
            if self.confirmed < WITNESSES:
                even &= times >= running[:-1] - JUMP
            if self.witnesses == 0 and self._before_jump is None and bool(even.all()):
                self.newest = int(running[-1])
                self.confirmed += len(times)
                return times, running[:-1]
        return self._one_by_one(times, alternatives)

    def _one_by_one(self, times: Times, alternatives: Times | None) -> tuple[Times, Times]:
        decided = times.copy()
        before: npt.NDArray[np.int64] = np.empty_like(times)
        for i, first in enumerate(times.tolist()):
            time = first
            if alternatives is not None and self.newest is not None:
                second = int(alternatives[i])
                if abs(second - self.newest) < abs(first - self.newest):
                    time = second
            decided[i] = time
            doubtful = self.newest is None or self._doubts(time) or self._is_of_before_jump(time)
            before[i] = time if doubtful or self.newest is None else self.newest
            self._advance(time)
        return decided, before

    def _doubts(self, time: int) -> bool:
        """Does a stamp far behind the first ones make them doubtful?"""
        young = self.newest is not None and self.confirmed < WITNESSES
        return young and time < (self.newest or 0) - JUMP

    def _is_of_before_jump(self, time: int) -> bool:
        """Tell whether a stamp is too late only because of a long jump."""
        if self._before_jump is None or self.newest is None:
            return False
        return self._before_jump - JUMP <= time < self.newest - LONG_JUMP_MS

    def _advance(self, time: int) -> None:
        if self._before_jump is not None:
            if self._is_of_before_jump(time):
                self._count_return(time)
                return
            self._since_jump += 1
            if self._since_jump > MAX_RETURN_LINES:
                self._before_jump = None
        if self.newest is None or (time <= self.newest + JUMP and not self._doubts(time)):
            self.newest = time if self.newest is None else max(self.newest, time)
            self.witnesses = 0
            self.confirmed += 1
        elif self.witnesses and abs(time - self.suspect) <= JUMP:
            self.witnesses += 1
            self.suspect = max(self.suspect, time)
            if self.witnesses >= WITNESSES:
                if self.suspect - self.newest > LONG_JUMP_MS:
                    self._before_jump, self._returned, self._since_jump = self.newest, 0, 0
                self.newest, self.witnesses, self.confirmed = self.suspect, 0, WITNESSES
        else:
            self.suspect, self.witnesses = time, 1

    def _count_return(self, time: int) -> None:
        """Count a stamp that contradicts a long jump; `WITNESSES` of them take the jump back."""
        agrees = self._returned > 0 and abs(time - self._return_to) <= JUMP
        self._return_to = max(self._return_to, time) if agrees else time
        self._returned = self._returned + 1 if agrees else 1
        if self._returned >= WITNESSES:
            self.newest, self._before_jump, self.witnesses = self._return_to, None, 0
