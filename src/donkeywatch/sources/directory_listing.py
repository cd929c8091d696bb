"""A cached listing of directories, read again only where a name can have come or gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GRANULARITY_SECONDS = 2.0
"""Coarsest time of change that a file system keeps: within it a second change may not show."""
MAX_AGE_SECONDS = 30.0
"""A directory is read again after so long whatever its time of change says: some do not keep it."""

Change = tuple[int, int, int]
"""Device, inode and time of change (ns) of a directory."""


@dataclass(slots=True)
class _Names:
    """What was read of a directory; times are of a clock that never jumps, in seconds."""

    change: Change
    since: float
    """When this time of change was first seen."""
    read: float
    names: list[str]

    def is_good(self, change: Change, now: float) -> bool:
        """Tell whether nothing can have come or gone since it was read."""
        settled = self.read - self.since >= GRANULARITY_SECONDS
        return self.change == change and settled and now - self.read < MAX_AGE_SECONDS


class Listing:
    """The names in directories that a test accepts.

    A directory is asked for its time of change, and is read where that is new: with thousands of
    other files in it, this is what a look costs. ``clock`` never jumps, in seconds.
    """

    def __init__(
        self, accepts: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._accepts, self._clock = accepts, clock
        self._known: dict[Path, _Names] = {}

    def names(self, directory: Path) -> list[str]:
        """Accepted names in a directory; OSError as the system gives it."""
        state, now = directory.stat(), self._clock()
        change = state.st_dev, state.st_ino, state.st_mtime_ns
        known = self._known.get(directory)
        if known is not None and known.is_good(change, now):
            return known.names
        # Of thousands of entries only the names are wanted, and only those that are accepted.
        names = [name for name in os.listdir(directory) if self._accepts(name)]  # noqa: PTH208
        since = known.since if known is not None and known.change == change else now
        self._known[directory] = _Names(change, since, now, names)
        return names
