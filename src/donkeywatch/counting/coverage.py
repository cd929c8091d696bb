"""For which seconds the log was being followed: silence is not zero."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from donkeywatch.counting.calendar import HOUR, SECOND, floor_to
from donkeywatch.counting.observations import Times


@dataclass(slots=True)
class Coverage:
    """Covered time of one source; ``decided_until`` is the end of what is decided, ms UTC.

    Nothing before ``decided_until`` is ever added again, so no second counts twice.
    """

    decided_until: int | None = None
    pending: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def cover_until(self, now: int) -> None:
        """The log was followed without a loss up to ``now``."""
        if self.decided_until is not None and now > self.decided_until:
            self._add(self.decided_until, now)
        self.decided_until = max(now, self.decided_until or now)

    def skip_until(self, now: int) -> None:
        """Leave out what lies between ``decided_until`` and ``now``: it was not followed."""
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
        while start < end:
            hour = floor_to(start, HOUR)
            stop = min(end, hour + HOUR)
            self.pending[hour] += stop - start
            start = stop

    def take(self) -> dict[int, float]:
        """Seconds covered per hour since the last call."""
        taken = {hour: ms / SECOND for hour, ms in self.pending.items()}
        self.pending.clear()
        return taken
