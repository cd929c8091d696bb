"""Whose content a file holds: names may lie and inodes are given out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from donkeywatch.errors import SourceError
from donkeywatch.sources.files import Damaged, File, open_file
from donkeywatch.sources.generations import Generation
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import HEAD, FingerprintKeys, Mark, hashed, is_part_of, same_tail


@dataclass(frozen=True, slots=True)
class Identity:
    """Compares files with the marks of generations."""

    keys: FingerprintKeys

    def of(self, file: File, candidates: Iterable[Generation]) -> Generation | None:
        """Give the candidate with the most counted bytes of which all are in the file."""
        head = file.read_sound(0, HEAD)
        hashes: dict[tuple[int, int], bytes | None] = {}
        best: Generation | None = None
        for generation in candidates:
            mark = generation.mark
            if not mark.head_length or len(head) < mark.head_length:
                continue
            # Many candidates have marks of the same kind: the head is hashed once for each kind.
            kind = (mark.week, mark.head_length)
            if kind not in hashes:
                hashes[kind] = self._hash(head, mark)
            if hashes[kind] != mark.head_hash:
                continue
            further = best is None or mark.offset > best.mark.offset
            if further and same_tail(file, mark, self.keys):
                best = generation
        return best

    def _hash(self, head: bytes, mark: Mark) -> bytes | None:
        key = self.keys.key(mark.week)
        return None if key is None else hashed(head[: mark.head_length], key)

    def has_rival(self, generation: Generation, file: File, log: Log) -> bool:
        """Tell whether a rotated file holds what is counted too, and goes on differently.

        Only where little is counted can both be right; then the renamed one is.
        """
        if generation.mark.offset >= HEAD:
            return False
        return self._stands_in_sibling(
            generation,
            log,
            lambda other: not is_part_of(other, file) and not is_part_of(file, other),
        )

    def stands_in_sibling(self, generation: Generation, log: Log) -> bool:
        """Tell whether a rotated file holds all that is counted."""
        return self._stands_in_sibling(generation, log, lambda _: True)

    def _stands_in_sibling(
        self, generation: Generation, log: Log, condition: Callable[[File], bool]
    ) -> bool:
        for path, _ in log.siblings():
            try:
                other = open_file(path)
            except (OSError, SourceError):
                continue
            try:
                if self.of(other, [generation]) is not None and condition(other):
                    return True
            except Damaged:
                continue
            finally:
                other.close()
        return False
