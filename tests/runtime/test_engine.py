"""The engine stepped with a given clock: one transaction, recovery, time, coverage, readiness."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from donkeywatch.counting import rolling_windows
from donkeywatch.counting.calendar import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    floor_to,
    iso_utc,
    to_ms,
    week_of,
)
from donkeywatch.errors import StateError, StateLockedError
from donkeywatch.runtime import window_closer
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.window_closer import WindowCloser
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.sources.follower import MISSING_FILE_TIMEOUT
from donkeywatch.store import partitioned_reads, segments
from donkeywatch.store.store import Store
from support.log_writer import LogWriter, search_line
from support.simulated_server import counters, outcomes

FAILED = "the last commit failed"
NOON = to_ms(datetime(2026, 10, 7, 12, tzinfo=UTC))
"""A Wednesday."""


class World:
    """One log of numbered queries, a model of what must be counted, and an engine."""

    def __init__(self, directory: Path, now: int = NOON, more: str = "") -> None:
        sim = Simulation(start=datetime(2026, 9, 28, tzinfo=UTC), hours=1, queries=50, addresses=50)
        path = simulation_directory.write_settings(sim, directory)
        path.write_text(path.read_text() + more)
        self.settings = loader.load(path, {})
        self.directory = directory
        self.state = directory / "state"
        self.log = directory / "search.log"
        self.now = self.steady = now
        self.expected: Counter[int] = Counter()
        self.rejected: Counter[str] = Counter()
        self.serial = itertools.count(1)
        self.engine = Engine(self.settings, now)

    def write(self, count: int = 1, at: int | None = None, outcome: str = "query") -> None:
        """Queries at a time (default now), each of an address of its own."""
        time = self.now if at is None else at
        numbers = itertools.islice(self.serial, count)
        lines = [
            search_line(time, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", f"zqorv {n}")
            for n in numbers
        ]
        LogWriter(self.log).append(b"".join(lines))
        if outcome == "query":
            self.expected[floor_to(time, HOUR)] += count
        self.rejected[outcome] += count

    def step(self, ms: int = SECOND, count: int = 0, wall: int | None = None) -> bool:
        """Let both clocks go on (the wall clock by ``wall``), write, and look."""
        self.steady += ms
        self.now += ms if wall is None else wall
        if count:
            self.write(count)
        return self.engine.tick(self.now, self.steady)

    def restart(self) -> None:
        """Stop and start."""
        self.engine.close()
        self.engine = Engine(self.settings, self.now)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database through a connection of its own."""
        db = sqlite3.connect(self.state / "donkeywatch.db")
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def exact(self) -> None:
        """Every query stands in its hour once, in windows, segments and counters alike."""
        windows = dict(self.query("select start, queries from windows where kind = 'hour'"))
        assert {hour: n for hour, n in windows.items() if n} == dict(self.expected)
        assert outcomes(self.state) == {name: n for name, n in self.rejected.items() if n}
        weeks: Counter[int] = Counter()
        for hour, count in self.expected.items():
            weeks[floor_to(hour, WEEK)] += count
        stored = dict(self.query("select start, queries from windows where kind = 'week'"))
        assert {week: n for week, n in stored.items() if n} == dict(weeks)
        rows: Counter[int] = Counter()
        for rows_found in self.engine.store.segments(0, self.now + DAY):
            rows[rows_found.hour] += int(rows_found.queries.sum())
        kept = {hour: n for hour, n in self.expected.items() if hour >= min(rows, default=0)}
        assert dict(rows) == kept
        # Each query has an address of its own, so a doubled row would show as a square.
        for hour, addresses, squares in self.query(
            "select start, addresses, sum_qq from windows where kind = 'hour' and closed = 1"
        ):
            assert addresses == squares == self.expected[hour]

    def expected_in(self, week: int) -> int:
        """Queries of a week."""
        return sum(n for hour, n in self.expected.items() if floor_to(hour, WEEK) == week)

    def covered(self, hour: int) -> float:
        """Covered seconds of an hour, 0 where there is none."""
        rows = self.query(
            "select covered_seconds from windows where kind = 'hour' and start = ?", hour
        )
        return float(rows[0][0]) if rows else 0.0

    def reasons(self) -> list[str]:
        """Why the engine is not ready."""
        return self.engine.status().readiness_problems(self.settings.follow.ready_lag)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds and closes them."""
    made: list[World] = []

    def make(more: str = "") -> World:
        made.append(World(tmp_path, more=more))
        return made[-1]

    yield make
    for world in made:
        world.engine.close()


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    """Ten queries are counted."""
    made = build()
    made.write(10)
    made.step()
    made.exact()
    return made


# -- one transaction ------------------------------------------------------------------------


class Failing:
    """A connection whose nth statement of a kind fails as a full disk does."""

    def __init__(self, real: sqlite3.Connection, word: str) -> None:
        self.real, self.word = real, word

    def _try(self, sql: str) -> None:
        if self.word in sql:
            # SQLite has rolled back by itself when it says that the disk is full.
            self.real.execute("rollback")
            raise sqlite3.OperationalError("database or disk is full")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Fail or pass on."""
        self._try(sql)
        return self.real.execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Fail or pass on."""
        self._try(sql)
        return self.real.executemany(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def dump(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All counts and positions."""
    tables = (
        "windows", "window_topics", "window_categories", "counters", "sources", "generations",
        "segments", "previous_pseudonyms",
    )  # fmt: skip
    return {table: world.query(f"select * from {table} order by 1, 2") for table in tables}


