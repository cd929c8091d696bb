"""The state directory and the database in it: how they are taken, opened and found damaged."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import IO

from donkeywatch.errors import DatabaseUnavailableError, StateError, StateLockedError, may_pass
from donkeywatch.settings.state_files import DAMAGED_MARKER, LOCK
from donkeywatch.store import schema

WAL_AUTOCHECKPOINT_PAGES = 8000
"""Pages of the write-ahead log before a commit copies it back: the default is a quarter of what
a busy hour needs, and a page that is copied once for many commits costs less."""
CACHE_KIB = 512
"""KiB of pages that a connection keeps: what is read is read once, and the default of four times
as much fills for hours, which looks like a leak."""
BUSY_MS = 5000
"""How long a statement waits for another program that writes."""
LOCK_ATTEMPTS, LOCK_RETRY_SECONDS = 20, 0.02
"""How often, and how far apart (s), it is tried to take the state directory."""


def ensure_state_directory(state: Path) -> None:
    """Make the state directory, for its owner only."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        if not os.access(state, os.W_OK | os.X_OK):
            # Also where the whole file system is mounted read-only, which only writing tells.
            (state / LOCK).open("a").close()
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileExistsError:
        raise StateError(f"{state} is not a directory", "set `state` to a directory") from None
    except OSError as error:
        raise _refused(f"the state directory {state} cannot be used", error, state) from None


def lock(state: Path) -> IO[str]:
    """Take the state directory for this process; StateLockedError when another one holds it.

    A process that a killed daemon had just forked may still do so for a moment. StateError for root
    where the directory is somebody else's: the daemon could not open what root has made there.
    """
    _refuse_root_in_others_state(state)
    try:
        held = (state / LOCK).open("a")
    except OSError as error:
        raise _refused(f"{state / 'lock'} cannot be opened", error, state) from None
    try:
        for _ in range(LOCK_ATTEMPTS):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return held
            time.sleep(LOCK_RETRY_SECONDS)
    except OSError as error:
        held.close()
        raise _refused(f"{state / 'lock'} cannot be locked", error, state) from None
    held.close()
    raise StateLockedError(
        f"another donkeywatch is at work on {state}",
        "stop it first, or set another `state` directory",
    )


def _refuse_root_in_others_state(state: Path) -> None:
    try:
        owner = state.stat().st_uid
    except OSError:
        return  # Whoever opens it reports that.
    if os.geteuid() == 0 and owner != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise StateError(
            f"{state} belongs to {name}, and this is root",
            f"run it as that user: runuser -u {name} -- donkeywatch ...",
        )


