"""A server's log directory: its writer's habits, what happens to its files, what to expect.

Every line is one query of an address of its own, so that what a reader says it counted tells
how many lines it lost (addresses missing) and how many it doubled (queries over addresses).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from support.log_writer import LogWriter, numbered_address, search_line


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


class Site(LogWriter):
    """The log, its writer and its rotated files, and the reader that follows it."""

    def __init__(self, directory: Path, reader: Reader, case: Case) -> None:
        self.directory = directory / "logs"
        super().__init__(self.directory / "search.log", keeps_open=case.writer == "keeps")
        self.reader = reader
        self.case = case
        self.written = 0
        """Lines that every reader must count."""
        self.losable = 0
        """Lines that were gone before any reader could have read them, at the worst."""
        self._time = int(datetime.now(UTC).timestamp()) * 1000
        self._serial = itertools.count(1)
        self._names = itertools.count(1)
        self.directory.mkdir(parents=True, exist_ok=True)

    # -- the writer ----------------------------------------------------------------------

    def lines(self, count: int = 1, *, width: int = 0) -> bytes:
        """New lines, which the reader is expected to count."""
        self.written += count
        return b"".join(self.line(next(self._serial), width) for _ in range(count))

    def line(self, serial: int, width: int = 0) -> bytes:
        """The line of a serial number; the same number gives the same line."""
        query = f"zqorv {'x' * width} {serial}"
        return search_line(self._time, numbered_address(serial), query)

    def write(self, count: int = 1, *, width: int = 0) -> None:
        """The server logs some queries."""
        self.append(self.lines(count, width=width))

    # -- what happens to files -----------------------------------------------------------

    def rotated(self, number: int = 1) -> Path:
        """The name of a rotated file."""
        return self.sibling(f".{number}")

    def archive(self, path: Path) -> Path:
        """Compress a rotated file, if this case does: written beside it, then it goes."""
        return path if self.case.archive == "plain" else self.compress(path)

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
