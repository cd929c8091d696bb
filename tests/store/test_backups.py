"""Copies made while the database is written to: whole, few, private, and gone with the keys."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import SECOND, WEEK, week_of
from donkeywatch.settings import state_files
from donkeywatch.store import backups
from donkeywatch.store.backups import Backups
from donkeywatch.store.store import Store

HOUR = 3600 * SECOND
NOW = 1_780_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with one small fact."""
    made = Store(tmp_path, ["pedophile"])
    made.set("zqorv", "1")
    yield made
    made.close()


def copies(store: Store, interval: int = HOUR, keep: int = 3) -> Backups:
    """The backups of a database."""
    return Backups(store.path, interval, keep)


def test_a_copy_is_whole_and_for_its_owner_only(store: Store) -> None:
    """Integrity, content, modes whatever the umask."""
    before = os.umask(0)
    try:
        path = copies(store).make(NOW)
    finally:
        os.umask(before)
    assert path is not None
    assert backups.find_damage(path) is None
    assert backups.created_at(path) == NOW // SECOND * SECOND
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with sqlite3.connect(path) as db:
        assert db.execute("select value from settings where name = 'zqorv'").fetchone() == ("1",)
    db.close()


def test_the_newest_are_kept(store: Store) -> None:
    """Five copies, three kept."""
    kept = copies(store)
    for number in range(5):
        kept.make(NOW + number * HOUR)
    assert [backups.created_at(path) for path in backups.list_backups(kept.directory)] == [
        NOW + number * HOUR for number in (4, 3, 2)
    ]


def test_a_copy_is_due_at_the_first_step_and_after_each_interval(store: Store) -> None:
    """By the steady clock; a jump of the wall clock makes none."""
    kept = copies(store)
    for now, steady, expected in (
        (NOW, 0, 1), (NOW + HOUR // 2, HOUR // 2, 1), (NOW + 9 * HOUR, HOUR // 2 + 1, 1),
        (NOW + HOUR, HOUR, 2),
    ):  # fmt: skip
        kept.start_if_due(now, steady)
        kept.finish()
        assert len(backups.list_backups(kept.directory)) == expected


def test_a_restart_waits_for_the_rest_of_the_interval(store: Store) -> None:
    """Ten restarts in an hour make no ten copies."""
    copies(store).make(NOW)
    for minute in range(10):
        again = copies(store)
        assert again.last == NOW // SECOND * SECOND
        again.start_if_due(NOW + minute * 60 * SECOND, 0)
        again.finish()
    assert len(backups.list_backups(again.directory)) == 1
    again = copies(store)
    again.start_if_due(NOW + HOUR, 0)
    again.finish()
    assert len(backups.list_backups(again.directory)) == 2


def test_an_interval_of_nought_makes_none(store: Store) -> None:
    """The operator has backups of another kind."""
    kept = copies(store, interval=0)
    kept.start_if_due(NOW, 10 * HOUR)
    assert not kept.busy
    assert not kept.directory.exists()


def test_writers_go_on_while_a_copy_is_made(store: Store) -> None:
    """The copy is one moment of the database, whatever is written meanwhile."""
    with store.transaction() as db:
        db.executemany(
            "insert into counters values (?, '', '', 1)", ((str(n),) for n in range(50_000))
        )
    kept, done = copies(store), threading.Event()

    def copy() -> None:
        assert kept.make(NOW) is not None
        done.set()

    thread = threading.Thread(target=copy)
    thread.start()
    written = 0
    while not done.is_set():
        with store.transaction() as db:
            db.execute("update counters set value = value + 1")
        written += 1
    thread.join()
    assert written
    with sqlite3.connect(backups.list_backups(kept.directory)[0]) as db:
        assert len(db.execute("select distinct value from counters").fetchall()) == 1
    db.close()


def test_a_copy_that_is_given_up_leaves_nothing(store: Store) -> None:
    """The daemon stops while a copy is made."""
    with store.transaction() as db:
        db.executemany(
            "insert into counters values (?, '', '', 1)", ((str(n),) for n in range(200_000))
        )
    kept = copies(store)
    kept.start_if_due(NOW, 0)
    kept.cancel()
    assert not kept.busy
    assert not list(kept.directory.glob("*.part"))
    kept.cancel()


def test_a_failed_copy_is_counted_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the old copies stay, counting comes first."""
    kept = copies(store)
    kept.make(NOW)
    usage = shutil.disk_usage(store.path.parent)
    monkeypatch.setattr(
        "donkeywatch.store.backups.shutil.disk_usage", lambda _: usage._replace(free=100)
    )
    assert kept.make(NOW + HOUR) is None
    assert kept.errors == 1
    assert [backups.created_at(path) for path in kept.directory.iterdir()] == [
        NOW // SECOND * SECOND
    ]


def test_copies_and_quarantine_go_with_the_keys(store: Store, tmp_path: Path) -> None:
    """Everything that holds per-address rows."""
    kept = copies(store)
    kept.make(NOW)
    (kept.directory / "left.part").touch()
    backups.quarantine_database(store.path, tmp_path / state_files.QUARANTINE / "then")
    assert (tmp_path / state_files.QUARANTINE / "then" / "donkeywatch.db").exists()
    kept.destroy()
    assert not list(kept.directory.iterdir())
    assert not (tmp_path / state_files.QUARANTINE).exists()


def test_a_crash_before_they_went_is_made_good(store: Store) -> None:
    """A copy with a week that is open in it, and sealed by now."""
    week = NOW // WEEK * WEEK
    store.register_key(week, b"proof")
    kept = copies(store)
    kept.make(NOW)
    kept.destroy_expired({week - WEEK})
    assert len(backups.list_backups(kept.directory)) == 1
    kept.destroy_expired({week})
    assert not backups.list_backups(kept.directory)


def test_a_damaged_copy_goes_with_the_keys_of_its_time(store: Store) -> None:
    """Nobody can read which weeks it holds, but rows may stand in it: its name tells."""
    kept = copies(store)
    copy = kept.make(NOW)
    assert copy is not None
    copy.write_bytes(b"zqorv" * 2000)
    week = week_of(NOW)
    kept.destroy_expired({week - 2 * WEEK})
    assert copy.exists()
    kept.destroy_expired({week - WEEK})
    assert not copy.exists()


def test_a_file_of_another_name_is_no_copy(store: Store) -> None:
    """An operator's own file beside them neither stops a start nor is taken for the newest."""
    kept = copies(store)
    kept.directory.mkdir(exist_ok=True)
    (kept.directory / "donkeywatch-before-upgrade.db").write_bytes(b"")
    (kept.directory / "donkeywatch-20261341T256199Z.db").write_bytes(b"")
    kept.destroy_expired({week_of(NOW)})
    assert backups.list_backups(kept.directory) == []


@pytest.mark.parametrize("content", [b"", b"zqorv" * 2000])
def test_what_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    """An empty file or another one."""
    path = tmp_path / "donkeywatch-20260101T000000Z.db"
    path.write_bytes(content)
    assert backups.find_damage(path) is not None
    assert backups.weeks_with_keys(path) is None


def test_a_copy_that_no_thread_makes_has_failed(store: Store, no_more_threads: None) -> None:
    """A limit of threads ends no daemon; the next copy is due as after any other."""
    kept = copies(store)
    for steady, errors in ((0, 1), (HOUR - 1, 1), (HOUR, 2)):
        kept.start_if_due(NOW + steady, steady)
        assert kept.errors == errors
