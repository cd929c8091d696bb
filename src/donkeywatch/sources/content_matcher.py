"""Whose content a file holds: names may lie and inodes are given out again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from donkeywatch.errors import SourceError
from donkeywatch.sources.fingerprints import (
    HEAD,
    Fingerprint,
    FingerprintKeys,
    end_of,
    is_prefix,
    keyed_hash,
    same_tail,
)
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.log_file import DamagedArchiveError, File, open_file
from donkeywatch.sources.log_paths import LogPaths


@dataclass(frozen=True, slots=True)
class ContentMatcher:
    """Compares files with the marks of generations."""

    keys: FingerprintKeys

    def match(self, file: File, candidates: Iterable[Generation]) -> Generation | None:
        """Give the candidate with the most counted bytes of which all are in the file."""
        head = file.read_sound(0, HEAD)
        hashes: dict[tuple[int, int], bytes | None] = {}
        best: Generation | None = None
        for generation in candidates:
            mark = generation.fingerprint
            if not mark.head_length or len(head) < mark.head_length:
                continue
            # Many candidates have marks of the same kind: the head is hashed once for each kind.
            kind = (mark.week, mark.head_length)
            if kind not in hashes:
                hashes[kind] = self._hash(head, mark)
            if hashes[kind] != mark.head_hash:
                continue
            further = best is None or mark.offset > best.fingerprint.offset
            if further and same_tail(file, mark, self.keys):
                best = generation
        return best

    def _hash(self, head: bytes, mark: Fingerprint) -> bytes | None:
        key = self.keys.key(mark.week)
        return None if key is None else keyed_hash(head[: mark.head_length], key)

    def has_diverging_sibling(self, generation: Generation, file: File, log: LogPaths) -> bool:
        """Tell whether a rotated file holds what is counted too, and goes on differently.

        Only where little is counted can both be right; then the renamed one is.
        """
        if generation.fingerprint.offset >= HEAD:
            return False
        return any(
            not is_prefix(other, file) and not is_prefix(file, other)
            for other in self._in_siblings(generation, log)
        )

    def end_in_sibling(self, generation: Generation, log: LogPaths) -> bytes | None:
        """Give the end of what is counted from a rotated file that holds all of it, if one does."""
        for other in self._in_siblings(generation, log):
            return end_of(other, generation.fingerprint.offset)
        return None

    def _in_siblings(self, generation: Generation, log: LogPaths) -> Iterator[File]:
        """Give the files that hold all that is counted, the renamed one first, each for a look."""
        renamed = log.files_by_inode(generation.identity)
        for path in dict.fromkeys(path for path, _ in chain(renamed, log.rotated_files())):
            with (
                contextlib.suppress(OSError, SourceError, DamagedArchiveError),
                contextlib.closing(open_file(path)) as other,
            ):
                if self.match(other, [generation]) is not None:
                    yield other
