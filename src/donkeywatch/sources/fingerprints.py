"""Fingerprints: how far a log is counted, and by which content it is known again."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from donkeywatch.sources.log_file import File

HEAD, TAIL = 4096, 256
"""Bytes at the front and just before the offset that a generation is known by."""
MAX_DECODED_BYTES = 64 << 20
"""How much of an archive is decoded to know the end of it; takes some tenths of a second."""
END_BYTES = 1 << 22
"""Bytes at the end of a log in which lines of its newest second are looked for."""
HASH_BYTES = 16
IN_MEMORY = -1
"""In place of a week: fingerprints that are never stored, under a key of this process."""
LASTING = 0
"""In place of a week: fingerprints that version 0.1 made, under the lasting key."""


class FingerprintKeys(Protocol):
    """Keys of the fingerprints of log content, one a week; a week's fingerprints die with it."""

    def current(self) -> int:
        """Start of the week (ms UTC) under whose key new fingerprints are made."""
        ...

    def key(self, week: int) -> bytes | None:
        """The key of a week, None once it is destroyed."""
        ...


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How far a generation is counted, and the fingerprint of what is counted.

    Both hashes are made under the key of ``week`` (ms UTC); without it they tell nothing.
    """

    offset: int = 0
    inside_long_line: bool = False
    head_length: int = 0
    head_hash: bytes = b""
    tail_length: int = 0
    tail_hash: bytes = b""
    week: int = 0

    def beginning(self) -> Fingerprint:
        """Before the first line of a file that begins like this one."""
        return Fingerprint(0, False, self.head_length, self.head_hash, week=self.week)


def keyed_hash(content: bytes, key: bytes) -> bytes:
    """Hash content with a key, so that a stolen database confirms nothing about a log."""
    return blake2b(content, key=key, digest_size=HASH_BYTES).digest()


def current_key(keys: FingerprintKeys, at_least: int = 0) -> tuple[int, bytes]:
    """Give the week, ``at_least`` the one (ms UTC), and the key of new fingerprints."""
    week = max(keys.current(), at_least)
    key = keys.key(week)
    if key is None:
        raise ValueError("the key of the current week is destroyed")
    return week, key


def fingerprint_at(
    file: File, offset: int, keys: FingerprintKeys, *, skipping: bool = False, week: int = 0
) -> Fingerprint:
    """Make the mark of a file at an offset, under the key of ``week`` (ms UTC) or a later one."""
    week, key = current_key(keys, week)
    head = file.read(0, min(offset, HEAD))
    tail = file.read(offset - min(offset, TAIL), min(offset, TAIL))
    return Fingerprint(
        offset, skipping, len(head), keyed_hash(head, key), len(tail), keyed_hash(tail, key), week
    )


def same_head(head: bytes, mark: Fingerprint, keys: FingerprintKeys) -> bool:
    """Tell whether a file that starts with ``head`` (up to HEAD bytes) starts like the marked one.

    False where the key of the mark is destroyed: nobody can tell any more.
    """
    if not mark.head_length or len(head) < mark.head_length:
        return False
    key = keys.key(mark.week)
    return key is not None and keyed_hash(head[: mark.head_length], key) == mark.head_hash


def same_tail(file: File, mark: Fingerprint, keys: FingerprintKeys) -> bool:
    """Tell whether the file holds the marked bytes just before the offset."""
    if not mark.offset:
        return True
    key = keys.key(mark.week)
    tail = file.read(mark.offset - mark.tail_length, mark.tail_length)
    return (
        key is not None
        and len(tail) == mark.tail_length
        and keyed_hash(tail, key) == mark.tail_hash
    )


def is_prefix(part: File, whole: File) -> bool:
    """Tell whether one open file is the beginning of another, or all of it."""
    head, other = part.read(0, HEAD), whole.read(0, HEAD)
    if not head or len(head) > len(other) or other[: len(head)] != head:
        return False
    if len(head) < HEAD:
        return True
    end = content_length(part)
    tail = part.read(end - TAIL, TAIL)
    return tail == whole.read(end - TAIL, len(tail))


def content_length(file: File) -> int:
    """Bytes of the content; an archive is decoded to its end."""
    size = file.size()
    if size is not None:
        return size
    end = 0
    while piece := file.read(end, 1 << 20):
        end += len(piece)
    return end


def end_of(file: File, offset: int) -> bytes:
    """Give the bytes before an offset, END_BYTES at the most; none where a long archive would have
    to be decoded for them."""
    if file.size() is None and offset > MAX_DECODED_BYTES:
        return b""
    return file.read(max(0, offset - END_BYTES), min(offset, END_BYTES))


def last_line_end(file: File) -> int:
    """Offset behind the last line feed in the last MiB of a file, or its size less that MiB."""
    size = file.size() or 0
    step = min(size, 1 << 20)
    return size - step + file.read(size - step, step).rfind(b"\n") + 1
