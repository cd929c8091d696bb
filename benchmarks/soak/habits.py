"""The habits of servers and of those who look after their logs: how files are written and rotated.

What a reader may meet, one class each.
"""

from __future__ import annotations

import gzip
import os
import shutil
import threading
import time
from pathlib import Path
from typing import IO

from soak.writer import LOGROTATE, Habit


class Renamed(Habit):
    """Renamed to `.1`; the writer opens the new file at once."""


class Late(Habit):
    """Renamed to a dated name; the writer notices seconds later and fills the old file on."""

    _reopen_at = 0.0

    def rotate(self) -> None:
        """Rename; sometimes the new file is there at once, empty."""
        if self.may_delete():
            self.path.rename(self.dated())
            if self.rng.random() < 0.5:
                self.path.touch()
            self._reopen_at = time.monotonic() + self.rng.uniform(0.2, 5)
            self.rotations["rename, reopened late"] += 1

    def may_delete(self) -> bool:
        """Not while the old file is written to."""
        return not self._reopen_at

    def write(self) -> None:
        """Some lines, into the file that is open."""
        if self._reopen_at and time.monotonic() >= self._reopen_at:
            self._reopen_at = 0.0
            self.reopen()
        super().write()


class Copied(Habit):
    """Copied and truncated, while the writer holds still."""

    def rotate(self) -> None:
        """By logrotate, if it is there."""
        if LOGROTATE:
            self.logrotate("copytruncate")
        else:
            self.shift()
            shutil.copy2(self.path, self.path.with_name("search.log.1"))
            os.truncate(self.path, 0)
        self.rotations["copytruncate"] += 1


class Racing(Copied):
    """Copied and truncated while the writer writes on: what falls between is lost for all."""

    exact = False
    pause = (0.0, 0.02)
    _rotation: threading.Thread | None = None

    def write(self) -> None:
        """A line or two."""
        self.file.write(self.lines(self.rng.randint(1, 2)))

    def rotate(self) -> None:
        """Beside the writer."""
        self.finish()
        self._rotation = threading.Thread(target=super().rotate)
        self._rotation.start()

    def be_quiet(self) -> None:
        """Never: nobody knows what is to be counted."""

    def finish(self) -> None:
        """Let the rotation end."""
        if self._rotation:
            self._rotation.join()


class Dated(Habit):
    """The log is a symbolic link to a dated file; it is pointed to the next one."""

    def begin(self) -> IO[bytes]:
        """The first file and the link."""
        return self._point(self.dated(".log"))

    def _point(self, day: Path) -> IO[bytes]:
        file = day.open("ab", buffering=0)
        fresh = self.path.with_name("fresh")
        fresh.symlink_to(day.name)
        if self.rng.random() < 0.3:
            self.path.unlink(missing_ok=True)
            time.sleep(self.rng.uniform(0, 0.2))
        fresh.rename(self.path)
        return file

    def rotate(self) -> None:
        """The last lines of the old day come after the link was changed."""
        file = self._point(self.dated(".log"))
        self.write()
        self.file.close()
        self.file = file
        self.rotations["symbolic link retargeted"] += 1


class Packed(Habit):
    """Renamed and compressed; the archive grows under its own name, as logrotate lets it."""

    _packing: threading.Thread | None = None

    def rotate(self) -> None:
        """By logrotate or, slower, by hand."""
        self.finish()
        if LOGROTATE and self.rng.random() < 0.5:
            name = self.dated().name.removeprefix("search.log")
            self.logrotate("create 0644", "compress", "dateext", f"dateformat {name}")
            self.reopen()
        else:
            old = self.dated()
            self.path.rename(old)
            self.reopen()
            self._packing = threading.Thread(target=self._pack, args=(old,))
            self._packing.start()
        self.rotations["rename and compress"] += 1

    def _pack(self, old: Path) -> None:
        packed, data = old.with_name(f"{old.name}.gz"), old.read_bytes()
        step = len(data) // 6 + 1
        with gzip.open(packed, "wb") as archive:
            for at in range(0, len(data), step):
                archive.write(data[at : at + step])
                archive.flush()
                time.sleep(self.rng.uniform(0, 0.3))
        state = old.stat()
        os.utime(packed, ns=(state.st_atime_ns, state.st_mtime_ns))
        old.unlink()

    def may_delete(self) -> bool:
        """Not while it compresses."""
        return self._packing is None or not self._packing.is_alive()

    def finish(self) -> None:
        """Let the compression end."""
        if self._packing:
            self._packing.join()


class Partial(Habit):
    """Writes end at any byte; the last line of a rotated file may lack its line feed."""

    pause = (0.0, 0.15)
    _rest = b""

    def write(self) -> None:
        """A piece of what is to be written."""
        self._rest = self._rest or self.lines(self.rng.randint(1, 8))
        at = self.rng.randint(1, len(self._rest))
        self.file.write(self._rest[:at])
        self._rest = self._rest[at:]

    def rotate(self) -> None:
        """The rest goes into the renamed file: a server never tears a line in two."""
        self.shift()
        self.path.rename(self.path.with_name("search.log.1"))
        time.sleep(self.rng.uniform(0, 0.5))
        self.finish(self._rest.removesuffix(b"\n") if self.rng.random() < 0.5 else self._rest)
        self.reopen()
        self.rotations["rename inside a line"] += 1

    def finish(self, rest: bytes | None = None) -> None:
        """Complete the line."""
        self.file.write(self._rest if rest is None else rest)
        self._rest = b""

    def be_quiet(self) -> None:
        """After a whole line."""
        self.finish()
        super().be_quiet()


class Rewritten(Habit):
    """All of the log is written anew, in place by halves or over its name, as cp and sed -i do."""

    def rotate(self) -> None:
        """Every line that was there is there again."""
        content = self.path.read_bytes()
        if self.rng.random() < 0.5:
            fresh = self.path.with_name("fresh")
            fresh.write_bytes(content)
            if self.rng.random() < 0.5:
                self._names += 1
                self.path.rename(self.path.with_name(f"kept-{self._names}"))
            fresh.rename(self.path)
            self.rotations["replaced by a copy"] += 1
        else:
            half = content.find(b"\n", len(content) // 2) + 1
            with self.path.open("wb", buffering=0) as log:
                log.write(content[:half])
                time.sleep(self.rng.uniform(0, 1.5))
                log.write(content[half:])
            self.rotations["written anew in place"] += 1
        self.reopen()


class Bursts(Habit):
    """Twenty thousand lines at once, sometimes rotated in their midst, then quiet."""

    SIZE = 20_000
    _due = 0.0

    def write(self) -> None:
        """Nothing for long, then much."""
        if time.monotonic() < self._due:
            return
        turn = self.rng.choice((0, self.rng.randrange(self.SIZE)))
        self.file.write(self.lines(turn))
        if turn:
            self.rotate()
        for _ in range(10):
            self.file.write(self.lines((self.SIZE - turn) // 10))
            time.sleep(self.rng.uniform(0, 0.05))
        self._due = time.monotonic() + self.rng.uniform(15, 40)


HABITS = (Renamed, Late, Copied, Racing, Dated, Packed, Partial, Rewritten, Bursts)
