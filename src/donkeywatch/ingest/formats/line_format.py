"""What every format makes of one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OTHER, MALFORMED = "other", "malformed"


@dataclass(frozen=True, slots=True)
class RawQuery:
    """The three fields of a search, as they stand in the log."""

    stamp: bytes
    address: bytes
    query: bytes


class LineFormat(Protocol):
    """Reads one line, without its line end: a search, or the outcome of a line that is none."""

    def read(self, line: bytes) -> RawQuery | str:
        """`other` is a line that is no search, `malformed` one that looks like a search."""
        ...
