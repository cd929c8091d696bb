"""A log and the names its rotated files go by."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from donkeywatch.sources.files import gone
from donkeywatch.sources.listing import Listing


@dataclass(frozen=True, slots=True)
class Log:
    """What to follow: ``rotated`` are name patterns, empty for the usual ones."""

    name: str
    path: Path
    limit: int = 1 << 16
    rotated: tuple[str, ...] = ()
    from_end: bool = False
    _listing: Listing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listing", Listing(self._is_rotated))

    def directories(self) -> set[Path]:
        """Where something can happen to this log: beside its name, and beside what it links to."""
        here = self.path.parent
        try:
            # Resolving a path looks at every directory above it, which is too much for each look.
            return {here, self.path.resolve().parent} if self.path.is_symlink() else {here}
        except (OSError, RuntimeError):  # forbidden, or a symbolic link to itself
            return {here}

    def siblings(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Regular files beside the log whose names say that they were rotated away."""
        for directory in self.directories():
            try:
                names = self._listing.names(directory)
            except OSError as error:
                if gone(error):
                    continue
                raise
            for name in names:
                path = directory / name
                try:
                    state = path.stat()
                except OSError:
                    continue
                if stat.S_ISREG(state.st_mode):
                    yield path, state

    def _is_rotated(self, name: str) -> bool:
        if name == self.path.name:
            return False
        if self.rotated:
            return any(fnmatch(name, pattern) for pattern in self.rotated)
        return rotated_name(self.path.name).fullmatch(name) is not None


@cache
def rotated_name(name: str) -> re.Pattern[str]:
    """Names that logrotate and servers give rotated files: .1, -20261123, .old, .2.gz and so on."""
    stem, dot, suffix = name.rpartition(".")
    mark = r"[.\-_](?:\d[\dT.:_\-]*|old)"
    compressed = r"(?:\.(?:gz|zst|xz))?"
    shapes = [re.escape(name) + mark + compressed]
    if dot and stem:
        shapes.append(re.escape(stem) + mark + re.escape(dot + suffix) + compressed)
    return re.compile("|".join(f"(?:{shape})" for shape in shapes))
