"""A server's log as tests have it: searches are written to it, and it is rotated."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import IO

from donkeywatch.counting.calendar import iso_utc

NUMBERS = range(40, 0, -1)
"""Rotated files that are renamed by `shift`, the oldest first."""


def search_line(time: int, address: str, query: str) -> bytes:
    """Give a search as a line of the format tsv; ``time`` is ms UTC."""
    return f"{iso_utc(time)[:-1]}.{time % 1000:03d}Z\t{address}\t{query}\n".encode()


def numbered_address(number: int) -> str:
    """Give an address of the documentation range for each number."""
    return f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"


class LogWriter:
    """Writes a log as a server does, and does to its files what rotation does to them."""

    def __init__(self, path: Path, *, keeps_open: bool = False) -> None:
        self.path = path
        self._keeps_open = keeps_open
        """It writes into the file it has open, wherever that was renamed to, until `reopen`."""
        self._file: IO[bytes] | None = None

    def append(self, data: bytes, path: Path | None = None) -> None:
        """Write bytes at the end of the log, or of another file."""
        if path is None and self._keeps_open:
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            self._file.write(data)
        else:
            with (path or self.path).open("ab", buffering=0) as log:
                log.write(data)

    def log_search(self, time: int, address: str, query: str) -> None:
        """Log a search; ``time`` is ms UTC."""
        self.append(search_line(time, address, query))

    def reopen(self) -> None:
        """Go on at the log's path, where a file is made if there is none."""
        self.close()
        self.path.touch()

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def sibling(self, ending: str) -> Path:
        """Give a name beside the log: its own, and more."""
        return self.path.with_name(self.path.name + ending)

    def shift(self) -> None:
        """Rename `.1` to `.2` and so on, packed files as well."""
        for number in NUMBERS:
            for packing in ("", ".gz"):
                older = self.sibling(f".{number}{packing}")
                if older.exists():
                    older.rename(self.sibling(f".{number + 1}{packing}"))

    def rename(self, to: Path | None = None) -> Path:
        """Rotate by renaming, to `.1` unless another name is given; the log is gone then."""
        if to is None:
            self.shift()
            to = self.sibling(".1")
        self.path.rename(to)
        return to

    def copytruncate(self, to: Path | None = None) -> Path:
        """Rotate by copying the log, to `.1` unless another name is given, and emptying it."""
        if to is None:
            self.shift()
            to = self.sibling(".1")
        shutil.copy2(self.path, to)
        self.truncate()
        return to

    def truncate(self, size: int = 0) -> None:
        """Cut the log short in place."""
        os.truncate(self.path, size)

    def compress(self, path: Path, *, keep: bool = False) -> Path:
        """Pack a rotated file, written beside it, which goes unless it is kept."""
        packed = path.with_name(f"{path.name}.gz")
        with gzip.open(packed, "wb") as archive:  # Its header has the name, as that of gzip has.
            archive.write(path.read_bytes())
        if not keep:
            path.unlink()
        return packed
