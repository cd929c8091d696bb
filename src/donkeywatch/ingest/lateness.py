"""Which searches are counted for their time: accepted, late, too late, or of the future."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, SECOND, WEEK, floor_to
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.counting.observations import Times
from donkeywatch.ingest.line_reader import QueryColumns

Mask = npt.NDArray[np.bool_]

ACCEPTED, FUTURE, TOO_LATE = range(3)
TIME_REJECTIONS = {FUTURE: "future", TOO_LATE: "too_late"}
"""Outcomes of searches that are not counted for their time."""
Verdicts = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """The searches of a block with what is decided on their times; all columns are as long.

    ``time`` (ms UTC) is the event time, chosen where a repeated hour gives two, ``before`` the
    frontier before each, ``verdict`` ACCEPTED, FUTURE or TOO_LATE; ``time`` and ``before``
    mean nothing where it is FUTURE.
    """

    read: QueryColumns
    time: Times
    before: Times
    verdict: Verdicts

    def where(self, chosen: npt.NDArray[np.bool_]) -> JudgedQueries:
        """Give some of the searches, with the tally of the other lines."""
        return JudgedQueries(
            self.read.filter(chosen), self.time[chosen], self.before[chosen], self.verdict[chosen]
        )

    def with_tally(self, tally: Counter[str]) -> JudgedQueries:
        """Give the same searches with another tally of the other lines."""
        return JudgedQueries(
            replace(self.read, outcomes=tally), self.time, self.before, self.verdict
        )

    def outcomes(self) -> Counter[str]:
        """Count the lines that are not counted as a query, by outcome."""
        outcomes = Counter(self.read.outcomes)
        if self.verdict.any():
            for code, name in TIME_REJECTIONS.items():
                outcomes[name] += int(np.count_nonzero(self.verdict == code))
        return outcomes


HasKey = Callable[[int], bool]
"""Tells whether the week that starts at a time (ms UTC) has a key."""


@dataclass(frozen=True, slots=True)
class LatenessRules:
    """When a line is late, too late or from the future; all in ms."""

    lateness: int
    future: int
    max_lateness: int = WEEK
    """How long an hour's segment exists for late lines."""

    @classmethod
    def of_seconds(cls, lateness: float, future: float) -> LatenessRules:
        """Give the rules of settings, which are in seconds."""
        return cls(round(lateness * SECOND), round(future * SECOND))

    def judge(
        self,
        read: QueryColumns,
        frontier: EventTimeFrontier,
        now: int,
        has_key: HasKey,
    ) -> JudgedQueries:
        """Decide on the times of searches; ``now`` is the wall clock, ms UTC.

        ``has_key`` tells whether the week that starts at a time (ms UTC) has a key: once that is
        destroyed, its searches are too late. Advances the frontier over searches that were counted
        before, too, so that the verdicts do not depend on what is left out as a copy.
        """
        verdict = np.zeros(len(read.time), np.uint8)
        newest = now + self.future
        if not len(read.time) or read.time.max() <= newest:
            time, before, timely = self._admit(read, frontier, has_key)
            if timely is not None:
                verdict[~timely] = TOO_LATE
            return JudgedQueries(read, time, before, verdict)
        past = read.time <= newest
        verdict[~past] = FUTURE
        time, before = read.time.copy(), read.time.copy()
        time[past], before[past], timely = self._admit(read.filter(past), frontier, has_key)
        if timely is not None:
            verdict[np.flatnonzero(past)[~timely]] = TOO_LATE
        return JudgedQueries(read, time, before, verdict)

    def _admit(
        self, read: QueryColumns, frontier: EventTimeFrontier, has_key: HasKey
    ) -> tuple[Times, Times, Mask | None]:
        """Times decided on, the frontier before each, and which are not too late; None: all."""
        time, before = frontier.advance(read.time, _alternatives(read))
        if not len(time):
            return time, before, None
        oldest, newest = int(time.min()), int(time.max())
        if oldest >= before.max() - self.max_lateness and (
            (week := floor_to(oldest, WEEK)) == floor_to(newest, WEEK) and has_key(week)
        ):
            return time, before, None
        timely = time >= before - self.max_lateness
        weeks = week_starts(time[timely])
        timely[timely] = np.isin(weeks, [w for w in np.unique(weeks).tolist() if has_key(w)])
        return time, before, timely

    def are_late(self, time: Times, before: Times, closed_until: int) -> Mask:
        """Tell which searches are late: their hour had closed. Nearly always none is.

        ``before`` is the frontier before each search, ``closed_until`` the end of the last closed
        hour, ms UTC.
        """
        if not len(time):
            return np.zeros(0, bool)
        newest = max(int(before.max()) - self.lateness, closed_until)
        if floor_to(int(time.min()), HOUR) + HOUR > newest:
            return np.zeros(len(time), bool)
        closed = np.maximum(before - self.lateness, closed_until)
        late: Mask = time // HOUR * HOUR + HOUR <= closed
        return late

    def depend_on_clock(
        self, read: QueryColumns, frontier: EventTimeFrontier, believed: int, confirmed: int
    ) -> Mask:
        """Tell which searches are too late only by the believed clock, which is not confirmed.

        ``believed`` and ``confirmed`` are times of the two clocks, ms UTC; the frontier stays.
        """
        times, keep = read.time, self.max_lateness
        past = times <= believed + self.future
        late = np.zeros(len(times), bool)
        other = _alternatives(read)
        _, before = replace(frontier).advance(times[past], None if other is None else other[past])
        late[past] = (times[past] < before - keep) & (times[past] >= confirmed - keep)
        return late


def _alternatives(read: QueryColumns) -> Times | None:
    """Give the second reading of each stamp, where one differs from the first."""
    differs = read.alternative is not read.time and (read.alternative != read.time).any()
    return read.alternative if differs else None


def week_starts(time: Times) -> Times:
    """Give the start of each time's ISO week, ms UTC."""
    weeks: Times = (time - FIRST_MONDAY) // WEEK * WEEK + FIRST_MONDAY
    return weeks
