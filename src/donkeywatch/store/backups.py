"""Copies of the database that are made while it is in use, kept a few deep."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from donkeywatch.counting.calendar import SECOND, WEEK, week_of
from donkeywatch.settings.private_files import sync
from donkeywatch.settings.state_files import BACKUPS, DATABASE_SIDE_FILES, QUARANTINE
from donkeywatch.store import schema
from donkeywatch.store.file_erasure import erase_directory, erase_file

PATTERN = "donkeywatch-*.db"
NAME_PATTERN = re.compile(r"donkeywatch-\d{8}T\d{6}Z\.db")
"""What we call a copy, with a time that there is."""
FREE_SPACE_FACTOR = 2
"""A copy is only made where this many times its size is free: counting goes before copies."""


class Backups:
    """Makes a copy every ``interval`` ms in a thread of its own, and keeps the newest ones.

    A copy holds per-address rows like the database itself, so it is destroyed with the keys,
    and so is what was put in quarantine.
    """

    def __init__(self, database: Path, interval: int, keep: int) -> None:
        self._database = database
        self.directory = database.parent / BACKUPS
        self._interval, self._keep = interval, keep
        self._last_started: int | None = None
        self._thread: threading.Thread | None = None
        self._reading: sqlite3.Connection | None = None
        self.last: int | None = None
        """When the newest copy was made, ms UTC."""
        self.errors = 0
        """Copies that failed since this was last cleared."""
        for newest in list_backups(self.directory)[:1]:
            self.last = created_at(newest)

    def start_if_due(self, now: int, steady: int) -> None:
        """Begin a copy if one is due; ``now`` is ms UTC, ``steady`` never jumps."""
        if not self._interval or self.busy:
            return
        if self._last_started is None:
            since = now - self.last if self.last is not None else self._interval
            self._last_started = steady - max(0, since)
        if steady - self._last_started >= self._interval:
            self._last_started = steady
            thread = threading.Thread(target=self.make, args=(now,), name="backup")
            try:
                thread.start()
            except RuntimeError:  # As many threads as the system allows run already.
                self.errors += 1
            else:
                self._thread = thread

    def request_now(self) -> None:
        """The copies there are lack something that matters: the next is due now."""
        self.last = self._last_started = None

    @property
    def busy(self) -> bool:
        """Tell whether a copy is being made."""
        return self._thread is not None and self._thread.is_alive()

    def finish(self) -> None:
        """Wait until the copy that is being made is complete."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def cancel(self) -> None:
        """Give up the copy that is being made."""
        reading = self._reading
        if reading is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it has just been closed
                reading.interrupt()
        self.finish()

    def make(self, now: int) -> Path | None:
        """Make a copy now and drop the oldest ones; None, and an error counted, if it fails."""
        stamp = datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self.directory / PATTERN.replace("*", stamp)
        part = target.with_suffix(".part")
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            self.directory.chmod(0o700)
            self._copy(part)
            part.rename(target)
            sync(self.directory)
        except (OSError, sqlite3.Error):
            self.errors += 1
            with contextlib.suppress(OSError):
                erase_file(part)
            return None
        self.last = now
        for old in list_backups(self.directory)[self._keep :]:
            erase_file(old)
        return target

    def destroy(self) -> None:
        """Remove all copies and what is in quarantine; OSError when that fails."""
        self.cancel()
        for path in self.directory.glob("*"):
            erase_file(path)
        if (quarantine := self._database.parent / QUARANTINE).exists():
            erase_directory(quarantine)
        self.last = None
        self._last_started = None

    def destroy_expired(self, destroyed: set[int]) -> None:
        """Remove the copies that hold rows of weeks whose keys are destroyed.

        A crash may have come between the destruction of the keys and that of the copies.
        """
        for path in self.directory.glob("*.part"):
            erase_file(path)
        for path in self.directory.glob("*.db"):
            weeks = weeks_with_keys(path)
            if weeks is None and _is_ours(path):  # Damaged, but the rows are in it.
                weeks = {week_of(created_at(path)), week_of(created_at(path)) - WEEK}
            if destroyed & (weeks or set()):
                erase_file(path)

    def _copy(self, part: Path) -> None:
        """A compact copy without deleted pages, from one moment; writers go on meanwhile."""
        size = self._database.stat().st_size
        if shutil.disk_usage(part.parent).free < FREE_SPACE_FACTOR * size:
            raise OSError("not enough room for a copy")
        erase_file(part)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _read_only(self._database) as self._reading:
            self._reading.execute("vacuum into ?", (str(part),))
        self._reading = None
        sync(part)


def list_backups(directory: Path) -> list[Path]:
    """The copies there are, newest first."""
    return sorted((p for p in directory.glob(PATTERN) if _is_ours(p)), reverse=True)


def _is_ours(path: Path) -> bool:
    """Tell whether it has a name that we give: a file that somebody else put there is no copy."""
    with contextlib.suppress(ValueError):
        return NAME_PATTERN.fullmatch(path.name) is not None and created_at(path) >= 0
    return False


def created_at(path: Path) -> int:
    """When a copy was made, ms UTC, by its name."""
    stamp = datetime.strptime(path.stem.rpartition("-")[2], "%Y%m%dT%H%M%SZ")
    return round(stamp.replace(tzinfo=UTC).timestamp() * SECOND)


def find_damage(path: Path) -> str | None:
    """Tell what is wrong with a database file, in a few words; None when it is whole."""
    try:
        with _read_only(path) as db:
            answer = str(db.execute("pragma integrity_check(1)").fetchone()[0])
            if answer != "ok":
                return "its pages are damaged"
            db.execute("select 1 from settings")
            newer = set(schema.applied_migrations(db) or ()) - set(schema.MIGRATIONS)
            return "it was written by a newer donkeywatch" if newer else None
    except sqlite3.Error as error:
        return str(error)


def weeks_with_keys(path: Path) -> set[int] | None:
    """Weeks (ms UTC) whose keys a copy needs; None if it cannot be read."""
    try:
        with _read_only(path) as db:
            return {
                week for (week,) in db.execute("select week from weekly_keys where destroyed = 0")
            }
    except sqlite3.Error:
        return None


def restore(copy: Path, database: Path, quarantine: Path) -> None:
    """Put a copy in the database's place; what stood there is kept in ``quarantine``."""
    part = database.with_suffix(".part")
    erase_file(part)
    shutil.copyfile(copy, part)
    part.chmod(0o600)
    sync(part)
    quarantine_database(database, quarantine)
    part.rename(database)
    sync(database.parent)


def quarantine_database(database: Path, quarantine: Path) -> None:
    """Move a database and what SQLite has beside it into a directory of their own."""
    quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
    for suffix in (*DATABASE_SIDE_FILES, ""):
        path = database.with_name(database.name + suffix)
        if path.exists():
            path.rename(quarantine / path.name)
    sync(quarantine)
    sync(database.parent)


@contextlib.contextmanager
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    try:
        yield db
    finally:
        db.close()
