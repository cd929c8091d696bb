"""What is wrong with the files of a log: which are left alone for it, and what is told of them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from donkeywatch.counting.windows import MINUTE, SECOND
from donkeywatch.errors import printable
from donkeywatch.sources.files import Damaged

ABSENT = "not there yet"
"""Where nothing stands at the path of a log, as before its first line or in a rotation."""
FOREIGN = (
    "is written to but was never this log, and is not read; make it a source of its own, or name"
    " the rotated files with `rotated`"
)
PATIENCE = 15 * SECOND
"""How long an archive that does not decode may stay as it is before it is called damaged (ms)."""
AGAIN = 10 * MINUTE
"""How long it is left alone then (ms): each look would decode all of it that can be. For so long it
is hoped that a disk can be read again, which is tried each time that `PATIENCE` has passed."""
MENTIONED = 3
"""Files that are named at most."""


class Signature(NamedTuple):
    """A file, and the state it is in: a hint that neither has changed, and no proof."""

    identity: tuple[int, int]
    """Device and inode."""
    state: tuple[int, int]
    """Bytes, and ns of the last change of its content."""
    touched: int
    """Ns of the last change of anything, its name included."""


def signature(state: os.stat_result) -> Signature:
    """Of a file as the system tells of it."""
    return Signature(
        (state.st_dev, state.st_ino), (state.st_size, state.st_mtime_ns), state.st_ctime_ns
    )


class _Suspect(NamedTuple):
    """An archive that could not be read: as it was then, since when, and what became of it."""

    file: Signature
    since: int
    tried: int | None = None
    """When it was last read in this state, from before to after; None: it may still be growing."""
    reason: str | None = None
    """What the system said; None where it is the content that does not decode."""
    told: bool = False

    @property
    def text(self) -> str:
        """What is told of it."""
        return self.reason or "damaged or cut short, and not counted from there on; restore it"


class Complaints:
    """Those of the last look at the files; ``events`` counts what could not be read."""

    def __init__(self, events: Counter[str]) -> None:
        self._events = events
        self._found: dict[Path, str] = {}
        self._suspects: dict[tuple[int, int], _Suspect] = {}

    @property
    def text(self) -> str | None:
        """All of them, or the first few; None where nothing was wrong."""
        more = len(self._found) - MENTIONED
        told = [f"{printable(path)}: {what}" for path, what in self._found.items()][:MENTIONED]
        return "; ".join(told + ([f"and {more} more files"] if more > 0 else [])) or None

    def begin(self) -> None:
        """A new look begins; what is suspected stays so."""
        self._found = {}

    def absent(self, path: Path) -> None:
        """Nothing stands at the path of the log."""
        self._found[path] = ABSENT

    def foreign(self, path: Path) -> None:
        """A file with a rotated name is written to, and never was the log."""
        self._found[path] = FOREIGN

    def unreadable(self, path: Path, error: OSError) -> None:
        """The system does not let a file be opened."""
        self._events["read_errors"] += 1
        self._found[path] = error.strerror or "cannot be read"

    def rests(self, path: Path, file: Signature, now: int) -> bool:
        """Is it a suspect that is to be left alone in this look? What is to be told of it is.

        One that has changed since is read when it has stayed as it is from one look to the next.
        """
        suspect = self._suspects.get(file.identity)
        if suspect is None:
            return False
        if suspect.file != file:
            renamed = suspect.file.state == file.state  # Or restored with its old times.
            suspect = suspect._replace(file=file, tried=None) if renamed else _Suspect(file, now)
            self._tell(path, suspect, now)
            return not renamed
        self._tell(path, suspect, now)
        wait = PATIENCE if suspect.reason else AGAIN
        return suspect.tried is not None and now - suspect.tried < wait

    def remind(self, path: Path, identity: tuple[int, int]) -> None:
        """A file is being read: what was told of it stays until its end is reached."""
        if (suspect := self._suspects.get(identity)) is not None and suspect.told:
            self._found[path] = suspect.text

    def failed(self, path: Path, file: Signature, error: Damaged | OSError, now: int) -> None:
        """It could not be read to its end: one that does not decode may still be growing.

        ``file`` is as it is now. Only if it was so before, too, it has been read in this state.
        """
        suspect = self._suspects.get(file.identity)
        if suspect is None or suspect.file != file:
            suspect = _Suspect(file, now)
        else:
            suspect = suspect._replace(tried=now)
        reason = (error.strerror or "cannot be read") if isinstance(error, OSError) else None
        self._tell(path, suspect._replace(reason=reason), now)

    def hopeful(self, now: int) -> bool:
        """May a suspect still turn out to hold what is looked for?"""
        return any(
            now - suspect.since < (AGAIN if suspect.reason else PATIENCE)
            for suspect in self._suspects.values()
        )

    def try_again(self) -> None:
        """What was read of the suspects was not stored."""
        for identity, suspect in self._suspects.items():
            self._suspects[identity] = suspect._replace(tried=None)

    def _tell(self, path: Path, suspect: _Suspect, now: int) -> None:
        if suspect.told or suspect.reason or now - suspect.since >= PATIENCE:
            self._events["read_errors"] += not suspect.told
            self._found[path] = suspect.text
            suspect = suspect._replace(told=True)
        self._suspects[suspect.file.identity] = suspect

    def good(self, identity: tuple[int, int]) -> None:
        """A file was read to its end: it is not suspected any more."""
        self._suspects.pop(identity, None)