@pytest.mark.parametrize(
    "statement",
    [
        "begin immediate",
        "insert into segments",
        "insert into previous_pseudonyms",
        "insert into windows",
        "insert into counters",
        "into sources",
        "into generations",
        "commit",
    ],
)
def test_a_checkpoint_is_stored_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Whichever statement fails, nothing is stored, and the next checkpoint is exact."""
    before = dump(world)
    real = world.engine.store.connection
    failing = Failing(real, statement)
    if statement == "begin immediate":
        monkeypatch.setattr(failing, "_try", lambda sql: _refuse(sql, statement))
    monkeypatch.setattr(world.engine.store, "connection", failing)
    world.step(count=7)
    assert dump(world) == before
    assert [reason.partition(" (")[0] for reason in world.reasons()] == [FAILED]
    world.step(count=5)
    assert dump(world) == before
    monkeypatch.undo()
    assert not real.in_transaction
    world.step(count=3)
    world.step()
    assert world.reasons() == []
    world.exact()
    assert counters(world.state)["commit_errors"] == 2
    world.step(2 * HOUR)
    world.exact()


def _refuse(sql: str, word: str) -> None:
    if word in sql:
        raise sqlite3.OperationalError("database is locked")


def test_a_full_disk_delays_and_loses_nothing(world: World) -> None:
    """`max_page_count` fills the database: not ready, offset kept, and exact afterwards."""
    connection = world.engine.store.connection
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages}")
    offset = world.query('select "offset" from generations')
    for _ in range(12):
        world.step(count=3_000)
        if world.reasons():
            break
    assert FAILED in " ".join(world.reasons())
    for _ in range(5):
        world.log.rename(world.log.with_name(f"search.log.{next(world.serial)}"))
        world.step(count=1_000)
    assert FAILED in " ".join(world.reasons())
    stored = world.query('select "offset" from generations')
    assert stored[0][0] >= offset[0][0]
    assert len(stored) == 1
    connection.execute("pragma max_page_count = 1000000")
    world.step(count=5)
    world.step()
    assert world.reasons() == []
    world.exact()
    world.step(2 * HOUR)
    world.exact()


def test_a_full_disk_while_windows_close_is_made_good(world: World) -> None:
    """Closing fails and is repeated: hours close once, with the right figures."""
    world.step(count=500)
    connection = world.engine.store.connection
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages}")
    for _ in range(4):
        world.step(40 * MINUTE)
    connection.execute("pragma max_page_count = 1000000")
    world.step(MINUTE)
    world.step(MINUTE)
    assert world.reasons() == []
    world.exact()
    assert world.query("select count(*) from windows where kind = 'hour' and closed = 1")[0][0] >= 2


def test_a_locked_database_delays_and_loses_nothing(world: World) -> None:
    """Another program holds the write lock: read again, exact, and counted as an error."""
    world.engine.store.connection.execute("pragma busy_timeout = 0")
    other = sqlite3.connect(world.state / "donkeywatch.db", isolation_level=None)
    other.execute("begin immediate")
    for _ in range(4):
        world.step(count=10)
        assert FAILED in " ".join(world.reasons())
    other.execute("rollback")
    other.close()
    world.step(count=1)
    world.step()
    assert world.reasons() == []
    world.exact()
    assert counters(world.state)["commit_errors"] == 4


def test_a_database_damaged_while_running_stops_the_engine(world: World) -> None:
    """No retry can help: StateError with a remedy."""
    (world.state / "donkeywatch.db").read_bytes()
    world.engine.store.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    path = world.state / "donkeywatch.db"
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    world.engine.store.connection.execute("pragma shrink_memory")
    world.engine.store.connection.execute("pragma cache_size = 1")
    with pytest.raises(StateError, match=r"damaged.* -> "):
        world.step(count=100)


def test_a_second_engine_on_the_same_state_is_refused(world: World) -> None:
    """One state directory, one process; the first goes on untouched."""
    with pytest.raises(StateLockedError, match="stop it first"):
        Engine(world.settings, world.now)
    world.step(count=5)
    world.exact()
    world.engine.close()
    world.engine = Engine(world.settings, world.now)


def test_rows_that_were_read_and_not_committed_are_read_again(world: World) -> None:
    """A hundred crashes between reading and committing change no count."""
    for _ in range(100):
        world.now += 10
        world.write(2)
        world.engine._read(world.now, world.now, lambda: False)
        world.restart()
    world.step()
    world.exact()


# -- first start ----------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["beginning", "end"])
def test_a_crash_before_the_first_commit_leaves_it_the_first_start(
    build: Callable[..., World], monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """History is skipped by the start that is first to commit, not by the first to look."""
    world = build(more=f'start = "{start}"\n')
    old = world.log.with_name("search.log.1")
    world.write(20)
    world.log.rename(old)
    world.expected.clear()
    world.rejected.clear()
    world.write(10)
    if start == "end":
        world.expected.clear()
        world.rejected.clear()

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Store, "checkpoint", die)
        with pytest.raises(KeyboardInterrupt):
            world.step()
    world.restart()
    world.step()
    world.step(count=4)
    world.exact()


# -- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+1400"])
def test_the_oldest_stamp_of_all_as_the_first_line_does_no_harm(
    build: Callable[..., World], stamp: str
) -> None:
    """A hostile or broken first line cannot stop the daemon for ever."""
    world = build()
    world.log.write_text(f"{stamp}\t192.0.2.1\tzqorv\n")
    world.step()
    world.step(count=5)
    world.step(count=5)
    assert sum(outcomes(world.state).values()) == 11


def test_an_old_stamp_in_the_first_line_covers_no_time(build: Callable[..., World]) -> None:
    """A server that starts with its clock unset: the days until now were not followed."""
    world = build()
    world.write(1, NOON - 40 * DAY)
    world.step()
    world.step(count=5)
    world.step(MINUTE, count=5)
    world.step(MINUTE)
    rows = world.query("select sum(covered_seconds) from windows where kind = 'hour'")
    assert rows[0][0] <= 10 * 60


def test_an_unfollowed_time_is_a_gap(world: World) -> None:
    """While the log is missing nothing is covered; before and after it is."""
    hour = floor_to(world.now, HOUR) + HOUR
    while world.now < hour + 10 * MINUTE:
        world.step(30 * SECOND, count=1)
    world.log.unlink()
    while world.now < hour + 40 * MINUTE:
        world.step(30 * SECOND)
    assert any("not there yet" in reason for reason in world.reasons())
    while world.now < hour + HOUR + 5 * MINUTE:
        world.step(30 * SECOND, count=1)
    assert world.reasons() == []
    assert world.covered(hour) == pytest.approx(1800, abs=61)
    world.exact()


def test_a_stop_that_is_caught_up_with_is_no_gap(world: World) -> None:
    """The log was kept while the daemon was not running, so its time is covered."""
    hour = floor_to(world.now, HOUR) + HOUR
    while world.now < hour + 10 * MINUTE:
        world.step(30 * SECOND, count=1)
    world.engine.close()
    while world.now < hour + 50 * MINUTE:
        world.now += MINUTE
        world.steady += MINUTE
        world.write(1)
    world.engine = Engine(world.settings, world.now)
    while world.now < hour + HOUR + 5 * MINUTE:
        world.step(30 * SECOND, count=1)
    assert world.covered(hour) == pytest.approx(3600, abs=1)
    world.exact()


@pytest.mark.parametrize("known", [False, True], ids=["unseen bytes", "bytes seen"])
def test_a_log_destroyed_unread_while_stopped_is_a_gap(world: World, known: bool) -> None:
    """The log that was followed is gone: the time it held is not covered, however busy it was."""
    hour = floor_to(world.now, HOUR) + HOUR
    while world.now < hour + 10 * MINUTE:
        world.step(30 * SECOND, count=1)
    if known:
        world.engine.store.connection.execute("update generations set size = size + 500")
    world.engine.close()
    start = world.now
    expected, rejected = world.expected.copy(), world.rejected.copy()
    while world.now < hour + 40 * MINUTE:
        world.now += MINUTE
        world.write(2)
    world.steady += world.now - start
    world.expected, world.rejected = expected, rejected
    world.log.unlink()
    world.engine = Engine(world.settings, world.now)
    while world.now < hour + HOUR + 5 * MINUTE:
        world.step(30 * SECOND, count=1)
    world.exact()
    if known:
        assert counters(world.state)["lost_bytes"] == 500
    assert world.covered(hour) <= 3600 - 29 * 60


def test_bytes_lost_to_a_truncation_are_counted_and_make_a_gap(world: World) -> None:
    """Seen, not yet read, and overwritten without a copy."""
    hour = floor_to(world.now, HOUR) + HOUR
    while world.now < hour + 10 * MINUTE:
        world.step(30 * SECOND, count=1)
    expected, rejected = world.expected.copy(), world.rejected.copy()
    world.write(10)
    live = world.engine.streams[0].follower.live
    assert live is not None
    live.size = world.log.stat().st_size
    unread = live.size - live.fingerprint.offset
    world.expected, world.rejected = expected, rejected
    world.log.write_text("")
    world.step(SECOND)
    world.step(MISSING_FILE_TIMEOUT)
    while world.now < hour + HOUR + 5 * MINUTE:
        world.step(30 * SECOND, count=1)
    world.exact()
    assert counters(world.state)["lost_bytes"] == unread
    assert world.covered(hour) < 3600


def test_retention_forgets_old_windows_and_keeps_totals(build: Callable[..., World]) -> None:
    """Hours and weeks older than their retention go; counters never do.

    Hours go a whole week at a time: two answers that differ by an hour would tell of that hour.
    """
    world = build(more="\n[retention]\nhourly_weeks = 2\nweekly_weeks = 3\n")
    while world.now < NOON + 5 * WEEK:
        world.step(6 * HOUR, count=1)
    hours = world.query("select min(start), count(*) from windows where kind = 'hour'")[0]
    weeks = world.query("select min(start), count(*) from windows where kind = 'week'")[0]
    assert hours[0] == week_of(world.now - 2 * WEEK)
    assert hours[1] >= 2 * 7 * 24 / 6
    assert world.now - 5 * WEEK <= weeks[0] <= world.now - 3 * WEEK
    assert outcomes(world.state) == {"query": world.rejected["query"]}
    for table in ("window_topics", "window_categories", "window_countries"):
        orphans = world.query(
            f"select count(*) from {table} where (kind, start) not in"
            " (select kind, start from windows)"
        )
        assert orphans == [(0,)], table


# -- readiness ------------------------------------------------------------------------------


def test_every_reason_for_not_being_ready_is_named(build: Callable[..., World]) -> None:
    """Before the first scan, without the log, behind it, and with a failing database."""
    world = build(more="\n[follow]\nready_lag = 1000\n")
    assert any("not followed" in reason for reason in world.reasons())
    world.step()
    assert any("not there yet" in reason for reason in world.reasons())
    world.write(10)
    world.step()
    assert world.reasons() == []
    big = ("zqorv" * 800 + "\n") * 10_000
    with world.log.open("a") as log:
        log.write(big)
    busy = world.step()
    assert busy
    assert any("bytes behind" in reason for reason in world.reasons())
    while world.step():
        pass
    assert world.reasons() == []
    assert outcomes(world.state) == {"query": 10, "other": 10_000}


def test_a_log_without_any_search_is_complained_of(build: Callable[..., World]) -> None:
    """A thousand lines of which none is one: the status says so until the first search."""
    world = build()
    with world.log.open("a") as log:
        log.write("2026-11-23 10:44:36\t192.0.2.7\n" * 999)
    world.step()
    assert world.engine.status().sources[0].error is None
    with world.log.open("a") as log:
        log.write("zqorv\n")
    world.step()
    assert "none of its lines so far is a search" in (world.engine.status().sources[0].error or "")
    world.write(1)
    world.step()
    assert world.engine.status().sources[0].error is None


def test_a_quiet_log_with_other_lines_is_not_complained_of(build: Callable[..., World]) -> None:
    """Its searches were read before the start; lines that are mostly rejected are another thing."""
    world = build()
    world.step(count=1)
    world.restart()
    with world.log.open("a") as log:
        log.write("zqorv\n" * 1_000)
    world.step()
    assert world.engine.status().sources[0].error is None
    with world.log.open("a") as log:
        log.write(f"{iso_utc(world.now)}\t10.0.0.x\tzqorv\n" * 1_001)
    world.step()
    assert "most rejected as bad_address" in (world.engine.status().sources[0].error or "")


def test_lines_of_a_failed_commit_are_not_told_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again, so they are forgotten first."""
    (stream,) = world.engine.streams
    before = stream.outcomes.total()
    monkeypatch.setattr(
        world.engine.store, "connection", Failing(world.engine.store.connection, "commit")
    )
    for _ in range(3):
        world.step(count=7)
        assert stream.outcomes.total() == before
    assert [reason.partition(" (")[0] for reason in world.reasons()] == [FAILED]
    monkeypatch.undo()
    world.step()
    world.step()
    assert stream.outcomes.total() == before + 21


