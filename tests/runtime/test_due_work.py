"""DueWork: what time alone makes due is done in time, and between two minutes nothing is asked."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from runtime.stepped_log import SteppedLog


@pytest.fixture
def log(tmp_path: Path) -> SteppedLog:
    """A log with a search of this minute."""
    log = SteppedLog(tmp_path, '["paper"]')
    log.write("192.0.2.1", "kamo")
    return log


@pytest.fixture
def engine(log: SteppedLog) -> Iterator[Engine]:
    """An engine that has counted the log."""
    with closing(Engine(loader.load(log.settings, {}), log.now)) as engine:
        tick_until_done(engine, log.now)
        yield engine


def tick_until_done(engine: Engine, now: int) -> None:
    """Step until nothing is left to do at a time (ms UTC)."""
    while engine.tick(now, now):
        pass


def test_an_idle_engine_asks_the_database_nothing_within_a_minute(
    log: SteppedLog, engine: Engine
) -> None:
    """Only the coverage is stored, each half minute; the next minute is asked about at once."""
    log.now += SECOND
    tick_until_done(engine, log.now)
    statements: list[str] = []
    engine.store.connection.set_trace_callback(statements.append)
    for _ in range(20):
        log.now += SECOND
        assert not engine.tick(log.now, log.now)
    assert statements == []
    log.now += MINUTE
    tick_until_done(engine, log.now)
    assert statements


def test_rolling_windows_move_with_the_minute_though_nothing_is_logged(
    log: SteppedLog, engine: Engine
) -> None:
    """Their end follows the clock, less the lateness."""
    for _ in range(5):
        log.now += MINUTE
        for second in range(3):
            tick_until_done(engine, log.now + second * SECOND)
        assert engine.store.rolling_end() == log.now - MINUTE


def test_an_hour_closes_in_silence(log: SteppedLog, engine: Engine) -> None:
    """At the first look after its end and the lateness."""
    end = log.now // HOUR * HOUR + HOUR
    tick_until_done(engine, end + MINUTE - SECOND)
    assert engine.window_closer.closed_until < end
    tick_until_done(engine, end + MINUTE)
    assert engine.window_closer.closed_until == end


def test_what_fails_is_tried_again_within_the_minute(
    log: SteppedLog, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what was begun at an earlier look and failed only then."""
    due_work, closer = engine._due_work, engine.window_closer
    log.now += 5 * MINUTE
    looks: list[int] = []

    def close(watermark: int, *_times: int | None, **_more: bool) -> None:
        looks.append(watermark)
        if len(looks) == 2:
            raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(closer, "close", close)
    due_work.perform(log.now - MINUTE, log.now, caught_up=True)
    due_work.remains = True
    for second in range(1, 4):
        with contextlib.suppress(sqlite3.OperationalError):
            due_work.perform(log.now - MINUTE + second, log.now + second, caught_up=True)
    assert len(looks) == 3


def test_a_line_that_comes_within_a_minute_is_shown_at_the_next_commit(
    log: SteppedLog, engine: Engine
) -> None:
    """A commit makes the windows due, whatever the clock says."""
    log.now += 5 * MINUTE
    tick_until_done(engine, log.now)
    log.now -= 2 * MINUTE
    log.write("192.0.2.2", "kamo")
    log.now += 2 * MINUTE + 5 * SECOND
    tick_until_done(engine, log.now)
    with closing(sqlite3.connect(log.state / "donkeywatch.db")) as db:
        [(queries,)] = db.execute("select queries from windows where kind = '1h'").fetchall()
    assert queries == 2
