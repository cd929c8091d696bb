"""A week is decided once, when it is over for a day, and never again with another value."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import DAY, FIRST_MONDAY, HOUR, WEEK
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.runtime.releaser import Releaser
from donkeywatch.settings.schema import Release
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import released
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import BACKFILLED, Store
from support.stored_windows import followed

START = FIRST_MONDAY + 2900 * WEEK
END = START + WEEK


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with one closed week of 400 addresses, 50 of them flagged."""
    ensure_state_directory(tmp_path)
    with closing(Store(tmp_path, ("one",))) as store:
        count(store, START, 50)
    return tmp_path


def count(store: Store, start: int, flagged: int) -> None:
    """More lines of a week, which is closed again after them."""
    counts = HourCounts(400, 0, Counter({("one", "first"): flagged}))
    progress = [SourceProgress("main", start + WEEK - 1, 0, 0, start + WEEK)]
    batch = Batch([], {start: counts}, Counter())
    store.checkpoint(batch, [], progress, followed({start: 3600.0}), start + WEEK)
    topic = TopicAggregate(3 * flagged, (flagged, 0, 0), 1, 1)
    countries = {"FR": CountryAggregate(400, 400, ((3 * flagged, flagged),))}
    figures = WindowAggregate(400, 400, 400, (topic,), countries)
    store.close_hour(start, None, figures)
    store.close_week(start, figures)


def rows(store: Store) -> list[tuple[object, ...]]:
    """All that was released."""
    return store.connection.execute("select * from released order by 1, 2, 3, 4").fetchall()


def step(store: Store, confirmed: int | None, delay_hours: int = 24) -> list[tuple[object, ...]]:
    """What is there after a new start has released what is due."""
    releaser = Releaser(store, Release(delay_hours=delay_hours))
    while releaser.release_due(confirmed, END + 2 * DAY):
        pass
    return rows(store)


def test_nothing_is_released_before_the_delay_is_over(state: Path) -> None:
    """By a clock that is confirmed; the delay may be longer, and not shorter than a day."""
    with closing(Store(state, ("one",))) as store:
        assert step(store, None) == []
        assert step(store, END + DAY - 1) == []
        assert step(store, END + DAY, delay_hours=25) == []
        assert [row[:4] for row in step(store, END + DAY)] == [
            ("hour", START, "", ""),
            ("hour", START, "one", ""),
            ("week", START, "", ""),
            ("week", START, "one", ""),
        ]
    with pytest.raises(ValueError, match="24"):
        Release(delay_hours=23)


def test_late_lines_change_no_byte_of_what_was_released(state: Path) -> None:
    """However many they are."""
    with closing(Store(state, ("one",))) as store:
        before = step(store, END + DAY)
        count(store, START, 300)
        assert step(store, END + 2 * DAY) == before


def test_a_week_that_is_open_again_waits(state: Path) -> None:
    """Until it is closed."""
    with closing(Store(state, ("one",))) as store:
        batch = Batch([], {START: HourCounts(1, 1, Counter())}, Counter())
        store.checkpoint(batch, [], [], [], END)
        assert step(store, END + DAY) == []


def test_the_delay_begins_anew_with_an_archive(state: Path) -> None:
    """Others may follow that hold the rest of the week."""
    with closing(Store(state, ("one",))) as store:
        store.set(BACKFILLED, str(END + 5 * DAY))
        assert step(store, END + 6 * DAY - 1) == []
        assert step(store, END + 6 * DAY) != []


def test_a_released_row_can_be_neither_changed_nor_deleted(state: Path) -> None:
    """The database itself refuses."""
    with closing(Store(state, ("one",))) as store:
        before = step(store, END + DAY)
        for change in ("update released set figures = '{}'", "delete from released"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                store.connection.execute(change)
        assert rows(store) == before


def test_a_crash_within_the_write_leaves_nothing_and_the_next_start_repeats_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a week are one transaction; the file beside them comes after it."""
    with closing(Store(state, ("one",))) as store:
        bad = [released.ReleasedRow("week", START, topic, "", "{}") for topic in ("a", "b", "a")]
        with pytest.raises(sqlite3.IntegrityError):
            released.insert(store, bad, END)
        assert rows(store) == []

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(released, "remember", crash)
        with pytest.raises(KeyboardInterrupt):
            step(store, END + DAY)
        monkeypatch.undo()
        before = rows(store)
        assert before
        assert step(store, END + DAY) == before
        assert released.remembered(state) == released.Decided(1, END)


def test_a_database_that_is_begun_anew_twice_releases_no_week_again(state: Path) -> None:
    """The second one knows of as many released weeks as the first: none."""
    with closing(Store(state, ("one",))) as store:
        step(store, END + DAY)
    for _ in range(3):
        (state / DATABASE).unlink()
        with closing(Store(state, ("one",))) as store:
            count(store, START, 200)
            count(store, END, 60)
            assert START not in {row[1] for row in step(store, END + DAY)}


@pytest.mark.parametrize("restored", [True, False])
def test_an_older_or_a_new_database_releases_no_week_again(state: Path, restored: bool) -> None:
    """Neither a copy that was put in its place nor one that was begun anew with other figures."""
    copy = (state / DATABASE).read_bytes()
    with closing(Store(state, ("one",))) as store:
        step(store, END + DAY)
    (state / DATABASE).unlink()
    if restored:
        (state / DATABASE).write_bytes(copy)
    with closing(Store(state, ("one",))) as store:
        count(store, START, 200)
        count(store, END, 60)
        assert {row[1] for row in step(store, END + WEEK + DAY)} == {END}
        assert {row[1] for row in step(store, END + WEEK + 2 * DAY)} == {END}


def test_after_a_recovery_no_week_is_released_that_may_have_been(state: Path) -> None:
    """Also where the file beside the database is gone; the week that runs is released in time."""
    with closing(Store(state, ("one",))) as store:
        count(store, END, 60)
    (state / released.COPY).unlink(missing_ok=True)
    released.refuse_before(state / DATABASE, END + 3 * HOUR)
    released.refuse_before(state / DATABASE, START)  # It never goes back.
    with closing(Store(state, ("one",))) as store:
        assert {row[1] for row in step(store, END + 3 * WEEK)} == {END}