def test_lag_is_the_bytes_not_yet_counted(world: World) -> None:
    """A partial last line is lag, but a log of which no more is whole is caught up with."""
    with world.log.open("a") as log:
        log.write("2026-10-07T12:00")
    world.step()
    source = world.engine.status().sources[0]
    assert source.lag_bytes == 16
    assert source.caught_up
    assert source.offset_bytes == world.log.stat().st_size - 16
    assert world.reasons() == []


def test_a_long_week_is_closed_a_piece_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New lines are counted between the pieces, and one of the week that ends is not missed."""
    monkeypatch.setattr(window_closer, "WEEK_SLICE_ROWS", 1)
    monkeypatch.setattr(rolling_windows, "REBUILD_ROWS_PER_CALL", 1)
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", 8)
    monkeypatch.setattr(partitioned_reads, "PARTITION_ABOVE_ROWS", 8)
    monday = floor_to(NOON, WEEK) + WEEK
    world = World(tmp_path, now=monday - 2 * HOUR)
    for _ in range(24):
        world.step(5 * MINUTE, count=2)
    pieces = 0
    for step in range(100):
        world.write(at=monday - SECOND if step in (5, 16, 17, 40) else None)
        pieces += world.step(7 * SECOND)
        if (
            step < 40 and world.engine.window_closer.week_in_progress
        ):  # What is made anew comes after it.
            assert (world.engine.rolling.end or 0) <= monday
    while world.step(SECOND):
        pieces += 1
    assert pieces > segments.PARTITIONS
    world.exact()
    (week,) = world.query("select queries, addresses, closed from windows where kind = 'week'"
                          " and start = ?", monday - WEEK)  # fmt: skip
    assert week == (world.expected_in(monday - WEEK), world.expected_in(monday - WEEK), 1)
    rolled = world.query("select queries, addresses from windows where kind = '7d'")
    assert rolled[0][0] == rolled[0][1]
    assert world.query("select 1 from counters where name = 'invariant_violations'") == []
    world.engine.close()


def test_a_week_that_a_clock_ahead_has_begun_to_close_keeps_nothing_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the clock is put back the week is not over, and what else is due is destroyed."""
    monkeypatch.setattr(window_closer, "WEEK_SLICE_ROWS", 1)
    monkeypatch.setattr(partitioned_reads, "PARTITION_ABOVE_ROWS", 8)
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", 8)
    world = World(tmp_path)
    for _ in range(24):
        world.step(5 * MINUTE, count=2)
    closer, monday = world.engine.window_closer, floor_to(NOON, WEEK) + WEEK
    closer.close(monday + HOUR, world.now, None, confirmed=False)
    pieces = closer.week_in_progress
    assert pieces
    calls, close = itertools.count(), closer.close

    def count_calls(*arguments: Any, **options: Any) -> None:
        assert next(calls) < 10
        close(*arguments, **options)

    monkeypatch.setattr(WindowCloser, "close", lambda _self, *a, **o: count_calls(*a, **o))
    closer.close_until_destroyed(world.now - MINUTE, world.now, confirmed=True)
    assert not closer.week_in_progress
    monkeypatch.undo()
    world.step(MINUTE, count=1)
    assert not world.step()
    world.exact()
    world.engine.close()


