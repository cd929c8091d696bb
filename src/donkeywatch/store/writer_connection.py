"""The connection that writes: transactions, small facts, and the write-ahead log."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from donkeywatch.errors import StateError
from donkeywatch.settings import state_files
from donkeywatch.store import database_opening
from donkeywatch.store.file_erasure import overwrite
from donkeywatch.store.key_findings import LOG_BLOCKED

STATE_ID = "state_id"
"""Setting that tells a database from others."""
BLOCKED_TRIES = 3
"""After so many tries to empty the write-ahead log it is told that somebody reads it: a scrape
does so for a moment."""


class Connection:
    """One connection to the database of a state directory, for as long as it is taken."""

    def __init__(self, state: Path) -> None:
        self.path = state / state_files.DATABASE
        self._checkpoint_thread, self._syncs_commits = ThreadPoolExecutor(1), True
        self.log_left = True
        """Destroyed pages may live on in the write-ahead log; so they may at a start."""
        self._blocked = 0
        if (state / state_files.DAMAGED_MARKER).exists():
            raise database_opening.damaged_error(self.path)
        try:
            database_opening.check_integrity(self.path)
            self.connection = database_opening.connect(self.path)
            try:
                database_opening.create_or_migrate(self.connection)
                self._inode = self.path.stat().st_ino
            except BaseException:
                self.connection.close()
                raise
        except sqlite3.OperationalError as error:
            raise database_opening.unavailable_error(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise database_opening.found_damaged(self.path) from error

    def close(self) -> None:
        """Close the connection; the last one of a database removes the write-ahead log."""
        self._checkpoint_thread.shutdown()
        with contextlib.suppress(sqlite3.Error, OSError):
            self._overwrite_log()
        self.connection.close()

    def sync_commits(self, *, enabled: bool) -> None:
        """Wait at each commit until it is on the disk, or, for an archive, do not.

        What a power failure takes meanwhile are the newest commits as a whole, so that the lines
        in them are read again. The next commit that is waited for secures those before it, and
        so does `truncate_log`.
        """
        self._syncs_commits = enabled
        self.connection.execute(f"pragma synchronous = {'full' if enabled else 'normal'}")

    def check_is_there(self) -> None:
        """SQLite goes on writing into a file that was deleted, and nobody would ever read it."""
        if not self._is_there():
            raise StateError(
                f"the database {self.path} was removed or replaced while it was in use",
                "put it back, or go on from a backup with `donkeywatch recover`, or begin anew"
                " with `donkeywatch reset`",
            )

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; an error rolls everything back and is raised again."""
        if self.connection.in_transaction:  # the last one could not even be rolled back
            self.connection.execute("rollback")
        self.connection.execute("begin immediate")
        try:
            yield self.connection
            self.connection.execute("commit")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("rollback")
            raise

    @contextlib.contextmanager
    def durable_transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when it ends, and all that was committed before it."""
        self.connection.execute("pragma synchronous = full")
        with self.transaction() as db:
            yield db
        self.sync_commits(enabled=self._syncs_commits)

    def setting(self, name: str) -> str | None:
        """A small fact about this database."""
        row = self.connection.execute(
            "select value from settings where name = ?", (name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Store a small fact."""
        with self.transaction() as db:
            db.execute("insert or replace into settings values (?, ?)", (name, value))

    def write_back(self) -> None:
        """Copy the write-ahead log into the database while others write; waits for nobody."""

        def copied() -> None:
            uri = f"{self.path.absolute().as_uri()}?mode=rw"  # One that was deleted stays so.
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(uri, uri=True)) as connection,
            ):
                connection.execute("pragma wal_checkpoint(passive)").fetchall()

        self._checkpoint_thread.submit(copied)

    def truncate_log(self) -> bool:
        """Empty the write-ahead log, so that destroyed pages do not live on in it.

        False, at once, where somebody who reads keeps it from being emptied: then it has to be
        tried again, and when it stays so, `log_blocked` and the database say it.
        """
        self._checkpoint_thread.submit(bool).result()  # While that copies, nobody else may.
        busy = not (self._overwrite_log() and self._checkpoint("truncate"))
        self.log_left = busy
        self._blocked = self._blocked + 1 if busy else 0
        if self.log_blocked is not (self.setting(LOG_BLOCKED) is not None):
            with self.transaction() as db:
                db.execute("delete from settings where name = ?", (LOG_BLOCKED,))
                if self.log_blocked:
                    db.execute("insert into settings values (?, '1')", (LOG_BLOCKED,))
        return not busy

    def _checkpoint(self, mode: str) -> bool:
        """Copy all of the write-ahead log into the database; false where a reader is in the way."""
        self.connection.execute("pragma busy_timeout = 0")
        try:
            (busy, _, _) = self.connection.execute(f"pragma wal_checkpoint({mode})").fetchone()
        finally:
            self.connection.execute(f"pragma busy_timeout = {database_opening.BUSY_MS}")
        return not busy

    def _overwrite_log(self) -> bool:
        """Overwrite the write-ahead log where all of it is in the database; false if it is not.

        When the file is truncated or removed, its blocks would keep what they hold. Behind a
        checkpoint in the mode `restart` nobody reads the log, and nobody but this connection ever
        writes to it; after a crash a log that begins with zeros is an empty one.
        """
        if self.connection.in_transaction or not self._checkpoint("restart"):
            return False
        if not self._is_there():
            return True  # What has its name now is another database's.
        path = self.path.with_name(f"{self.path.name}-wal")
        with contextlib.suppress(FileNotFoundError), path.open("r+b", buffering=0) as log:
            overwrite(log.fileno())
        return True

    @property
    def log_blocked(self) -> bool:
        """Tell whether another program keeps destroyed pages in the write-ahead log for longer."""
        return self._blocked >= BLOCKED_TRIES
