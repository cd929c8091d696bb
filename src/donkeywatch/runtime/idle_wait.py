"""Waiting while nothing is logged: a cheap look at each log, a whole turn now and then."""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from donkeywatch.runtime.wakeup_watcher import WakeupWatcher

if TYPE_CHECKING:
    from donkeywatch.runtime.engine import Engine

ANNOUNCED_LOOK_SECONDS = 10.0
"""Time between two looks at time stamps where the kernel announces changes."""
ANNOUNCEMENT_SECONDS = 0.5
"""Longest time from a change to its announcement; several steps of the watcher."""
SETTLING_SECONDS = 20.0
"""After a name came or went, files are looked at and judged as often as if nothing were idle: what
becomes of a rotated file is decided by times of up to 15 s."""
STARTING_SECONDS = 8.0
"""The same after the first look, for rotated files that are there already."""
SETTLING_TURN_SECONDS = 5.0
"""Time between two whole turns meanwhile."""
CLOCK_JUMP_SECONDS = 1.0
"""A difference between the clocks that changed by so much ends the wait."""
MINUTE_SECONDS = 60.0
"""Windows end at whole minutes."""


class FileStamp(NamedTuple):
    """What changes when a file is written, replaced or renamed, or a directory gets a name."""

    kind: int
    """Its type, as in `stat.S_IFMT`."""
    device: int
    inode: int
    size: int
    modified: int
    """ns UTC; a write changes it."""
    changed: int
    """ns UTC; a new name or mode changes it, too."""


class IdleWait:
    """Tells by the time stamps of logs and directories whether a turn of the loop can find more.

    On a virtual machine what a waking costs is the memory that it touches: a whole turn is nine
    times as much as this. Where inotify announces what is written, and no name has changed lately,
    the stamps are looked at less often; a write that was not announced (a network file system) ends
    that for good.
    """

    def __init__(
        self,
        watcher: WakeupWatcher,
        find_files: Callable[[], Iterable[Path | int]],
        read_clock: Callable[[], float] = time.time,
    ) -> None:
        """Wait for a watcher's rings; ``find_files`` gives the paths and descriptors to look at.

        ``read_clock`` gives the wall clock's time, seconds UTC.
        """
        self._watcher, self._find_files, self._read_clock = watcher, find_files, read_clock
        self._files: list[Path | int] = []
        self._stamps: list[FileStamp | None] = []
        self._clock_difference = 0.0
        self._minute_end = math.inf
        """When the minute ends in which the last turn began, by the monotonic clock (s)."""
        self._writes_are_announced = True
        self._settled_from: float | None = None
        """By the monotonic clock (s); None before the first look."""

    def note(self) -> None:
        """Note what the files are, before they are looked at: what changes later is a change."""
        files = list(self._find_files())
        stamps = [stamp(file) for file in files]
        if self._settled_from is None:
            self._settled_from = time.monotonic() + STARTING_SECONDS
        elif files != self._files or any(map(is_name_change, self._stamps, stamps)):
            self._settled_from = time.monotonic() + SETTLING_SECONDS
        self._files, self._stamps = files, stamps
        self._clock_difference = self._compare_clocks()
        seconds_to_next_minute = MINUTE_SECONDS - self._read_clock() % MINUTE_SECONDS
        self._minute_end = time.monotonic() + seconds_to_next_minute

    def wait(self, interval: float, idle_seconds: float = 0.0) -> None:
        """Return at a ring, at a change of files or clock, at a whole minute, or when idle so long.

        The files are looked at every ``interval`` seconds, or more seldom where inotify announces
        changes; at least one interval passes. All times are seconds.
        """
        if not self._is_settled:
            idle_seconds = min(idle_seconds, SETTLING_TURN_SECONDS)
        # Of the turn's own minute: one that began during it has not been looked at.
        until = min(time.monotonic() + idle_seconds, self._minute_end)
        while True:
            rest = until - time.monotonic()
            looks_seldom = self._is_announced and self._is_settled
            pause = min(ANNOUNCED_LOOK_SECONDS, rest) if looks_seldom else interval
            if self._watcher.wait(max(interval, pause)):
                return
            if self._have_changed() or time.monotonic() >= until:
                return

    @property
    def _is_settled(self) -> bool:
        return self._settled_from is not None and time.monotonic() >= self._settled_from

    @property
    def _is_announced(self) -> bool:
        return self._writes_are_announced and self._watcher.is_watching

    def _have_changed(self) -> bool:
        stamps = [stamp(file) for file in self._files]
        if stamps == self._stamps:
            jump = self._compare_clocks() - self._clock_difference
            return abs(jump) > CLOCK_JUMP_SECONDS
        if self._is_announced and any(map(is_write, self._stamps, stamps)):
            self._writes_are_announced &= self._watcher.wait(ANNOUNCEMENT_SECONDS)
        return True

    def _compare_clocks(self) -> float:
        """Give the seconds that the wall clock is ahead of the monotonic one; a jump changes it."""
        return self._read_clock() - time.monotonic()


def has_work_left(engine: Engine, steady: int) -> bool:
    """Tell whether a turn of the loop may do something although no file changes; ``steady`` is ms.

    So soon after a commit that the next one may not be made yet, what is due was left for later.
    """
    return (
        engine.scheduler.pending_bytes > 0
        or not engine.scheduler.commit_due(steady)
        or engine.store.log_left
        or engine.backups.busy
        or any(stream.follower.registry.has_unfinished_files for stream in engine.streams)
    )


def stamp(file: Path | int) -> FileStamp | None:
    """Give the stamp of a path, following symbolic links, or descriptor; None where none is."""
    try:
        state = os.stat(file)  # noqa: PTH116 - called every few seconds for every log
    except OSError:
        return None
    return FileStamp(
        stat.S_IFMT(state.st_mode), state.st_dev, state.st_ino, state.st_size,
        state.st_mtime_ns, state.st_ctime_ns,
    )  # fmt: skip


def is_name_change(before: FileStamp | None, after: FileStamp | None) -> bool:
    """Tell whether a name came, went, or leads to another file between two stamps."""
    if before is None or after is None:
        return before is not after
    return before.inode != after.inode or (stat.S_ISDIR(after.kind) and before != after)


def is_write(before: FileStamp | None, after: FileStamp | None) -> bool:
    """Tell whether a file was written between two stamps, so that inotify should announce it.

    Names in a directory, modes and what is renamed are announced for a log's own name alone.
    """
    if before is None or after is None or not stat.S_ISREG(after.kind):
        return False
    return before.inode == after.inode and before.modified != after.modified
