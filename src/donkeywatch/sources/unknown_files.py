"""Files with the name of a rotated one that nobody has seen before, until they prove to be that."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from donkeywatch.counting.calendar import SECOND
from donkeywatch.sources.file_problems import FileState

UNCHANGED_MS = 2 * SECOND
"""How long a file that was never the log stays unchanged before it is taken for a rotated one."""


class _UnknownFile(NamedTuple):
    state: tuple[int, int]
    """Bytes, and ns of the last change of its content, when it last changed."""
    since: int
    """When it was first seen in this state (ms of a steady clock)."""


class UnknownFiles:
    """Watches unknown files: one that grows is another program's, not a rotated log."""

    def __init__(self) -> None:
        self._watched: dict[tuple[int, int], _UnknownFile] = {}

    def is_unchanged(self, file: FileState, now: int) -> bool:
        """Tell whether a file has stayed as it is for so long that nobody writes to it."""
        before = self._watched.get(file.identity)
        if before is None or before.state != file.state:
            self._watched[file.identity] = _UnknownFile(file.state, now)
            return False
        return now - before.since >= UNCHANGED_MS

    def has_grown(self, file: FileState) -> bool:
        """Tell whether a file has become longer since it was first seen."""
        before = self._watched.get(file.identity)
        return before is not None and file.state[0] > before.state[0]

    def forget_gone(self, present: Collection[tuple[int, int]]) -> None:
        """Forget files that are not among those ``present``, by device and inode."""
        for identity in self._watched.keys() - present:
            del self._watched[identity]
