"""What is wrong with the files of a log, in the words that the operator is told."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from donkeywatch.counting.windows import SECOND

ABSENT = "not there yet"
"""Where nothing stands at the path of a log, as before its first line or in a rotation."""
PATIENCE = 15 * SECOND
"""How long an archive that does not decode may stay as it is before it is called damaged (ms)."""
MENTIONED = 3
"""Files that are named at most."""


class Signature(NamedTuple):
    """A file, and the state it is in: a hint that neither has changed, and no proof."""

    identity: tuple[int, int]
    """Device and inode."""
    state: tuple[int, int]
    """Bytes, and ns of the last change."""


def signature(state: os.stat_result) -> Signature:
    """Of a file as the system tells of it."""
    return Signature((state.st_dev, state.st_ino), (state.st_size, state.st_mtime_ns))


class _Suspect(NamedTuple):
    """An archive that did not decode: in which state, since when (ms), and is it told?"""

    state: tuple[int, int]
    since: int
    told: bool = False


class Complaints:
    """Those of the last look at the files; ``events`` counts what could not be read."""

    def __init__(self, events: Counter[str]) -> None:
        self._events = events
        self._found: list[str] = []
        self._suspects: dict[tuple[int, int], _Suspect] = {}

    @property
    def text(self) -> str | None:
        """All of them, or the first few; None where nothing was wrong."""
        more = len(self._found) - MENTIONED
        told = self._found[:MENTIONED] + ([f"and {more} more files"] if more > 0 else [])
        return "; ".join(told) or None

    def begin(self) -> None:
        """A new look begins; archives are still suspected."""
        self._found = []

    def absent(self, path: Path) -> None:
        """Nothing stands at the path of the log."""
        self._found.append(f"{path}: {ABSENT}")

    def unreadable(self, path: Path, error: OSError) -> None:
        """The system does not let a file be read."""
        self._events["read_errors"] += 1
        self._found.append(f"{path}: {error.strerror}")

    def undecoded(self, path: Path, file: Signature, now: int) -> None:
        """An archive does not decode: it may still be growing, so it is told of after a while."""
        suspect = self._suspects.get(file.identity)
        if suspect is None or suspect.state != file.state:
            suspect = _Suspect(file.state, now)
        if now - suspect.since >= PATIENCE:
            self._events["read_errors"] += not suspect.told
            suspect = suspect._replace(told=True)
            self._found.append(f"{path}: damaged or cut short, and not counted; restore it")
        self._suspects[file.identity] = suspect

    def decoded(self, file: Signature) -> None:
        """An archive is not suspected any more."""
        self._suspects.pop(file.identity, None)
