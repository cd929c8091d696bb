"""A logging handler that writes a message that comes again once a minute."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

PERIOD_SECONDS = 60.0
"""Time for which a message is not written again."""
MAX_DIFFERENT = 200
"""Different messages that are written within that time."""
TOO_MANY = "more messages than are written in a minute"
ANSWER = {"is_answer": True}
"""``extra`` of a message that answers a signal: it is written each time."""


@dataclass(slots=True)
class _Message:
    """When a message was written, by a clock that never jumps, and how often it came since."""

    written: float
    repeats: int = 0


class Journal(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr; a message that comes again within a minute is counted and logged later.

    ``clock`` never jumps, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stderr)
        self._clock = clock
        self._messages: dict[str, _Message] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it as a repetition."""
        now = self._clock()
        self._tell_repeats(now)
        text = f"{record.levelname} {_kind(record)}"
        if hasattr(record, "is_answer"):
            super().emit(record)
            return
        if text not in self._messages and len(self._messages) >= MAX_DIFFERENT:
            text = f"WARNING {TOO_MANY}"
            record = logging.makeLogRecord({"levelname": "WARNING", "msg": TOO_MANY})
        if text in self._messages:
            self._messages[text].repeats += 1
            return
        self._messages[text] = _Message(now)
        super().emit(record)

    def _tell_repeats(self, now: float) -> None:
        """Forget what was written long ago, and tell how often it came since."""
        for text, message in list(self._messages.items()):
            if now - message.written < PERIOD_SECONDS:
                return  # They are in the order of time.
            del self._messages[text]
            if message.repeats:
                self._messages[text] = _Message(now)
                self._write(text, message.repeats)

    def _write(self, text: str, repeats: int) -> None:
        level, _, message = text.partition(" ")
        repeated = f"{message} (and {repeats} times more within {PERIOD_SECONDS:.0f} s)"
        super().emit(logging.makeLogRecord({"levelname": level, "msg": repeated}))


def _kind(record: logging.LogRecord) -> str:
    """Give what distinguishes a message from others; a library's by its template's first line.

    Libraries put numbers and reprs into their messages, or behind the first line.
    """
    if record.name == "donkeywatch":
        return record.getMessage()
    return str(record.msg).partition("\n")[0]
