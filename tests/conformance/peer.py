"""A log follower that is another project's process, as a reader under test."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from conformance.site import Case, Tally

PATIENCE = 2.0
"""Seconds after which a peer that has told nothing new has read what it will."""
AGAIN = 0.5
"""The same for one that has counted all but what it was found to have lost before."""
LONGEST = 60.0
"""Seconds after which nobody waits for it, whatever it does."""
STARTING = 10.0
ENDING = 10.0
"""Seconds that a peer has to start, and to end before it is killed."""
LINE = re.compile(
    rb"2001:db8::([0-9a-f]+):([0-9a-f]+)\tzq[^\t\n]*rv x* ([0-9]+)(?:\r|#015)?$", re.MULTILINE
)


def counted(result: Iterable[tuple[str, str, str]]) -> Counter[int]:
    """How often each line was told, of the two parts of its address and its serial number.

    Both are the same number, so that a cut line is not taken for another one.
    """
    lines: Counter[int] = Counter()
    for high, low, serial in result:
        if int(high, 16) << 16 | int(low, 16) == int(serial):
            lines[int(serial)] += 1
    return lines


class Peer(ABC):
    """A follower that is a process with its own idea of what is new in a log."""

    tool: ClassVar[str]

    def __init__(self, directory: Path, case: Case, setup: str) -> None:
        self.case = case
        self.setup = setup
        self.log = directory / "logs" / "search.log"
        self.directory = directory / "peer"
        self.directory.mkdir()
        self.messages = directory / "messages.txt"
        self.missing = 0
        """Lines that were not counted although there was time."""
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    @abstractmethod
    def version() -> str | None:
        """As the tool tells it; None if it is not installed."""

    @abstractmethod
    def command(self) -> list[str]:
        """How to start it."""

    @abstractmethod
    def ready(self) -> bool:
        """Is it at work?"""

    @abstractmethod
    def lines(self) -> Counter[int]:
        """How often it has counted each line, in all its lives."""

    def start(self) -> None:
        """Start it; ends when it is at work."""
        with self.messages.open("ab") as messages:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=messages, stderr=messages
            )
        end = time.monotonic() + STARTING
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.close()
                raise RuntimeError(f"{self.tool} does not start: {self.log_text()}")
            time.sleep(0.02)

    def log_text(self) -> str:
        """Its messages of all lives."""
        return self.messages.read_text("utf-8", "replace")

    def stop(self) -> None:
        """SIGTERM, as its service would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING)
        self.close()

    def close(self) -> None:
        """End it if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def activity(self) -> int:
        """Something that changes while it is reading."""
        return self.lines().total()

    def look(self, lines: int, seconds: float = 0.0) -> None:
        """Wait until it has counted so many different lines, or does nothing any more."""
        observed, end = -1, 0.0
        last = time.monotonic() + LONGEST
        while (counted := len(self.lines())) < lines:
            if time.monotonic() > last:
                break
            if (now := self.activity()) != observed:
                observed = now
                patience = PATIENCE if counted < lines - self.missing else AGAIN
                end = time.monotonic() + patience
            elif time.monotonic() > end:
                break
            time.sleep(0.05)
        self.missing = max(0, lines - counted)

    def tally(self) -> Tally:
        """Of all its lives."""
        result = self.lines()
        return Tally(result.total(), len(result))


class Writing(Peer):
    """A peer that writes the lines it reads to a file."""

    @property
    def output(self) -> Path:
        """That file."""
        return self.directory / "output"

    def activity(self) -> int:
        """Its output grows with lines that are no queries, too, and its positions go on."""
        result: list[bytes | int] = []
        for path in sorted(self.directory.iterdir()):
            with contextlib.suppress(OSError):
                result.append(path.stat().st_size if path == self.output else path.read_bytes())
        return hash(tuple(result))

    def lines(self) -> Counter[int]:
        """What stands in the file."""
        if not self.output.exists():
            return Counter()
        result = LINE.findall(self.output.read_bytes())
        return counted((h.decode(), low.decode(), s.decode()) for h, low, s in result)
