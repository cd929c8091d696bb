"""Messages of the daemon's log that repeat themselves: a few a minute, then their number."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
MAX_REPEATS = 5
"""Times that the same message of ours is written in one window; one of a library is once."""
MAX_KINDS = 1_000
"""Different messages that are remembered; more of them are not told apart."""


@dataclass(slots=True)
class _Kind:
    began: float
    written: int = 0
    withheld: int = 0
    most: int = MAX_REPEATS


class RepetitionFilter(logging.Filter):
    """Withholds what is repeated too often; the next one that is written tells how many were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a message."""
        now = self._clock()
        kind = self._kind(record, now)
        if now - kind.began >= WINDOW_SECONDS:
            if kind.withheld:
                record.msg = f"{record.getMessage()} ({kind.withheld} more like it since)"
                record.args = None
            kind.began, kind.written, kind.withheld = now, 0, 0
        if kind.written >= kind.most:
            kind.withheld += 1
            return False
        kind.written += 1
        return True

    def _kind(self, record: logging.LogRecord, now: float) -> _Kind:
        # Libraries put numbers and reprs into their messages, in the first line or behind it.
        ours = record.name == "donkeywatch"
        text = record.getMessage() if ours else str(record.msg).partition("\n")[0]
        name = f"{record.name}: {text}"
        if name not in self._kinds and len(self._kinds) >= MAX_KINDS:
            name = record.name
        return self._kinds.setdefault(name, _Kind(now, most=MAX_REPEATS if ours else 1))
