"""Whose content a file holds: names may lie and inodes are given out again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from donkeywatch.errors import SourceError
from donkeywatch.sources.files import Damaged, File, open_file
from donkeywatch.sources.generations import Generation
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import HEAD, is_beginning, is_part_of, same_head, same_tail


@dataclass(frozen=True, slots=True)
class Found:
    """What the content of a file says."""

    generation: Generation | None = None
    """Everything counted of it is in the file; the rest of the file is unread."""
    shorter: Generation | None = None
    """The file has its whole head and ends before its offset."""
    covered: bool = False
    """All of the file has been counted: it is an earlier or a shortened copy."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Compares files with marks."""

    key: bytes

    def of(self, file: File, candidates: Iterable[Generation]) -> Found:
        """The candidate with the most counted bytes of which all are in the file."""
        head = file.read(0, HEAD)
        best: Generation | None = None
        shorter: Generation | None = None
        covered = False
        for generation in candidates:
            mark = generation.mark
            if not same_head(head, mark, self.key):
                covered |= is_beginning(head, mark, self.key)
            elif not same_tail(file, mark, self.key):
                ends_before = not file.read(mark.offset - 1, 1)
                covered |= ends_before
                if ends_before and mark.head_length == HEAD:
                    shorter = generation
            elif best is None or mark.offset > best.mark.offset:
                best = generation
        return Found(best, shorter, covered)

    def has_rival(self, generation: Generation, file: File, log: Log) -> bool:
        """Does a rotated file hold what is counted too, and go on differently?

        Only where little is counted can both be right; then the renamed one is.
        """
        if generation.mark.offset >= HEAD:
            return False
        for path, _ in log.siblings():
            try:
                other = open_file(path)
            except (OSError, SourceError):
                continue
            try:
                same = self.of(other, [generation]).generation is not None
                if same and not is_part_of(other, file) and not is_part_of(file, other):
                    return True
            except Damaged:
                continue
            finally:
                other.close()
        return False
