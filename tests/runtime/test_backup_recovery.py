"""From a damaged database back to exact counts, as an operator does it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.readers import Stepped, tally
from conformance.site import Case, Site
from donkeywatch.counting.calendar import DAY, HOUR, WEEK, floor_to
from donkeywatch.errors import StateError, StateLockedError
from donkeywatch.runtime import backup_recovery
from donkeywatch.runtime.backup_recovery import UncountedRange
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader, state_files
from donkeywatch.store import backups, counter_floors, database_opening
from support.simulated_server import outcomes


class Place:
    """A log, an engine to step, and the operator's verbs."""

    def __init__(self, directory: Path) -> None:
        self.reader = Stepped(directory, Case())
        self.site = Site(directory, self.reader, Case())
        self.site.path.touch()
        self.database = self.reader.state / "donkeywatch.db"

    @property
    def engine(self) -> Engine:
        """The engine that runs."""
        assert self.reader.engine is not None
        return self.reader.engine

    def back_up(self) -> Path:
        """A backup now."""
        made = self.engine.backups.make(self.reader.now)
        assert made is not None
        return made

    def damage(self) -> None:
        """Some pages are overwritten; the write-ahead log is gone into them before."""
        with self.database.open("r+b") as file:
            file.seek(3 * 4096)
            file.write(b"\xaa" * 4096 * 12)

    def recover(self, *, force: bool = False) -> backup_recovery.Recovery:
        """`donkeywatch recover`."""
        return backup_recovery.recover(
            loader.load(self.reader.settings, {}), self.reader.now, force=force
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Fifty lines counted, a backup, and thirty more counted."""
    made = Place(tmp_path)
    made.reader.start()
    made.site.write(50)
    made.site.look()
    made.back_up()
    made.site.write(30)
    made.site.look()
    yield made
    if made.reader.engine is not None:
        made.reader.engine.close()


def test_a_damaged_database_is_gone_on_from_its_backup(place: Place) -> None:
    """Rotated meanwhile: both files are named, and every line is counted once."""
    rotated = place.site.rename()
    place.site.write(20)
    place.site.look()
    place.reader.stop()
    place.damage()
    for _ in range(2):
        with pytest.raises(StateError, match=r"donkeywatch recover.*donkeywatch reset"):
            place.reader.start()
    done = place.recover()
    line = len(place.site.line(1))
    begun = sum(len(place.site.line(number)) for number in range(1, 51))
    assert line
    assert set(done.spans) == {
        UncountedRange("simulated", rotated, begun, rotated.stat().st_size),
        UncountedRange("simulated", place.site.path, 0, place.site.path.stat().st_size),
    }
    assert sorted(path.name for path in done.quarantine.iterdir())[0] == "donkeywatch.db"
    assert tally(place.reader.state).total == 50
    place.reader.start()
    assert place.site.outcome() == (0, 0)
    assert outcomes(place.reader.state) == {"query": 100}


def test_a_damage_that_was_seen_once_is_not_forgotten(place: Place) -> None:
    """The next start might not come upon the damaged page: the marker refuses it."""
    place.reader.stop()
    whole = place.database.read_bytes()
    place.damage()
    with pytest.raises(StateError):
        place.reader.start()
    place.database.write_bytes(whole)
    with pytest.raises(StateError, match="donkeywatch recover"):
        place.reader.start()
    place.recover()
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_lines_that_are_in_no_file_any_more_are_named(place: Place) -> None:
    """The log was deleted after the backup: what is lost is told, not passed over."""
    place.reader.stop()
    place.site.path.write_bytes(place.site.lines(5))
    place.damage()
    done = place.recover()
    begun = sum(len(place.site.line(number)) for number in range(1, 51))
    assert UncountedRange("simulated", None, begun, None) in done.spans
    place.reader.start()
    place.site.look()
    assert tally(place.reader.state).total == 55


def test_a_good_database_is_not_replaced(place: Place) -> None:
    """Unless the operator insists; then all that the backup lacks is read again."""
    place.reader.stop()
    with pytest.raises(StateError, match="is not damaged"):
        place.recover()
    assert tally(place.reader.state).total == 80
    place.recover(force=True)
    assert tally(place.reader.state).total == 50
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_a_running_daemon_is_not_disturbed(place: Place) -> None:
    """Neither verb works on a state that is in use."""
    with pytest.raises(StateLockedError):
        place.recover(force=True)
    with pytest.raises(StateLockedError):
        backup_recovery.reset(loader.load(place.reader.settings, {}))


def test_the_newest_good_backup_is_taken(place: Place) -> None:
    """A damaged one is passed over; with none left, the message says why."""
    place.reader.now += HOUR
    newest = place.back_up()
    place.reader.stop()
    place.damage()
    shutil.copy(place.database, newest)
    done = place.recover()
    assert done.backup != newest
    place.damage()
    for path in backups.list_backups(newest.parent):
        path.write_bytes(b"zqorv")
    with pytest.raises(StateError, match=r"can be used.*donkeywatch reset"):
        place.recover()
    shutil.rmtree(newest.parent)
    with pytest.raises(StateError, match="there is none"):
        place.recover()


def test_a_vanished_database_is_gone_on_from_its_backup(place: Place) -> None:
    """A state directory without its database refuses to begin anew, and can be recovered."""
    place.reader.stop()
    place.database.unlink()
    with pytest.raises(StateError, match="donkeywatch recover"):
        place.reader.start()
    place.recover()
    place.reader.start()
    assert place.site.outcome() == (0, 0)


@pytest.mark.parametrize("step", ["restore", "quarantine_database", "sync"])
def test_a_crash_in_the_middle_of_a_recovery_counts_nothing_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The state refuses to count until the recovery is complete; it can be repeated."""
    place.reader.stop()
    place.damage()
    real: Callable[..., None] = getattr(backups, step)

    def dies(*arguments: object) -> None:
        if step != "restore":
            real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backups, step, dies)
        with pytest.raises(KeyboardInterrupt):
            place.recover()
    with pytest.raises(StateError):
        place.reader.start()
    place.recover()
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_a_crash_after_the_exchange_lets_no_counter_fall(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repetition knows what the database that was put away had published."""
    before = counter_floors.published(place.engine.store.connection)
    place.reader.stop()
    (place.reader.state / counter_floors.COPY).unlink(missing_ok=True)

    def dies(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(counter_floors, "hold", dies)
        with pytest.raises(KeyboardInterrupt):
            place.recover(force=True)
    place.recover()
    with contextlib.closing(database_opening.connect(place.database, read_only=True)) as db:
        after = counter_floors.published(db)
    assert all(after[key] >= value for key, value in before.items())
    place.reader.start()
    assert place.site.outcome() == (0, 0)


@pytest.mark.parametrize("gone", ["*-W*.key", "install.key", "*"])
def test_a_power_cut_may_cost_database_and_keys(place: Place, gone: str) -> None:
    """As with keys in memory: a backup is good without them, since a start goes on under others."""
    place.reader.stop()
    place.damage()
    paths = list((place.reader.state / "keys").glob(gone))
    for path in paths:
        path.unlink()
    recovery = place.recover()
    assert sorted(recovery.missing_keys) == sorted(path.name for path in paths)
    assert recovery.spans == ()
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_a_backup_with_a_wrong_key_is_of_no_use_until_that_is_put_away(place: Place) -> None:
    """A start would refuse it."""
    place.reader.stop()
    place.damage()
    wrong = list((place.reader.state / "keys").glob("*-W*.key"))
    for path in wrong:
        path.write_bytes(bytes(32))
    with pytest.raises(StateError, match=r"key of week .*not the one") as caught:
        place.recover()
    assert "move wrong keys out of" in caught.value.remedy
    for path in wrong:
        path.unlink()
    place.recover()
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_what_was_published_is_read_from_either_half(place: Place) -> None:
    """A damaged floor does not cost the counters, nor keep anybody from the backups."""
    before = counter_floors.published(place.engine.store.connection)
    place.reader.stop()
    (place.reader.state / counter_floors.COPY).unlink(missing_ok=True)
    with contextlib.closing(database_opening.connect(place.database)) as db, db:
        db.execute(
            "insert or replace into settings values (?, '[[1, \"x')", (counter_floors.FLOOR,)
        )
    assert counter_floors.last_known(place.database) == before
    place.recover(force=True)


def test_reset_begins_anew(place: Place) -> None:
    """Nothing of the old counts, keys or backups is left; the log is counted from its start."""
    place.reader.stop()
    place.damage()
    place.database.with_suffix(".part").touch()  # A recovery was interrupted.
    gone = backup_recovery.reset(loader.load(place.reader.settings, {}))
    assert place.database in gone
    assert not [
        path for path in place.reader.state.rglob("*") if path.suffix in (".db", ".key", ".part")
    ]
    place.reader.start()
    assert place.site.outcome() == (0, 0)


def test_a_state_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A slip in the settings removes nothing."""
    place = Place(tmp_path)
    for verb in (
        place.recover,
        lambda: backup_recovery.reset(loader.load(place.reader.settings, {})),
    ):
        with pytest.raises(StateError, match="there is no state directory"):
            verb()


def test_no_backup_outlives_the_key_of_its_week(tmp_path: Path) -> None:
    """At the end of a week all copies go with its key; the next one is made at once."""
    place = Place(tmp_path)
    monday = floor_to(place.reader.now, WEEK)
    place.reader.now = monday + 6 * DAY
    place.reader.start()
    for day in range(9):
        place.reader.now = monday + (6 + day) * DAY
        place.site.log_search(place.reader.now, f"192.0.2.{day}", "zqorv")
        place.reader.tick()
        place.engine.start_backup_if_due(place.reader.now, place.reader.now)
        place.engine.backups.finish()
        (place.reader.state / state_files.QUARANTINE / "then").mkdir(parents=True, exist_ok=True)
    place.reader.tick(HOUR)
    sealed = {
        week for week, (_, destroyed) in place.engine.store.weekly_keys().items() if destroyed
    }
    assert monday in sealed
    for path in backups.list_backups(place.engine.backups.directory):
        assert not sealed & (backups.weeks_with_keys(path) or set())
    place.reader.stop()
