"""Where a log is counted: by generation in bytes, and which rotated files are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class GenerationPosition:
    """One row of `generations`: the fingerprint of the bytes counted, and how many they are."""

    id: int
    source: str
    offset: int
    skipping: bool
    head_length: int
    head_hash: bytes
    tail_length: int
    tail_hash: bytes
    size: int
    state: str
    week: int = 0
    """Start of the week (ms UTC) under whose key the hashes are made; 0: the lasting key."""
    device: int = 0
    inode: int = 0
    was_live: bool = False
    """The file was at the log's own path."""
    compare_until: int = 0
    """Searches in it up to this event time (ms UTC) may have been counted from another file."""
    ended: bool = False
    """Nothing of it is needed any more: the row goes."""
    turn: int = field(default=0, compare=False)
    """The higher, the later the file was last read."""

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> GenerationPosition:
        """Give the position of a row, as `row` gives it but for the time at its end."""
        number, source, offset, skipping, *rest, was_live, compare_until, turn = row
        return replace(
            cls(number, source, offset, bool(skipping), *rest),
            was_live=bool(was_live),
            compare_until=compare_until,
            turn=turn,
        )

    def row(self) -> tuple[Any, ...]:
        """Give the columns of `generations` in their order, but for the time of the change."""
        return (
            self.id, self.source, self.offset, self.skipping, self.head_length, self.head_hash,
            self.tail_length, self.tail_hash, self.size, self.state, self.week, self.device,
            self.inode, self.was_live, self.compare_until, self.turn,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """One row of `finished_files`: a rotated file that need not be opened while it stays so."""

    source: str
    device: int
    inode: int
    size: int
    modified: int
    """Ns of the last change of its content."""
    history: bool = False
    """It was rotated away before the log was ever followed: it is never read."""
    gone: bool = False
    """The file is not there any more: the row goes."""

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> FinishedFile:
        """Give the finished file of a row, as `row` gives it."""
        source, device, inode, size, modified, history = row
        return cls(source, device, inode, size, modified, bool(history))

    def row(self) -> tuple[Any, ...]:
        """Give the columns of `finished_files` in their order."""
        return self.source, self.device, self.inode, self.size, self.modified, self.history
