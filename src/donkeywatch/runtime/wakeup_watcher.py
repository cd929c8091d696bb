"""Wakes the main loop when a log is written or renamed; the timed scan stays the truth."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from inotify_simple import INotify, flags

STEP_SECONDS = 0.1
"""Time between two looks at the queue of changes."""
RENEW_SECONDS = 60.0
"""Time between two looks whether what is watched is still what the paths lead to."""
RETRY_SECONDS = 5.0
"""After so long it is tried again to watch what could not be watched."""
FILES_WATCHED = 2
"""Files of one log whose writes ring: the one at its path, and the one renamed away last."""
NAMES = (
    flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO
    | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
)  # fmt: skip
"""What rings of a directory. Not that a file in it is written: the log's is watched itself, and
the kernel does not wake us for what others write, however often they do."""


class WakeupWatcher:
    """A thread around inotify; `wait` returns early when something rings.

    A ring by hand also ends a `sleep`, which no change of a file does. Where nothing can be
    watched (no inotify, a limit that is reached, a directory that is missing) the timed scan alone
    keeps up.
    """

    def __init__(self, logs: Iterable[Path], *, enabled: bool = True) -> None:
        self._logs = sorted(logs)
        # Not an Event: its lock would be taken twice when a signal comes while it is waited for.
        self._wakeups: SimpleQueue[None] = SimpleQueue()
        self._explicit_wakeups: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._watch: _Watch | None = None
        if enabled and self._logs:
            with contextlib.suppress(OSError):  # Too few descriptors are left.
                self._start()

    def _start(self) -> None:
        self._stopped, self._stop = os.pipe()
        thread = threading.Thread(target=self._run, name="file-watcher", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # As many threads as the system allows run already.
            os.close(self._stopped)
            os.close(self._stop)
        else:
            self._thread = thread

    def _run(self) -> None:
        stopping = select.poll()
        stopping.register(self._stopped, select.POLLIN)
        while not stopping.poll(0):
            with contextlib.suppress(OSError), INotify() as inotify:
                self._watch = _Watch(inotify, self._logs)
                try:
                    self._watch.run(self._stopped, self._wakeups.put)
                finally:
                    self._watch = None
            stopping.poll(RETRY_SECONDS * 1000)

    @property
    def is_watching(self) -> bool:
        """Tell whether all logs and their directories are watched."""
        watch = self._watch
        return watch is not None and watch.is_complete

    def wake(self) -> None:
        """Wake the loop by hand; safe in a signal handler."""
        self._wakeups.put(None)
        self._explicit_wakeups.put(None)

    def sleep(self, seconds: float) -> None:
        """Sleep whatever the files do; what rings meanwhile is answered by the next `wait`."""
        with contextlib.suppress(Empty):
            self._explicit_wakeups.get(timeout=seconds)

    def wait(self, seconds: float) -> bool:
        """Sleep until a ring or a time-out; true for a ring, and all so far are answered."""
        try:
            self._wakeups.get(timeout=seconds)
        except Empty:
            return False
        with contextlib.suppress(Empty):
            while True:
                self._wakeups.get_nowait()
        return True

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            os.write(self._stop, b".")
            self._thread.join(timeout=RETRY_SECONDS)
            os.close(self._stop)
            os.close(self._stopped)
            self._thread = None


class _Watch:
    """What of some logs one inotify instance watches: their files, and names in directories."""

    def __init__(self, inotify: INotify, logs: list[Path]) -> None:
        self._inotify, self._logs = inotify, logs
        self._names: dict[int, set[str]] = {}
        """By the watch of a directory: names that ring."""
        self._files: dict[Path, deque[int]] = {log: deque() for log in logs}
        """By log: the watches of its files, the newest last."""
        self.is_complete = False
        """All logs and their directories were there, and could be watched."""

    def run(self, stopping: int, ring: Callable[[None], None]) -> None:
        """Ring until the descriptor ``stopping`` can be read."""
        changes, over = select.poll(), select.poll()
        for poll, descriptor in (
            (changes, self._inotify.fileno()), (changes, stopping), (over, stopping),
        ):  # fmt: skip
            poll.register(descriptor, select.POLLIN)
        renamed, due = False, 0.0
        while True:
            if renamed or time.monotonic() >= due:
                if self._renew():
                    ring(None)
                due = time.monotonic() + (RENEW_SECONDS if self.is_complete else RETRY_SECONDS)
            changes.poll(max(0.0, due - time.monotonic()) * 1000)
            # More changes are waited for: a busy log then costs ten looks a second.
            if over.poll(STEP_SECONDS * 1000):
                return
            written, renamed = self._read()
            if written or renamed:
                ring(None)

    def _read(self) -> tuple[bool, bool]:
        """Tell whether a log was written, and whether a name came or went."""
        written = renamed = False
        for event in self._inotify.read(timeout=0):
            if event.wd in self._names:
                itself = event.mask & (flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED)
                renamed |= bool(itself) or event.name in self._names[event.wd]
            elif event.mask & flags.IGNORED:
                self._forget(event.wd)
            else:  # Also where the kernel's queue was full, which is an event of no watch.
                written = True
        return written, renamed

    def _forget(self, watch: int) -> None:
        """The file of a watch is gone, and its number may come again for another one."""
        for files in self._files.values():
            if watch in files:
                files.remove(watch)

    def _renew(self) -> bool:
        """Watch what the paths lead to now; true where that is something else than before."""
        names: dict[int, set[str]] = {}
        changed, is_complete = False, True
        for log in self._logs:
            for directory, name in _directories(log):
                watch = self._add(directory, NAMES)
                if watch is not None:
                    names.setdefault(watch, set()).add(name)
                is_complete &= watch is not None
            watch = self._add(log, flags.MODIFY)
            is_complete &= watch is not None
            changed |= watch is not None and self._is_new_file(log, watch)
        for watch in self._names.keys() - names.keys():
            self._remove(watch)
        changed |= names.keys() != self._names.keys()
        self._names, self.is_complete = names, is_complete
        return changed

    def _add(self, path: Path, mask: int) -> int | None:
        try:
            watch: int = self._inotify.add_watch(path, mask)
        except OSError:
            return None
        return watch

    def _is_new_file(self, log: Path, watch: int) -> bool:
        files = self._files[log]
        if watch in files:
            return False
        files.append(watch)
        if len(files) > FILES_WATCHED:
            self._remove(files.popleft())
        return True

    def _remove(self, watch: int) -> None:
        with contextlib.suppress(OSError):  # It went with its file.
            self._inotify.rm_watch(watch)


def _directories(log: Path) -> Iterator[tuple[Path, str]]:
    """Where a log stands, and by which name; for a symbolic link also what it leads to."""
    yield log.parent, log.name
    if log.is_symlink():
        target = Path(os.path.realpath(log))
        yield target.parent, target.name