def test_nothing_is_sorted_outside_the_state_directory(tmp_path: Path) -> None:
    """An hour of many segments, read in order, leaves no temporary file of the database's."""
    world = World(tmp_path)
    for _ in range(6):
        world.step(count=10_000)
    store = world.engine.store
    rows = segments.load(store.connection, 0, 1 << 60, store.topics)
    next(rows)
    opened = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert not [path for path in opened if "etilqs" in path]
    del rows
    world.engine.close()


def test_addresses_stay_apart_where_the_older_key_is_destroyed(tmp_path: Path) -> None:
    """A clock a week ahead has a key destroyed; windows that begin before it count each address."""
    world = World(tmp_path, to_ms(datetime(2026, 10, 7, tzinfo=UTC)))
    for _ in range(5):
        world.step(count=10)
    world.step(ms=10 * MINUTE)
    world.step(wall=WEEK)
    for _ in range(480):
        world.step(ms=MINUTE)
    world.step(wall=-WEEK)
    for _ in range(5):
        world.step(ms=MINUTE, count=10)
    for _ in range(480):  # The clock of before had run for hours, and so has this one to.
        world.step(ms=MINUTE)
    query = "select queries, addresses, sum_qq from windows where kind = '7d'"
    assert world.query(query) == [(100, 100, 100)]
    world.engine.close()
