"""The daemon's own log: what is said again and again is counted, not written."""

from __future__ import annotations

import io
import logging

import pytest

from donkeywatch.runtime.repeated_messages import (
    ANSWER,
    MAX_DIFFERENT,
    PERIOD_SECONDS,
    TOO_MANY,
    Journal,
)


class World:
    """A journal with a clock of its own, and what it wrote."""

    def __init__(self) -> None:
        self.now = 0.0
        self.journal = Journal(lambda: self.now)
        self.written = io.StringIO()
        self.journal.setStream(self.written)
        self.journal.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def say(self, text: str, level: int = logging.WARNING, **more: object) -> None:
        """One message."""
        message = {"levelno": level, "levelname": logging.getLevelName(level), "msg": text}
        self.journal.handle(logging.makeLogRecord({**message, **more}))

    def lines(self) -> list[str]:
        """What was written since the last call."""
        result = self.written.getvalue().splitlines()
        self.written.seek(0)
        self.written.truncate()
        return result


@pytest.fixture
def world() -> World:
    """A journal in which nothing was written."""
    return World()


def test_a_message_is_written_once_a_minute_and_its_repeats_are_told(world: World) -> None:
    """The count comes with the next message of any kind; after a quiet minute nothing is left."""
    for _ in range(5):
        world.say("zqorv")
        world.now += 1
    assert world.lines() == ["WARNING zqorv"]
    world.now = PERIOD_SECONDS
    world.say("plim", logging.INFO)
    assert world.lines() == ["WARNING zqorv (and 4 times more within 60 s)", "INFO plim"]
    world.now = 3 * PERIOD_SECONDS
    world.say("zqorv")
    assert world.lines() == ["WARNING zqorv"]


def test_other_messages_are_written_meanwhile(world: World) -> None:
    """Only the same text of the same level is a repetition."""
    world.say("zqorv")
    world.say("zqorv", logging.INFO)
    world.say("zqorv 2")
    assert world.lines() == ["WARNING zqorv", "INFO zqorv", "WARNING zqorv 2"]


def test_an_answer_to_a_signal_is_written_each_time(world: World) -> None:
    """Who reloads twice is told twice."""
    for _ in range(2):
        world.say("settings reloaded", logging.INFO, **ANSWER)
    assert world.lines() == ["INFO settings reloaded"] * 2


def test_a_flood_of_different_messages_has_a_limit(world: World) -> None:
    """So many a minute; of the others there is one line, with their number a minute later."""
    for number in range(MAX_DIFFERENT + 50):
        world.say(f"zqorv {number}")
    message = world.lines()
    assert len(message) == MAX_DIFFERENT + 1
    assert message[-1] == f"WARNING {TOO_MANY}"
    world.now = PERIOD_SECONDS
    world.say("plim")
    assert f"WARNING {TOO_MANY} (and 49 times more within 60 s)" in world.lines()
