"""Messages that repeat themselves are written a few times, then counted."""

from __future__ import annotations

import logging

import pytest

from donkeywatch.repetition import MAX_KINDS, MAX_REPEATS, WINDOW_SECONDS, RepetitionFilter


class Logged:
    """A filter with a clock that stands, and what passes it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[str] = []
        self._filter = RepetitionFilter(lambda: self.now)

    def log(self, text: str, *values: object, name: str = "donkeywatch") -> None:
        """A message is logged."""
        record = logging.LogRecord(name, logging.WARNING, "", 0, text, values, None)
        if self._filter.filter(record):
            self.written.append(record.getMessage())


@pytest.fixture
def logged() -> Logged:
    """A fresh one."""
    return Logged()


def test_a_message_is_repeated_a_few_times_a_minute(logged: Logged) -> None:
    """The first one of the next minute says how many were left out; then all begins anew."""
    for _ in range(100):
        logged.log("source %s: gone", "main")
    assert logged.written == ["source main: gone"] * MAX_REPEATS
    logged.now += WINDOW_SECONDS
    for _ in range(100):
        logged.log("source %s: gone", "main")
    again = f"source main: gone ({100 - MAX_REPEATS} more like it since)"
    assert logged.written[MAX_REPEATS:] == [again] + ["source main: gone"] * (MAX_REPEATS - 1)


def test_other_messages_are_not_held_back(logged: Logged) -> None:
    """What differs in a source's name is another message of ours; a library's are written once."""
    for number in range(50):
        logged.log("source %s: gone", number)
        logged.log("no request from %s", number, name="uvicorn.error")
        logged.log(f"out of resource\nsocket: fd={number}", name="asyncio")
    assert len(logged.written) == 50 + 2


def test_memory_is_bounded(logged: Logged) -> None:
    """Very many different messages are taken for one kind, and that is held back."""
    for number in range(3 * MAX_KINDS):
        logged.log("source %s: gone", number)
    assert len(logged.written) == MAX_KINDS + MAX_REPEATS
    assert len(logged._filter._kinds) <= MAX_KINDS + 1
