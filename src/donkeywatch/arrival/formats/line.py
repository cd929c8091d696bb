"""What every format makes of one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OTHER, MALFORMED = "other", "malformed"
MARK = b"\xef\xbb\xbf"
"""The byte order mark that editors put before the first line of a file."""


def bare(line: bytes) -> bytes:
    """A line without a hole and a mark before it, and without a carriage return behind it."""
    return line.lstrip(b"\0").removesuffix(b"\r").removeprefix(MARK)


@dataclass(frozen=True, slots=True)
class Search:
    """The three fields of a search, as they stand in the log."""

    stamp: bytes
    address: bytes
    query: bytes


class Format(Protocol):
    """Reads one line, without its line end: a search, or the outcome of a line that is none."""

    def read(self, line: bytes) -> Search | str:
        """``other`` is a line that is no search, ``malformed`` one that looks like a search."""
        ...
