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

from donkeywatch.sources.directory_listing import Listing
from donkeywatch.sources.log_file import is_missing
from donkeywatch.sources.wrappers import Wrapper

_ROTATION_NUMBER = re.compile(r"(.+)[.\-_](\d{1,3})(?:\.[A-Za-z0-9]+)?")
"""A name with the number that rotation gave it; a year has more digits."""


@dataclass(frozen=True, slots=True)
class LogPaths:
    """What to follow: ``patterns`` are name patterns, empty for the usual ones.

    A pattern may begin with a directory, which is relative to that of the log. ``others`` are the
    logs of other sources, which are never taken for rotated files of this one; a file that one of
    ``earlier`` leads to, too, is theirs.
    """

    name: str
    path: Path
    max_line_bytes: int = 1 << 16
    patterns: tuple[str, ...] = ()
    start_at_end: bool = False
    others: tuple[Path, ...] = ()
    earlier: tuple[Path, ...] = ()
    wrapper: Wrapper | None = None
    """What stands around the lines, where a line may come in several pieces."""
    led_to: dict[Path, tuple[int, int] | None] = field(default_factory=dict, compare=False)
    """Device and inode that the path of each source led to at its last look; shared by them all,
    as it would take many looks to ask for each of them again."""
    _listing: Listing = field(init=False, repr=False, compare=False)
    _stem: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_stem", self.path.name.rpartition(".")[0] or self.path.name)
        object.__setattr__(self, "_listing", Listing(self._may_be_rotated))

    def directories(self) -> set[Path]:
        """List where something can happen to this log: beside its name, beside what it links to,
        and where its rotated files go."""
        return {directory for directory, _ in self._places()}

    def _places(self) -> set[tuple[Path, str | None]]:
        """Directories with a name pattern each; None for the usual names."""
        here = [self.path.parent]
        try:
            # Resolving a path looks at every directory above it, which is too much for each look.
            if self.path.is_symlink():
                here.append(self.path.resolve().parent)
        except (OSError, RuntimeError):  # forbidden, or a symbolic link to itself
            pass
        if not self.patterns:
            return {(directory, None) for directory in here}
        return {
            (directory / os.path.dirname(pattern), os.path.basename(pattern))  # noqa: PTH119, PTH120 - a pattern is no path
            for directory in here
            for pattern in self.patterns
        }

    def rotated_files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Regular files whose names say that they were rotated away; no symbolic links."""
        listed = set()
        theirs: set[tuple[int, int] | None] = set()
        for directory, pattern in sorted(self._places(), key=str):
            for path in self._named(directory):
                if self._is_rotated(path.name, pattern) and path not in listed:
                    listed.add(path)
                    theirs = theirs or {_identity(path) for path in self.others}
                    state = _regular(path)
                    if state is not None and _of(state) not in theirs:
                        yield path, state

    def files_by_inode(self, identity: tuple[int, int]) -> Iterator[tuple[Path, os.stat_result]]:
        """Regular files of any name in the log's directories with a device and an inode."""
        for directory in sorted(self.directories()):
            for entry in _entries(directory):
                if entry.inode() == identity[1] and entry.path != str(self.path):
                    state = _regular(Path(entry.path))
                    if state is not None and _of(state) == identity:
                        yield Path(entry.path), state

    def note(self, state: os.stat_result | None) -> None:
        """Note what the path leads to now; None for nothing."""
        self.led_to[self.path] = None if state is None else _of(state)

    def shared_with(self, state: os.stat_result) -> Path | None:
        """Give the path of an earlier source that leads to this very file, None if none does."""
        return next((path for path in self.earlier if self._led_to(path) == _of(state)), None)

    def _led_to(self, path: Path) -> tuple[int, int] | None:
        return self.led_to[path] if path in self.led_to else _identity(path)

    def _named(self, directory: Path) -> list[Path]:
        try:
            return [directory / name for name in self._listing.names(directory)]
        except OSError as error:
            if is_missing(error):
                return []
            raise

    def _may_be_rotated(self, name: str) -> bool:
        if not self.patterns:
            # Of thousands of names most begin otherwise, which is sooner seen than by a pattern.
            return name.startswith(self._stem) and self._is_rotated(name, None)
        return any(self._is_rotated(name, os.path.basename(each)) for each in self.patterns)  # noqa: PTH119

    def _is_rotated(self, name: str, pattern: str | None) -> bool:
        if name == self.path.name:
            return False
        if pattern is not None:
            return fnmatch(name, pattern)
        return rotated_pattern(self.path.name).fullmatch(name) is not None


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(directory))
    except OSError as error:
        if is_missing(error):
            return []
        raise


def _regular(path: Path) -> os.stat_result | None:
    """The state of a regular file; None for anything else, a symbolic link too."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        return _of(path.stat())
    except OSError:
        return None


def _of(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def age_order(name: str) -> tuple[str, int, str]:
    """Sort the names of one log's rotated files: of those with numbers the highest is the oldest.

    Names with dates, and any others, are in alphabetical order.
    """
    numbered = _ROTATION_NUMBER.fullmatch(name)
    return (numbered[1], -int(numbered[2]), name) if numbered else (name, 0, name)


@cache
def rotated_pattern(name: str) -> re.Pattern[str]:
    """Names that logrotate and servers give rotated files: .1, -20261123, .old, .2.gz and so on."""
    stem, dot, suffix = name.rpartition(".")
    mark = r"[.\-_](?:\d[\dT.:_\-]*|old)"
    packed = r"(?i:\.(?:gz|zst|xz|bz2|lz4))"
    compressed = f"(?:{packed})?"
    shapes = [re.escape(name) + mark + compressed, re.escape(name) + packed + mark]
    if dot and stem:
        shapes.append(re.escape(stem) + mark + re.escape(dot + suffix) + compressed)
    return re.compile("|".join(f"(?:{shape})" for shape in shapes))