def _refused(problem: str, error: OSError, state: Path) -> StateError:
    """Give the error for a state directory that the system does not let us use."""
    if may_pass(error):
        return DatabaseUnavailableError(
            f"{problem} now ({error.strerror})",
            "make room on its disk, or see to the disk or the limit, and try again",
        )
    return StateError(
        f"{problem} ({error.strerror})",
        f"create {state}, and give it and everything in it to the user donkeywatch runs as",
    )


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database as every part of the program does; autocommit until a BEGIN.

    DatabaseUnavailableError for a reader of a database whose creation is not complete.
    """
    if read_only and _creation_journal(path).exists():
        raise DatabaseUnavailableError(
            f"the database {path} is being created or restored, or that was interrupted",
            "start donkeywatch: it completes that, or says what to do",
        )
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"pragma busy_timeout = {BUSY_MS}")
        connection.execute(f"pragma cache_size = {-CACHE_KIB}")
        # What is sorted would else be written to a file outside the state directory.
        connection.execute("pragma temp_store = memory")
        if not read_only:
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma secure_delete = on")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _creation_journal(path: Path) -> Path:
    """Name the rollback journal.

    A new or restored database has one until it has its write-ahead log.
    """
    return path.with_name(f"{path.name}-journal")


def check_integrity(path: Path) -> None:
    """DatabaseError when a database is damaged; a reader leaves its write-ahead log alone.

    An interrupted creation is rolled back first, which only a connection that writes may do.
    """
    if not path.exists():
        return
    if _creation_journal(path).exists():
        connect(path).close()
    reading = connect(path, read_only=True)
    try:
        damage = reading.execute("pragma quick_check(1)").fetchone()[0]
    finally:
        reading.close()
    if damage != "ok":
        raise sqlite3.DatabaseError(damage)


def create_or_migrate(db: sqlite3.Connection) -> None:
    """Make or complete the tables; StateError where they are newer than this, or not ours."""
    steps = schema.applied_migrations(db)
    if steps is None:
        schema.create(db)
        return
    if not steps:
        raise StateError(
            "the database holds no tables of donkeywatch but those of another program",
            "set `state` to a directory of its own, or put that database elsewhere",
        )
    if newer := sorted(set(steps) - set(schema.MIGRATIONS)):
        raise StateError(
            f"the database was written by a newer donkeywatch (step {newer[-1]})",
            "install that version or newer, or set another state directory",
        )
    if steps != schema.MIGRATIONS:
        from donkeywatch.store import migrations  # A database that is up to date starts faster.

        migrations.migrate(db)


def unavailable_error(path: Path, error: sqlite3.Error | OSError) -> StateError:
    """Give the error for a database or key that cannot be opened or written at the start."""
    if isinstance(error, OSError):
        where = error.filename or path.parent
        return _refused(f"{where} cannot be used", error, path.parent)
    if str(error).startswith("no such table"):
        return without_tables_error(path)
    if path.exists() and not os.access(path, os.R_OK | os.W_OK) and not _is_read_only(path):
        # SQLite does not tell that this will not pass.
        forbidden = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return _refused(f"the database {path} cannot be opened", forbidden, path.parent)
    return DatabaseUnavailableError(
        f"the database {path} cannot be opened ({error})",
        "check that the state directory is writable, not full, owned by this user, and that no"
        " other program holds the database",
    )


def without_tables_error(path: Path) -> StateError:
    """Give the error for a file that is empty, or another program's database."""
    return StateError(
        f"{path} holds no tables of donkeywatch",
        "start donkeywatch, which says what is wrong with it; `donkeywatch recover` goes back to a"
        " backup",
    )


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def found_damaged(path: Path) -> StateError:
    """Mark a database that SQLite calls damaged, and give the error for it.

    Unavailable where it cannot be read: SQLite takes some I/O errors for damage.
    """
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            _read_through(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            return DatabaseUnavailableError(
                f"{file} cannot be read now ({error.strerror})",
                "see to the disk, and try again; the database is left as it is",
            )
    mark_damaged(path)
    return damaged_error(path)


def _read_through(path: Path) -> None:
    """OSError where any byte of a file cannot be read."""
    descriptor, offset = _descriptor(path), 0
    while block := os.pread(descriptor, 1 << 20, offset):
        offset += len(block)


@cache
def _descriptor(path: Path) -> int:
    """One that is never closed: with it this process would lose SQLite's locks on the file."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def damaged_error(path: Path) -> StateError:
    """Give the error for a damaged database, whenever and wherever it is found."""
    return StateError(
        f"the database {path} is damaged; it is left as it is, and nothing is counted twice",
        "`donkeywatch recover` goes on from the newest good backup and tells which bytes are read"
        " again; `donkeywatch reset` begins anew",
    )


def commit_error(path: Path, error: sqlite3.Error | OSError) -> StateError:
    """Give the error for a failed commit, also where a key cannot be written.

    Unavailable where a later try may succeed; else the database is damaged, and condemned.
    """
    if not isinstance(error, sqlite3.OperationalError | OSError):
        return found_damaged(path)
    return DatabaseUnavailableError(
        f"the database {path} cannot be written ({reason(error)}); what was not stored is not"
        " counted",
        "make room, or see to the rights of the state and the key directory, and repeat the"
        " command; it goes on where it stopped",
    )


def reason(error: sqlite3.Error | OSError) -> str:
    """Give what the system or SQLite says is wrong, and of which file where that is known."""
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def mark_damaged(path: Path) -> None:
    """Remember that a database is damaged: the next look might not come upon the place."""
    with contextlib.suppress(OSError):
        path.with_name(DAMAGED_MARKER).touch(mode=0o600)
