"""What all writers of the soak do: they write lines that can be told apart, rotate, clean up."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
KEPT = 2
"""Rotated files that stay when the counted ones are deleted."""
PATIENCE = 8.0
"""Longest a writer is quiet to see its lines counted, so that it may delete old files (s)."""
POPULATION = 1024
"""The first half of a source's addresses has so many values; the second half counts on."""


class Habit(threading.Thread):
    """One log and its writer; rotates by renaming to `.1`, and opens the new file at once.

    ``counted`` tells how many lines of a source every daemon has stored.
    """

    exact = True
    """Can a reader count every line of it?"""
    pause = (0.02, 0.4)
    """Seconds between two writes."""

    def __init__(self, logs: Path, number: int, seed: int, counted: Callable[[str], int]) -> None:
        self.label = type(self).__name__.lower()
        super().__init__(name=self.label)
        self.number = number
        self.path = logs / self.label / "search.log"
        self.written = 0
        self.rotations: Counter[str] = Counter()
        self.deleted = 0
        self.failure: BaseException | None = None
        self.stopping = threading.Event()
        self.rng = random.Random(f"{seed}:{self.label}")
        self._counted = counted
        self._names = 0
        self._rotation_due = time.monotonic() + self.rng.uniform(1, 8)
        self._quiet_due = time.monotonic() + self.rng.uniform(5, 40)
        self.path.parent.mkdir(mode=0o755, parents=True)
        self.file = self.begin()

    def begin(self) -> IO[bytes]:
        """The empty log."""
        return self.path.open("ab", buffering=0)

    # -- writing -------------------------------------------------------------------------

    def run(self) -> None:
        """Write and rotate until told to stop; then nothing of a line is left unwritten."""
        try:
            while not self.stopping.wait(self.rng.uniform(*self.pause)):
                self.write()
                now = time.monotonic()
                if now >= self._rotation_due:
                    self.rotate()
                    gap = self.rng.choice(((0, 1), (4, 20), (4, 20), (4, 20)))
                    self._rotation_due = time.monotonic() + self.rng.uniform(*gap)
                if now >= self._quiet_due:
                    self.be_quiet()
                    self._quiet_due = time.monotonic() + self.rng.uniform(20, 50)
            self.finish()
        except BaseException as error:
            self.failure = error
        finally:
            self.file.close()

    def lines(self, count: int) -> bytes:
        """New lines, each of an address that no other line has."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        first, self.written = self.written + 1, self.written + count
        head = f"{stamp}\t2001:db8:{self.number:x}"
        return "".join(
            f"{head}:{n % POPULATION:x}::{n // POPULATION:x}\tzqorv {n}\n"
            for n in range(first, first + count)
        ).encode()

    def addresses(self) -> npt.NDArray[np.uint8]:
        """The addresses of all lines so far, 16 bytes each."""
        serial = np.arange(1, self.written + 1)
        result = np.zeros((self.written, 8), ">u2")
        result[:, :3] = 0x2001, 0xDB8, self.number
        result[:, 3], result[:, 7] = serial % POPULATION, serial // POPULATION
        return result.view(np.uint8)

    def write(self) -> None:
        """Some lines."""
        self.file.write(self.lines(self.rng.randint(1, 20)))

    def finish(self) -> None:
        """What must still happen when the writer stops."""

    # -- rotating ------------------------------------------------------------------------

    def rotate(self) -> None:
        """Rename and open anew."""
        self.shift()
        self.path.rename(self.path.with_name("search.log.1"))
        self.reopen()
        self.rotations["rename, reopened at once"] += 1

    def reopen(self) -> None:
        """Go on at the log's path."""
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def shift(self) -> None:
        """`.1` becomes `.2`, and so on."""
        numbers = (p.name.rpartition(".")[2] for p in self.path.parent.glob("search.log.*"))
        for number in sorted(map(int, numbers), reverse=True):
            older = self.path.with_name(f"search.log.{number}")
            older.rename(self.path.with_name(f"search.log.{number + 1}"))

    def dated(self, ending: str = "") -> Path:
        """A new name with today's date."""
        self._names += 1
        stem = "search" if ending else "search.log"
        return self.path.with_name(f"{stem}-{datetime.now(UTC):%Y%m%d}-{self._names:04}{ending}")

    def logrotate(self, *directives: str) -> None:
        """Run the real logrotate on the log."""
        assert LOGROTATE is not None
        settings = self.path.parent.with_suffix(".conf")
        body = "\n".join(("rotate 500", "missingok", *directives))
        settings.write_text(f'"{self.path}" {{\n{body}\n}}\n')
        settings.chmod(0o600)
        command = [LOGROTATE, "--force", "--state", f"{settings}.state", str(settings)]
        subprocess.run(command, check=True, start_new_session=True)

    def may_delete(self) -> bool:
        """Is no rotated file still in use by this writer?"""
        return self.exact

    def be_quiet(self) -> None:
        """Write nothing until all is counted; then old files may go."""
        end = time.monotonic() + PATIENCE
        while self._counted(self.label) < self.written:
            if time.monotonic() > end or self.stopping.wait(0.3):
                return
        if self.may_delete():
            live = {self.path, self.path.resolve()}
            files = [path for path in self.path.parent.iterdir() if path not in live]
            for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
                path.unlink()
                self.deleted += 1
