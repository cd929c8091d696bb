"""What is wrong with the files of a log: which are left alone for it, and what is logged."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from donkeywatch.counting.calendar import MINUTE, SECOND
from donkeywatch.errors import printable
from donkeywatch.sources.log_file import DamagedArchiveError

MISSING = "not there yet"
"""Where nothing stands at the path of a log, as before its first line or in a rotation."""
FOREIGN = (
    "is written to but was never this log, and is not read; make it a source of its own, or name"
    " the rotated files with `rotated`"
)
SETTLE_TIME = 15 * SECOND
"""How long an archive that does not decode may stay as it is before it is called damaged (ms)."""
RETRY_INTERVAL = 10 * MINUTE
"""How long it is left alone then (ms): each look would decode all of it that can be. For so long it
is hoped that a disk can be read again, which is tried each time that `SETTLE_TIME` has passed."""
MAX_REPORTED = 3
"""Files that are named at most."""


class FileState(NamedTuple):
    """A file, and the state it is in: a hint that neither has changed, and no proof."""

    identity: tuple[int, int]
    """Device and inode."""
    state: tuple[int, int]
    """Bytes, and ns of the last change of its content."""
    ctime_ns: int
    """Ns of the last change of anything, its name included."""


def file_state(state: os.stat_result) -> FileState:
    """Give the state of a file as the system tells it."""
    return FileState(
        (state.st_dev, state.st_ino), (state.st_size, state.st_mtime_ns), state.st_ctime_ns
    )


class _FailedArchive(NamedTuple):
    """An archive that could not be read: as it was then, since when, and what became of it."""

    file: FileState
    since: int
    attempted_at: int | None = None
    """When a reading began and ended in this state (ms); None: it may still be growing."""
    reason: str | None = None
    """What the system said; None where it is the content that does not decode."""
    reported: bool = False

    @property
    def text(self) -> str:
        """The problem of this archive, as it is logged."""
        return self.reason or "damaged or cut short, and not counted from there on; restore it"


class FileProblems:
    """Those of the last look at the files; ``events`` counts what could not be read."""

    def __init__(self, events: Counter[str]) -> None:
        self._events = events
        self._by_path: dict[Path, str] = {}
        self._suspects: dict[tuple[int, int], _FailedArchive] = {}

    @property
    def text(self) -> str | None:
        """All of them, or the first few; None where nothing was wrong."""
        more = len(self._by_path) - MAX_REPORTED
        problems = [f"{printable(path)}: {what}" for path, what in self._by_path.items()][
            :MAX_REPORTED
        ]
        return "; ".join(problems + ([f"and {more} more files"] if more > 0 else [])) or None

    def start_scan(self) -> None:
        """A new look begins; what is suspected stays so."""
        self._by_path = {}

    def report_missing(self, path: Path) -> None:
        """Nothing stands at the path of the log."""
        self._by_path[path] = MISSING

    def foreign(self, path: Path) -> None:
        """A file with a rotated name is written to, and never was the log."""
        self._by_path[path] = FOREIGN

    def report_unreadable(self, path: Path, error: OSError) -> None:
        """The system does not let a file be opened."""
        self._events["read_errors"] += 1
        self._by_path[path] = error.strerror or "cannot be read"

    def should_skip(self, path: Path, file: FileState, now: int) -> bool:
        """Tell whether a failed archive is left alone in this look; its problem is logged again.

        One that has changed since is read when it has stayed as it is from one look to the next.
        """
        suspect = self._suspects.get(file.identity)
        if suspect is None:
            return False
        if suspect.file != file:
            renamed = suspect.file.state == file.state  # Or restored with its old times.
            suspect = (
                suspect._replace(file=file, attempted_at=None)
                if renamed
                else _FailedArchive(file, now)
            )
            self._report(path, suspect, now)
            return not renamed
        self._report(path, suspect, now)
        wait = SETTLE_TIME if suspect.reason else RETRY_INTERVAL
        return suspect.attempted_at is not None and now - suspect.attempted_at < wait

    def repeat_report(self, path: Path, identity: tuple[int, int]) -> None:
        """A file is being read: what was logged of it stays until its end is reached."""
        if (suspect := self._suspects.get(identity)) is not None and suspect.reported:
            self._by_path[path] = suspect.text

    def record_failure(
        self, path: Path, file: FileState, error: DamagedArchiveError | OSError, now: int
    ) -> None:
        """Note that an archive could not be read to its end.

        ``file`` is its state after that. Where it is the state of the failure before, the archive
        was read in this state; otherwise it has changed meanwhile, and may still be growing.
        """
        suspect = self._suspects.get(file.identity)
        if suspect is None or suspect.file != file:
            suspect = _FailedArchive(file, now)
        else:
            suspect = suspect._replace(attempted_at=now)
        reason = (error.strerror or "cannot be read") if isinstance(error, OSError) else None
        self._report(path, suspect._replace(reason=reason), now)

    def may_recover(self, now: int) -> bool:
        """Tell whether a suspect may still turn out to hold what is looked for."""
        return any(
            now - suspect.since < (RETRY_INTERVAL if suspect.reason else SETTLE_TIME)
            for suspect in self._suspects.values()
        )

    def reset_attempts(self) -> None:
        """Note that what was read of the failed archives was not stored."""
        for identity, suspect in self._suspects.items():
            self._suspects[identity] = suspect._replace(attempted_at=None)

    def _report(self, path: Path, suspect: _FailedArchive, now: int) -> None:
        if suspect.reported or suspect.reason or now - suspect.since >= SETTLE_TIME:
            self._events["read_errors"] += not suspect.reported
            self._by_path[path] = suspect.text
            suspect = suspect._replace(reported=True)
        self._suspects[suspect.file.identity] = suspect

    def clear(self, identity: tuple[int, int]) -> None:
        """A file was read to its end: it is not suspected any more."""
        self._suspects.pop(identity, None)
