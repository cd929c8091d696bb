"""Which process is the daemon of a state directory: it holds a file locked that has its number."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from donkeywatch.settings.state_files import DAEMON_PID


@contextlib.contextmanager
def registered(state: Path) -> Iterator[None]:
    """Say that this process is the daemon, for as long as the block lasts.

    To be entered once it obeys signals and has locked the database, so that only `find_daemon` can
    hold the file locked, for a moment. A disk that takes nothing is no reason not to start.
    """
    path = state / DAEMON_PID
    try:
        file = path.open("w", encoding="utf-8")
    except OSError:
        yield
        return
    with file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{os.getpid()}\n")
            file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # One that nobody holds locked is no daemon's.
                path.unlink()


def find_daemon(state: Path) -> int | None:
    """Give the process id of the daemon that works on a state directory; None where none does."""
    try:
        with (state / DAEMON_PID).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdigit() else None
    except OSError:
        pass
    return None
