"""Removing files that hold rows of addresses: their blocks are overwritten, not only freed."""

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
    threading.Thread(target=_overwrite, args=(descriptor,), name="erasing").start()


def erase_directory(path: Path) -> None:
    """Remove a directory with all that is in it, in the same way."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            erase_directory(entry)
        else:
            erase_file(entry)
    path.rmdir()


def _overwrite(descriptor: int) -> None:
    with contextlib.suppress(OSError), os.fdopen(descriptor, "wb", buffering=0) as file:
        state = os.fstat(descriptor)
        left = 0 if state.st_nlink else state.st_size  # Another name of it is somebody else's.
        while left > 0:
            left -= file.write(bytes(min(left, CHUNK_BYTES)))
        os.fsync(descriptor)
