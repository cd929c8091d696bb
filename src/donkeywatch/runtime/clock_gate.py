"""Which lines wait while the wall clock is doubted, and what a wrong clock changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import DAY, HOUR, SECOND, floor_to
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.errors import StateError
from donkeywatch.ingest.lateness import LatenessRules
from donkeywatch.ingest.line_reader import QueryColumns
from donkeywatch.runtime import installation_state
from donkeywatch.runtime.believed_time import MAX_STOP_MS, ClockJumpDetector
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.store.store import Store

RETRY_MS = 10 * SECOND
"""After so long it is tried whether lines have still to wait for the clock (ms)."""


class ClockGate:
    """The clocks beside the sources and the database; all times in ms."""

    def __init__(
        self, store: Store, streams: Sequence[FollowedSource], rules: LatenessRules
    ) -> None:
        self.clocks = ClockJumpDetector(installation_state.stored_clock(store))
        self._store, self._streams, self._rules = store, streams, rules
        self.time: int | None = None
        """The time that was believed at the last look, ms UTC."""

    def look(self, now: int, steady: int) -> bool:
        """Look at the wall clock; true when an earlier time is believed than before.

        What the sources had learnt from the clock of before is then forgotten, but not stored.
        """
        clocks, changes = self.clocks, self.clocks.changes
        self.time = clocks.observe(now, steady)
        if clocks.changes == changes:
            return False
        for stream in self._streams:
            stream.stop_waiting()
        if stored := clocks.stored():
            self._store.set(installation_state.CLOCK, str(stored))
        if self.time is None or clocks.doubted:
            return False
        future = self.time + self._rules.future
        if clocks.moved >= 0 and not any(stream.is_ahead(future) for stream in self._streams):
            return False
        for stream in self._streams:
            stream.rewind_to(self.time, future)
        return True

    def believed_time(self, now: int, steady: int) -> int | None:
        """The time that is believed instead of ``now``, a later look at the wall clock."""
        if self.time is None:
            self.look(now, steady)
        return self.time if self.clocks.doubted else now

    def require_believed_clock(self, now: int, steady: int) -> None:
        """StateError where the wall clock is not believed: lines would be rejected by it."""
        self.look(now, steady)
        if problem := self.clocks.problem:
            raise StateError(
                problem,
                "set the clock right and repeat the command; if it is right, run the daemon until"
                " it is ready",
            )

    def may_read(self, stream: FollowedSource, steady: int) -> bool:
        """Tell whether a source may be read; one whose lines wait is tried now and then."""
        if steady - stream.waiting_since >= RETRY_MS:
            stream.stop_waiting()
        return not stream.is_waiting_for_clock

    def has_to_wait(self, stream: FollowedSource, generation: int, read: QueryColumns) -> bool:
        """Tell whether a block has to wait until the clock is confirmed.

        It waits where the clock decides about one of its lines: whether its time is in the future
        (by one clock it is, by the other not), or too late (for a log that has come to what may be
        the future). Whatever is read after such a block is read again with it.
        """
        clocks = self.clocks
        if stream.is_putting_back:
            return True
        if stream.backfill_frontier is not None or clocks.proven:
            return False
        doubtful = clocks.doubtful(read.time, self._rules.future)
        if doubtful.any() or self._depend_on_clock(stream.frontier_of(generation), read).any():
            reached = (stream.last_committed.newest or 0) - self._rules.max_lateness
            stream.wait_for_clock(generation, is_behind=int(read.time[0]) < reached)
        return stream.is_putting_back

    def _depend_on_clock(
        self, frontier: EventTimeFrontier, read: QueryColumns
    ) -> npt.NDArray[np.bool_]:
        """Tell which lines are too late for those before them, or ahead, by no confirmed clock."""
        sure = self.clocks.sure
        if sure is None or self.time is None:
            return np.zeros(len(read.time), bool)
        late = self._rules.depend_on_clock(read, frontier, self.time, sure)
        future = self.time + self._rules.future
        return late | ((read.time > future) & (read.time <= self.time + MAX_STOP_MS))

    def roll_back_waiting(self, steady: int) -> None:
        """Go back to before the blocks that wait; what was counted before them is stored."""
        for stream in self._streams:
            if stream.is_putting_back:
                stream.roll_back()
                stream.is_putting_back, stream.waiting_since = False, steady

    def advance_coverage(self) -> None:
        """Let the sources know how far the believed time has come."""
        if self.time is not None and self.clocks.exact:
            for stream in self._streams:
                stream.advance_coverage(self.time, jumped=self.clocks.moved != 0)

    def confirmed_time(self, watermark: int) -> int | None:
        """Give the event time up to which a confirmed clock has come, ms UTC.

        None where there is none, and while lines wait that are read now that it is confirmed.
        """
        clocks = self.clocks
        if not clocks.doubted and (stop := clocks.stop):
            # A log that tells of every day, or hour, of it was written while they passed.
            unit = DAY if stop[1] - stop[0] > 2 * DAY else HOUR
            if self._store.has_queries(
                floor_to(stop[0], unit) + unit, floor_to(stop[1], unit), unit
            ):
                clocks.prove()
        sure = clocks.sure
        if clocks.proven and any(stream.waits for stream in self._streams):
            return None  # Seconds later they are read, and may need the keys that are due now.
        return None if sure is None else min(watermark, sure - self._rules.lateness)
