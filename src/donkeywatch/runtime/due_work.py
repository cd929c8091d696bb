"""The work that falls due with time: windows close, rolling windows move, weeks are released."""

from __future__ import annotations

from collections.abc import Sequence

from donkeywatch.counting.calendar import MINUTE, floor_to
from donkeywatch.counting.tick_counts import Rows
from donkeywatch.runtime.clock_gate import ClockGate
from donkeywatch.runtime.memory_tuning import return_free_memory
from donkeywatch.runtime.releaser import Releaser
from donkeywatch.runtime.rolling_view import RollingView
from donkeywatch.runtime.window_closer import WindowCloser


class DueWork:
    """Does what is due, long work a piece at each call; nothing where nothing can have changed."""

    def __init__(
        self,
        closer: WindowCloser,
        rolling_view: RollingView,
        releaser: Releaser,
        clock_gate: ClockGate,
    ) -> None:
        self._closer, self._rolling_view = closer, rolling_view
        self._releaser, self._clock_gate = releaser, clock_gate
        self.remains = False
        """Some work that is due was begun and is not done."""
        self._done_for: tuple[object, ...] | None = None
        """The state of the clock and the logs for which all is done; None after a commit."""

    def on_commit(self, rows: Sequence[Rows]) -> None:
        """Take over the rows of a commit; whatever it stored may make something due."""
        self._done_for = None
        self._rolling_view.record(rows)

    def perform(self, watermark: int | None, now: int, *, caught_up: bool) -> None:
        """Do what is due at a watermark of all logs, which are ``caught_up`` with or not.

        Windows end at whole minutes: in between there is something to do after a commit alone.
        ``watermark`` and ``now`` are ms UTC; without a watermark nothing is due.
        """
        unfinished, self.remains = self.remains, False
        if watermark is None:
            return
        confirmed, proven = self._clock_gate.confirmed_time(watermark), self._is_clock_proven
        minutes = floor_to(watermark, MINUTE), confirmed and floor_to(confirmed, MINUTE)
        state = (*minutes, proven, caught_up)
        if state == self._done_for and not unfinished and not self._closer.log_left:
            return
        self._done_for = None  # What fails on the way is tried again, in this minute, too.
        closed = self._closer.closed_until
        self._closer.close(watermark, now, confirmed, confirmed=proven)
        # The rolling windows come after the end of a week, which has them rebuilt.
        self.remains = self._closer.week_in_progress or self._rolling_view.show(
            watermark, caught_up=caught_up
        )
        if caught_up and not self.remains:
            self.remains = self._releaser.release_due(confirmed, now)
        self._done_for = state
        if self._closer.closed_until > closed or (unfinished and not self.remains):
            return_free_memory()

    @property
    def _is_clock_proven(self) -> bool:
        return self._clock_gate.clocks.proven
