"""Waiting while nothing is logged: a cheap look at each log, a whole turn now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from donkeywatch.runtime.wakeup_watcher import WakeupWatcher

MAX_IDLE_SECONDS = 5.0
"""Longest time between two whole turns of the loop while no log changes."""
FileStamp = tuple[int, int, int, int, int] | None
"""Device, inode, size, and times of change (ns) of a file or directory; None where none is."""


class IdleWait:
    """Tells by the time stamps of logs and directories whether a turn of the loop can find more.

    On a virtual machine what a waking costs is the memory that it touches: a whole turn is ten
    times as much as this.
    """

    def __init__(
        self, watcher: WakeupWatcher, find_files: Callable[[], Iterable[Path | int]]
    ) -> None:
        """Wait for a watcher's rings; ``find_files`` gives the paths and descriptors to look at."""
        self._watcher, self._find_files = watcher, find_files
        self._files: list[Path | int] = []
        self._stamps: list[FileStamp] = []

    def note(self) -> None:
        """Note what the files are, before they are looked at: what changes later is a change."""
        self._files = list(self._find_files())
        self._stamps = [stamp(file) for file in self._files]

    def wait(self, interval: float, until: float) -> None:
        """Return at a ring, at a change, or at a time of the monotonic clock (s).

        The files are looked at every ``interval`` seconds; at least one of these passes.
        """
        while True:
            if self._watcher.wait(interval) or self._have_changed() or time.monotonic() >= until:
                return

    def _have_changed(self) -> bool:
        return self._stamps != [stamp(file) for file in self._files]


def stamp(file: Path | int) -> FileStamp:
    """Give what changes when a file is written, replaced, or renamed, or a directory gets a name.

    Follows symbolic links; takes a descriptor, too.
    """
    try:
        state = os.stat(file)  # noqa: PTH116 - called every second for every log
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
