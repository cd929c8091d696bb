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

    def __init__(self, watcher: WakeupWatcher, paths: Callable[[], Iterable[Path]]) -> None:
        """Wait for a watcher's rings; ``paths`` gives the logs and the directories around them."""
        self._watcher, self._find_paths = watcher, paths
        self._paths: list[Path] = []
        self._stamps: list[FileStamp] = []

    def note(self) -> None:
        """Note what the files are, before they are looked at: what changes later is a change."""
        self._paths = self._paths or list(self._find_paths())
        self._stamps = [stamp(path) for path in self._paths]

    def wait(self, interval: float, until: float) -> None:
        """Return at a ring, at a change, or at a time of the monotonic clock (s).

        The files are looked at every ``interval`` seconds; at least one of these passes.
        """
        while True:
            if self._watcher.wait(interval) or self._have_changed():
                self._paths = []  # A symbolic link may lead elsewhere now.
                return
            if time.monotonic() >= until:
                return

    def _have_changed(self) -> bool:
        return self._stamps != [stamp(path) for path in self._paths]


def stamp(path: Path) -> FileStamp:
    """Give what changes when a file is written, replaced, or renamed, or a directory gets a name.

    Follows symbolic links.
    """
    try:
        state = os.stat(path)  # noqa: PTH116 - called every second for every log
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
