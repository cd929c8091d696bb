"""Whose content a file holds: names may lie and inodes are given out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    covering: Generation | None = None
    """All of the file has been counted in this one: it is an earlier or a shortened copy."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Compares files with marks."""

    key: bytes

    def of(self, file: File, candidates: Iterable[Generation]) -> Found:
        """The candidate with the most counted bytes of which all are in the file."""
        head = file.read_sound(0, HEAD)
        best: Generation | None = None
        shorter: Generation | None = None
        covering: Generation | None = None
        for generation in candidates:
            mark = generation.mark
            if not same_head(head, mark, self.key):
                if is_beginning(head, mark, self.key):
                    covering = generation
            elif not same_tail(file, mark, self.key):
                if not file.read(mark.offset - 1, 1):
                    covering = generation
                    shorter = generation if mark.head_length == HEAD else shorter
            elif best is None or mark.offset > best.mark.offset:
                best = generation
        return Found(best, shorter, covering)

    def has_rival(self, generation: Generation, file: File, log: Log) -> bool:
        """Does a rotated file hold what is counted too, and go on differently?

        Only where little is counted can both be right; then the renamed one is.
        """
        if generation.mark.offset >= HEAD:
            return False
        return self._among_siblings(
            generation,
            log,
            lambda other: not is_part_of(other, file) and not is_part_of(file, other),
        )

    def stands_elsewhere(self, generation: Generation, log: Log) -> bool:
        """Does a rotated file hold all that is counted?"""
        return self._among_siblings(generation, log, lambda _: True)

    def _among_siblings(
        self, generation: Generation, log: Log, condition: Callable[[File], bool]
    ) -> bool:
        for path, _ in log.siblings():
            try:
                other = open_file(path)
            except (OSError, SourceError):
                continue
            try:
                if self.of(other, [generation]).generation is not None and condition(other):
                    return True
            except Damaged:
                continue
            finally:
                other.close()
        return False
