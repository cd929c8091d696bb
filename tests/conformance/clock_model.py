"""A server and a monitor whose wall clock is wrong now and then, and the truth beside them."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from conformance.diary import stamp
from conformance.model import new_directory, template
from donkeywatch.counting.calendar import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    floor_to,
    to_ms,
    week_name,
    week_of,
)
from donkeywatch.runtime.believed_time import BUILD_TIME_MS, EVEN_RUN_MS
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings.schema import Retention
from support.log_writer import LogWriter, numbered_address

BEGIN = to_ms(datetime(2026, 11, 21, 22, 30, tzinfo=UTC))
"""A Saturday evening."""
KEPT_WEEKS = 2
"""Weeks of hours that the retention keeps."""
WRONG = 2 * MINUTE
"""A wrong clock is wrong for so long at the most: shorter than the right one had run before."""
EPOCH = -(10**15)
"""As an error of the clock: it shows 1970, as a board without a battery does."""


class Clockwork:
    """One log, an engine that is stepped, the right time, and the error of the wall clock."""

    def __init__(self) -> None:
        source, settings, self._materials = template()
        self.directory = new_directory()
        shutil.copytree(source / "state", self.directory / "state")
        self.log = self.directory / "search.log"
        self.log.touch()
        follow = settings.source[0].model_copy(update={"path": self.log})
        self._settings = settings.model_copy(
            update={
                "state": self.directory / "state",
                "source": (follow,),
                "retention": Retention(hourly_weeks=KEPT_WEEKS),
            }
        )
        self.now = BEGIN
        """The right time, ms UTC."""
        self.error = 0
        self.wrong_for = 0
        self.right: Counter[int] = Counter()
        """Lines with the right stamp by their hour."""
        self.wrong: Counter[int] = Counter()
        """Lines that were stamped by the wrong clock, by the hour that they tell."""
        self._serial, self._rotations = 0x1000, 0
        self.engine: Engine | None = None
        self.start()
        self.write()
        self.run_right()

    @property
    def wall(self) -> int:
        """What the wall clock shows."""
        return self.now % DAY if self.error == EPOCH else self.now + self.error

    def _append(self, time: int, count: int) -> None:
        for _ in range(count):
            self._serial += 1
            query = f"fnarbl {self._serial}"
            LogWriter(self.log).log_search(time, numbered_address(self._serial), query)

    def write(self, count: int = 1) -> None:
        """The server logs searches, by a clock that is right."""
        self.right[floor_to(self.now, HOUR)] += count
        self._append(self.now, count)

    def write_wrong(self, count: int) -> None:
        """The server logs searches by the same wall clock as the monitor's."""
        time = max(self.wall, 31 * 366 * DAY)  # Stamps before 2000 are no time at all.
        self.wrong[floor_to(time, HOUR)] += count
        self._append(time, count)

    def rotate(self) -> None:
        """The log is renamed, with lines in it that may not have been read, and made anew."""
        self._rotations += 1
        self.log.rename(self.directory / f"search.log.{self._rotations}")
        self.log.touch()

    def jump(self, error: int) -> None:
        """The wall clock goes wrong, or is wrong in another way."""
        self.error = error

    def step(self, ms: int) -> None:
        """Time goes on, and the engine looks; a wrong clock is right again in time."""
        if self.error:
            self.wrong_for += ms
            if self.wrong_for > WRONG:
                self.run_right()
                return
        self.now += ms
        self.look()

    def look(self) -> None:
        """One look; the rest of what it found to do."""
        if self.engine is not None:
            while self.engine.tick(self.wall, self.now):
                pass
        self._nothing_was_destroyed_early()

    def run_right(self) -> None:
        """The clock is right, for longer than it was wrong."""
        self.error = self.wrong_for = 0
        self.start()
        for _ in range(12):
            self.now += MINUTE
            self.look()

    def start(self) -> None:
        """The engine starts, if it does not run."""
        if self.engine is None:
            self.engine = Engine(self._settings, self.wall, self._materials)
            self.look()

    def stop(self, *, commit: bool) -> None:
        """The engine ends: stopped, or killed."""
        if self.engine is not None:
            if commit:
                self.engine.commit(self.wall, self.now)
            self.engine.close()
            self.engine = None

    def sleep(self, days: int, error: int, *, rotated: bool = False) -> None:
        """Days pass while the engine does not run, and then the clock may be wrong.

        Where the log is ``rotated`` meanwhile, its last lines were logged when the days began.
        """
        self.run_right()
        self.stop(commit=True)
        if rotated:
            self.write(3)
            self.rotate()
        self.now += days * DAY
        self.jump(error)
        self.start()

    def idle(self, hours: int) -> None:
        """Hours pass by a clock that is right, and nothing is logged."""
        self.run_right()
        for _ in range(hours):
            self.now += HOUR
            self.look()

    # -- what must hold ------------------------------------------------------------------

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        path = self.directory / "state" / "donkeywatch.db"
        with closing(sqlite3.connect(path)) as db:
            return db.execute(sql, values).fetchall()

    def _nothing_was_destroyed_early(self) -> None:
        """Keys of this week and the one before, and the hours that the retention keeps."""
        needed = week_of(self.now) - WEEK
        for week, sealed in self.query("select week, destroyed from weekly_keys"):
            key = self.directory / "state" / "keys" / f"{week_name(week)}.key"
            if needed <= week <= self.now:
                assert not sealed, week_name(week)
                assert key.exists(), week_name(week)

    def check(self) -> None:
        """Hours after the clock is right every line has its outcome, and what is due is gone."""
        self.run_right()
        for _ in range(0, 2 * EVEN_RUN_MS + HOUR, HOUR):
            self.now += HOUR
            self.write()
            self.look()
        outcomes = dict(
            self.query("select detail, sum(value) from counters where name = 'lines' group by 1")
        )
        right, wrong = self.right.total(), self.wrong.total()
        assert sum(outcomes.values()) == right + wrong, outcomes
        assert right <= outcomes["query"] <= right + wrong, outcomes
        assert set(outcomes) <= {"query", "future", "too_late"}
        kept = week_of(self.now - KEPT_WEEKS * WEEK)
        hours = dict(self.query("select start, queries from windows where kind = 'hour'"))
        for hour in {*hours, *self.right}:
            if hour >= kept:
                most = self.right[hour] + self.wrong[hour]
                assert self.right[hour] <= hours.get(hour, 0) <= most, stamp(hour)
        for hour in hours:
            assert kept <= hour <= self.now + 2 * DAY, stamp(hour)
        for hour, queries, squares in self.query(
            "select start, queries, sum_qq from windows where kind = 'hour' and closed"
        ):
            assert queries == squares, stamp(hour)
        assert not self.query("select 1 from counters where name = 'invariant_violations'")
        keys = (self.directory / "state" / "keys").glob("*-W*.key")
        due = week_of(self.now) - WEEK
        assert min(path.stem for path in keys) >= week_name(due)
        assert self.query("select min(hour) >= ? from segments", due) == [(1,)]
        assert self.engine is not None
        assert not self.engine.status().engine_problems

    def close(self) -> None:
        """Remove everything."""
        self.stop(commit=False)
        shutil.rmtree(self.directory)


ERRORS = (
    EPOCH, BUILD_TIME_MS - BEGIN - 400 * DAY, -8 * DAY, -HOUR, -2 * MINUTE, 2 * MINUTE, HOUR,
    23 * HOUR, 3 * DAY, 8 * DAY, 15 * DAY, 100 * DAY, 3653 * DAY,
)  # fmt: skip
"""How wrong a clock may be, ms."""
LOOKS = (100, SECOND, 6 * SECOND, 31 * SECOND)
