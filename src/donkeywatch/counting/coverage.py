"""For which seconds the log was being followed: silence is not zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from donkeywatch.counting.calendar import HOUR, SECOND, floor_to
from donkeywatch.counting.observations import Times


class CoveredTime(NamedTuple):
    """A span [start, end) ms UTC for which a source was followed.

    ``share`` is what it counts for in the coverage of a window: one of three sources has a third.
    """

    start: int
    end: int
    source: str = ""
    share: float = 1.0


def seconds_by_hour(covered: Iterable[CoveredTime]) -> dict[int, float]:
    """Add up spans by the hours that they lie in; keys are the hours' starts, ms UTC."""
    seconds: defaultdict[int, float] = defaultdict(float)
    for start, end, _, share in covered:
        for hour in range(floor_to(start, HOUR), end, HOUR):
            seconds[hour] += (min(end, hour + HOUR) - max(start, hour)) * share / SECOND
    return dict(seconds)


@dataclass(slots=True)
class Coverage:
    """Covered time of one source; ``decided_until`` is the end of what is decided, ms UTC.

    Nothing before ``decided_until`` is ever added again, so no second counts twice.
    """

    decided_until: int | None = None
    pending: list[CoveredTime] = field(default_factory=list)
    """Spans that were not taken yet, in order; no two of them touch."""

    def cover_until(self, now: int) -> None:
        """The log was followed without a loss up to ``now``."""
        if self.decided_until is not None and now > self.decided_until:
            self._add(self.decided_until, now)
        self.decided_until = max(now, self.decided_until or now)

    def skip_until(self, now: int) -> None:
        """Leave out what lies between `decided_until` and ``now``: it was not followed."""
        self.decided_until = max(now, self.decided_until or now)

    def rewind(self, now: int) -> None:
        """The clock was ahead: the time from ``now`` on is to come."""
        if self.decided_until is not None:
            self.decided_until = min(self.decided_until, now)

    def cover_event_times(self, times: Times, silence: int) -> None:
        """Queries with these event times were read from the past of the log.

        Time between two queries counts as covered unless they lie more than ``silence`` ms
        apart: then the server, not the monitor, may have been down.
        """
        if not len(times):
            return
        start = int(times[0]) if self.decided_until is None else self.decided_until
        newest = int(times.max())
        if newest - start <= silence:  # No two of them are further apart.
            self._add(start, newest)
            self.decided_until = max(start, newest)
            return
        # The running maximum: what a line out of order fills must not depend on the blocks.
        running = np.maximum.accumulate(times)
        steps = np.maximum(np.concatenate(([start], running)), start)
        gaps = np.flatnonzero(np.diff(steps) > silence)
        starts = [0, *(gaps + 1).tolist()]
        ends = [*gaps.tolist(), len(steps) - 1]
        for first, last in zip(starts, ends, strict=True):
            self._add(int(steps[first]), int(steps[last]))
        self.decided_until = int(steps[-1])

    def _add(self, start: int, end: int) -> None:
        if start >= end:
            return
        if self.pending and self.pending[-1].end == start:
            start = self.pending.pop().start
        self.pending.append(CoveredTime(start, end))

    def take(self) -> list[CoveredTime]:
        """Give the spans that are covered since the last call."""
        taken, self.pending = self.pending, []
        return taken
