"""The rolling windows as they are shown: moved with the watermark, stored when they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from donkeywatch.counting.rolling_windows import RollingWindows
from donkeywatch.counting.tick_counts import Rows
from donkeywatch.store.store import Store

MAX_ROWS_AHEAD = 1 << 18
"""Rows that may wait for the rolling windows while a log is read that is behind."""


@dataclass(slots=True)
class RollingView:
    """Keeps the rolling windows in the database up to date."""

    rolling: RollingWindows
    store: Store
    _changed: bool = True

    def record(self, rows: Sequence[Rows]) -> None:
        """Take over rows that were just committed."""
        self._changed |= self.rolling.record(rows)

    def show(self, watermark: int, *, caught_up: bool) -> bool:
        """Move the windows to the watermark (ms UTC) and store them; true when more is to do.

        Until the logs are ``caught_up`` with, nothing is shown.
        """
        rolling = self.rolling
        if not caught_up:
            if rolling.buffered_rows > MAX_ROWS_AHEAD:
                rolling.reset()
            return False
        if rolling.advance(watermark) or (self._changed and not rolling.is_building):
            self.store.replace_rolling(rolling.figures())
            self._changed = False
        return rolling.is_building
