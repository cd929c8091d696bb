"""A log and the names its rotated files go by."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from donkeywatch.arrival.formats.wrappers import Wrapper
from donkeywatch.sources.files import gone


@dataclass(frozen=True, slots=True)
class Log:
    """What to follow: ``rotated`` are name patterns, empty for the usual ones."""

    name: str
    path: Path
    limit: int = 1 << 16
    rotated: tuple[str, ...] = ()
    from_end: bool = False
    wrapper: Wrapper | None = None
    """What stands around the lines, where a line may come in several pieces."""

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
                entries = list(os.scandir(directory))
            except OSError as error:
                if gone(error):
                    continue
                raise
            for entry in entries:
                if entry.name != self.path.name and self._is_rotated(entry.name):
                    try:
                        if entry.is_file():
                            yield Path(entry.path), entry.stat()
                    except OSError:
                        continue

    def _is_rotated(self, name: str) -> bool:
        if self.rotated:
            return any(fnmatch(name, pattern) for pattern in self.rotated)
        return rotated_name(self.path.name).fullmatch(name) is not None


@cache
def rotated_name(name: str) -> re.Pattern[str]:
    """Names that logrotate and servers give rotated files: .1, -20261123, .old, .2.gz and so on."""
    stem, dot, suffix = name.rpartition(".")
    mark = r"[.\-_](?:\d[\dT.:_\-]*|old)"
    packed = r"(?i:\.(?:gz|zst|xz|bz2|lz4))"
    compressed = f"(?:{packed})?"
    shapes = [re.escape(name) + mark + compressed, re.escape(name) + packed + mark]
    if dot and stem:
        shapes.append(re.escape(stem) + mark + re.escape(dot + suffix) + compressed)
    return re.compile("|".join(f"(?:{shape})" for shape in shapes))
