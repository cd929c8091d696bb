"""Wakes the main loop when a directory changes; the timed scan stays the truth."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from queue import Empty, SimpleQueue

from watchfiles import Change, watch

STEP = 100
"""Milliseconds between two looks at the queue of changes."""
RETRY = 5.0
"""Seconds to wait when nothing can be watched (a missing directory, a full watch limit)."""


class Doorbell:
    """A thread around watchfiles; `wait` returns early when something rings.

    A ring by hand also ends a `pause`, which no change of a file does.
    """

    def __init__(self, directories: Iterable[Path], *, enabled: bool = True) -> None:
        self._directories = sorted(directories)
        # Not an Event: its lock would be taken twice when a signal comes while it is waited for.
        self._rings: SimpleQueue[None] = SimpleQueue()
        self._by_hand: SimpleQueue[None] = SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if enabled:
            self._thread = threading.Thread(target=self._listen, name="doorbell", daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            present = [directory for directory in self._directories if directory.is_dir()]
            try:
                if present:
                    self._watch(present)
            except (OSError, RuntimeError):
                pass  # Without a doorbell the timed scan alone keeps up.
            self._stop.wait(RETRY)

    def _watch(self, directories: list[Path]) -> None:
        inodes = [directory.stat().st_ino for directory in directories]
        for changes in watch(
            *directories,
            watch_filter=lambda _change, path: not path.endswith((".db-wal", ".db-shm")),
            debounce=STEP,
            step=STEP,
            stop_event=self._stop,
            rust_timeout=round(RETRY * 1000),
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=False,
        ):
            if changes:
                self._rings.put(None)
            if any(change is Change.deleted for change, _ in changes) or not changes:
                current = [d.stat().st_ino if d.is_dir() else 0 for d in directories]
                if current != inodes:
                    return  # A directory was made anew: its old watch is dead.

    def ring(self) -> None:
        """Wake the loop by hand; safe in a signal handler."""
        self._rings.put(None)
        self._by_hand.put(None)

    def pause(self, seconds: float) -> None:
        """Sleep whatever the files do; what rings meanwhile is answered by the next `wait`."""
        with contextlib.suppress(Empty):
            self._by_hand.get(timeout=seconds)

    def wait(self, seconds: float) -> None:
        """Sleep until a ring or a time-out; all rings so far are answered."""
        with contextlib.suppress(Empty):
            self._rings.get(timeout=seconds)
            while True:
                self._rings.get_nowait()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=RETRY)
