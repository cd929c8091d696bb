"""The state directory and the database in it: how they are taken, opened and found damaged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import IO

from donkeywatch.errors import BusyError, StateError, Unavailable
from donkeywatch.store import schema

DATABASE = "donkeywatch.db"
CONDEMNED = "damaged"
"""A file in the state directory that says: nothing opens this database to write any more."""
WRITTEN = 8000
"""Pages of the write-ahead log before a commit copies it back: the default is a quarter of what
a busy hour needs, and a page that is copied once for many commits costs less."""
CACHE = 512
"""KiB of pages that a connection keeps: what is read is read once, and the default of four times
as much fills for hours, which looks like a leak."""
BUSY_MS = 5000
"""How long a statement waits for another program that writes."""
TRIES, PAUSE = 20, 0.02
"""How often, and how far apart (s), it is tried to take the state directory."""


def prepare(state: Path) -> None:
    """Make the state directory, for its owner only."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        if not os.access(state, os.W_OK | os.X_OK):
            raise PermissionError
    except FileExistsError:
        raise StateError(f"{state} is not a directory", "set `state` to a directory") from None
    except OSError as error:
        raise StateError(
            f"the state directory {state} cannot be used ({type(error).__name__})",
            "create it and give it to the user donkeywatch runs as",
        ) from None


def lock(state: Path) -> IO[str]:
    """Take the state directory for this process; BusyError when another one holds it.

    A process that a killed daemon had just forked may still do so for a moment.
    """
    try:
        held = (state / "lock").open("a")
    except OSError as error:
        raise StateError(
            f"{state / 'lock'} cannot be opened ({error.strerror})",
            f"give everything in {state} to the user donkeywatch runs as",
        ) from None
    for _ in range(TRIES):
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        time.sleep(PAUSE)
    held.close()
    raise BusyError(
        f"another donkeywatch is at work on {state}",
        "stop it first, or set another `state` directory",
    )


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database as every part of the program does; autocommit until a BEGIN."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"pragma busy_timeout = {BUSY_MS}")
        connection.execute(f"pragma cache_size = {-CACHE}")
        # What is sorted would else be written to a file outside the state directory.
        connection.execute("pragma temp_store = memory")
        if not read_only:
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma wal_autocheckpoint = {WRITTEN}")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma secure_delete = on")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def examine(path: Path) -> None:
    """DatabaseError when a database is damaged; a reader leaves its write-ahead log alone."""
    if not path.exists():
        return
    reading = connect(path, read_only=True)
    try:
        damage = reading.execute("pragma quick_check(1)").fetchone()[0]
    finally:
        reading.close()
    if damage != "ok":
        raise sqlite3.DatabaseError(damage)


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Make or complete the tables; StateError when they are newer than this program."""
    steps = schema.applied(db)
    if steps is None:
        schema.create(db)
        return
    if newer := sorted(set(steps) - set(schema.STEPS)):
        raise StateError(
            f"the database was written by a newer donkeywatch (step {newer[-1]})",
            "install that version or newer, or set another state directory",
        )
    if steps != schema.STEPS:
        from donkeywatch.store import migrations  # A database that is up to date starts faster.

        migrations.migrate(db)


def unavailable(path: Path, error: sqlite3.Error) -> Unavailable:
    """What is said of a database that cannot be opened or written at the start."""
    return Unavailable(
        f"the database {path} cannot be opened ({error})",
        "check that the state directory is writable, not full, owned by this user, and that no"
        " other program holds the database",
    )


def damaged(path: Path) -> StateError:
    """What is said of a damaged database, whenever and wherever it is found."""
    return StateError(
        f"the database {path} is damaged; it is left as it is, and nothing is counted twice",
        "`donkeywatch recover` goes on from the newest good backup and tells which bytes are read"
        " again; `donkeywatch reset` begins anew",
    )


def failure(path: Path, error: sqlite3.Error | OSError) -> StateError:
    """What is said of a failed commit, also where a key cannot be written.

    Unavailable where a later try may succeed; else the database is damaged, and condemned.
    """
    if not isinstance(error, sqlite3.OperationalError | OSError):
        condemn(path)
        return damaged(path)
    reason = error.strerror if isinstance(error, OSError) else error
    return Unavailable(
        f"the database {path} cannot be written ({reason}); what was not stored is not counted",
        "make room, or see to the rights of the state and the key directory, and repeat the"
        " command; it goes on where it stopped",
    )


def condemn(path: Path) -> None:
    """Remember that a database is damaged: the next look might not come upon the place."""
    with contextlib.suppress(OSError):
        path.with_name(CONDEMNED).touch(mode=0o600)
