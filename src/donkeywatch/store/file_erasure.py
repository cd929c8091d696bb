"""Removing what holds rows of addresses: blocks of files are overwritten, not only freed."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

CHUNK_BYTES = 1 << 20


def erase_file(path: Path) -> None:
    """Remove a file if it is there, and overwrite its blocks in the background.

    The name goes at once; what has another name is left to that. A disk that writes elsewhere, as
    flash and some file systems do, keeps what it had: against that stands the destroyed key.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        path.unlink(missing_ok=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        os.close(descriptor)
        raise
    try:
        threading.Thread(target=_overwrite_removed, args=(descriptor,), name="erasing").start()
    except RuntimeError:  # As many threads as the system allows run already.
        _overwrite_removed(descriptor)


def erase_directory(path: Path) -> None:
    """Remove a directory with all that is in it, in the same way."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            erase_directory(entry)
        else:
            erase_file(entry)
    path.rmdir()


def overwrite(descriptor: int) -> None:
    """Overwrite an open file with zeros, to the disk; OSError where that fails."""
    size, done = os.fstat(descriptor).st_size, 0
    while done < size:
        done += os.pwrite(descriptor, bytes(min(size - done, CHUNK_BYTES)), done)
    os.fsync(descriptor)


def _overwrite_removed(descriptor: int) -> None:
    try:
        with contextlib.suppress(OSError):
            if not os.fstat(descriptor).st_nlink:  # Another name of it is somebody else's.
                overwrite(descriptor)
    finally:
        os.close(descriptor)
