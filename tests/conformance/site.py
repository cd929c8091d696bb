"""A server's log directory: its writer's habits, what happens to its files, what to expect.

Every line is one query of an address of its own, so that what a reader says it counted tells
how many lines it lost (addresses missing) and how many it doubled (queries over addresses).
"""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal, Protocol


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    writer: Literal["reopens", "keeps"] = "reopens"
    wakeup: Literal["inotify", "polling"] = "inotify"
    end: Literal["stop", "kill"] = "stop"
    archive: Literal["plain", "gz"] = "plain"

    def __str__(self) -> str:
        return f"{self.writer}-{self.wakeup}-{self.end}-{self.archive}"


@dataclass(frozen=True)
class Tally:
    """What a reader counted: all lines, and distinct ones."""

    total: int
    distinct: int


class Reader(Protocol):
    """Something that follows the log: donkeywatch stepped or as a process, or a peer."""

    def start(self) -> None:
        """Begin, or go on where the last life ended; ends when it is at work."""
        ...

    def stop(self) -> None:
        """End as the operator would."""
        ...

    def kill(self) -> None:
        """End at once, with something read and not yet stored if there is a way."""
        ...

    def look(self, lines: int, seconds: float = ...) -> None:
        """Let it read until it has counted so many lines, or counts nothing more for a while."""
        ...

    def tally(self) -> Tally:
        """What it has counted in all its lives."""
        ...


LOOKS_SECONDS = 2.5
"""Time in which a reader that looks each second looks twice."""


class Site:
    """The log, its writer and its rotated files."""

    def __init__(self, directory: Path, reader: Reader, case: Case) -> None:
        self.directory = directory / "logs"
        self.path = self.directory / "search.log"
        self.reader = reader
        self.case = case
        self.written = 0
        """Lines that every reader must count."""
        self.losable = 0
        """Lines that were gone before any reader could have read them, at the worst."""
        self._stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self._serial = itertools.count(1)
        self._names = itertools.count(1)
        self._held: IO[bytes] | None = None
        self.directory.mkdir(parents=True, exist_ok=True)

    # -- the writer ----------------------------------------------------------------------

    def lines(self, count: int = 1, *, width: int = 0) -> bytes:
        """New lines, which the reader is expected to count."""
        self.written += count
        return b"".join(self.line(next(self._serial), width) for _ in range(count))

    def line(self, serial: int, width: int = 0) -> bytes:
        """The line of a serial number; the same number gives the same line."""
        address = f"2001:db8::{serial >> 16:x}:{serial & 0xFFFF:x}"
        return f"{self._stamp}\t{address}\tzqorv {'x' * width} {serial}\n".encode()

    def write(self, count: int = 1, *, width: int = 0) -> None:
        """The server logs some queries."""
        self.append(self.lines(count, width=width))

    def append(self, data: bytes) -> None:
        """The server writes bytes, into the file it has open or into the log's path."""
        if self.case.writer == "keeps":
            if self._held is None:
                self._held = self.path.open("ab", buffering=0)
            self._held.write(data)
        else:
            with self.path.open("ab", buffering=0) as log:
                log.write(data)

    def reopen(self) -> None:
        """The server is told that its log was rotated (SIGHUP)."""
        if self._held is not None:
            self._held.close()
            self._held = None
        self.path.touch()

    # -- what happens to files -----------------------------------------------------------

    def rotated(self, number: int = 1) -> Path:
        """The name of a rotated file."""
        return self.path.with_name(f"{self.path.name}.{number}")

    def shift(self) -> None:
        """What logrotate does before it renames: .1 becomes .2, and so on."""
        for number in range(20, 0, -1):
            for suffix in ("", ".gz"):
                older = self.rotated(number).with_name(self.rotated(number).name + suffix)
                if older.exists():
                    newer = self.rotated(number + 1)
                    older.rename(newer.with_name(newer.name + suffix))

    def rename(self, to: Path | None = None) -> Path:
        """Rotate by renaming; the log is created anew when the server reopens it."""
        target = to or self.rotated()
        if to is None:
            self.shift()
        self.path.rename(target)
        return target

    def archive(self, path: Path) -> Path:
        """Compress a rotated file, if this case does: written beside it, then it goes."""
        if self.case.archive == "plain":
            return path
        packed = path.with_name(path.name + ".gz")
        with path.open("rb") as plain, gzip.open(packed, "wb") as out:
            shutil.copyfileobj(plain, out)
        path.unlink()
        return packed

    def copytruncate(self) -> Path:
        """Copy the log away and empty it."""
        self.shift()
        shutil.copy2(self.path, self.rotated())
        self.truncate()
        return self.rotated()

    def truncate(self, size: int = 0) -> None:
        """Cut the log short."""
        os.truncate(self.path, size)

    # -- the reader ----------------------------------------------------------------------

    def look(self) -> None:
        """The reader reads all there is."""
        self.reader.look(self.written - self.losable)

    def look_at_a_part(self) -> None:
        """The reader looks a few times, while less stands there than was written."""
        self.reader.look(self.written - self.losable, LOOKS_SECONDS)

    def end(self) -> None:
        """The reader's life ends as this case says."""
        if self.case.end == "kill":
            self.reader.kill()
        else:
            self.reader.stop()

    def restart(self) -> None:
        """It ends, and starts again."""
        self.end()
        self.reader.start()

    def outcome(self) -> tuple[int, int]:
        """Lines lost that could have been counted, and lines counted twice; call at the end."""
        self.look()
        return self.outcome_of(self.reader.tally())

    def outcome_of(self, counted: Tally) -> tuple[int, int]:
        """The same of a tally that was taken."""
        lost = max(0, self.written - self.losable - counted.distinct)
        return lost, counted.total - counted.distinct

    def close(self) -> None:
        """Let go of what is open."""
        if self._held is not None:
            self._held.close()
