"""Marks: how far a log is counted, and by which content it is known again."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from donkeywatch.sources.files import File

HEAD, TAIL = 4096, 256
"""Bytes at the front and just before the offset that a generation is known by."""
WHOLE, RUNG = 16, 4
"""Bytes of a hash, and of the short ones that tell how a copy cut short begins."""
RUNGS = 512
"""Line ends in the head that have a short hash, at the most."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a generation is counted, and the fingerprint of what is counted.

    ``head_hash`` is the hash of the first ``head_length`` bytes, followed by a short hash of
    what ends with each of their first lines.
    """

    offset: int = 0
    skipping: bool = False
    head_length: int = 0
    head_hash: bytes = b""
    tail_length: int = 0
    tail_hash: bytes = b""


def hashed(content: bytes, key: bytes) -> bytes:
    """Keyed, so that a stolen database confirms nothing about a log."""
    return blake2b(content, key=key, digest_size=WHOLE).digest()


def head_hash(head: bytes, key: bytes) -> bytes:
    """The hash of a head, and of its beginnings up to each line end."""
    running = blake2b(key=key, digest_size=WHOLE)
    rungs = []
    for line in head.splitlines(keepends=True)[:RUNGS]:
        running.update(line)
        if line.endswith(b"\n"):
            rungs.append(running.copy().digest()[:RUNG])
    return hashed(head, key) + b"".join(rungs)


def mark_at(file: File, offset: int, key: bytes, *, skipping: bool = False) -> Mark:
    """The mark of a file at an offset, from its content."""
    head = file.read(0, min(offset, HEAD))
    tail = file.read(offset - min(offset, TAIL), min(offset, TAIL))
    return Mark(offset, skipping, len(head), head_hash(head, key), len(tail), hashed(tail, key))


def same_head(head: bytes, mark: Mark, key: bytes) -> bool:
    """Does a file that starts with ``head`` (up to HEAD bytes) start like the marked one?"""
    if not mark.head_length or len(head) < mark.head_length:
        return False
    return hashed(head[: mark.head_length], key) == mark.head_hash[:WHOLE]


def same_tail(file: File, mark: Mark, key: bytes) -> bool:
    """Does the file hold the marked bytes just before the offset?"""
    if not mark.offset:
        return True
    tail = file.read(mark.offset - mark.tail_length, mark.tail_length)
    return len(tail) == mark.tail_length and hashed(tail, key) == mark.tail_hash


def is_beginning(head: bytes, mark: Mark, key: bytes) -> bool:
    """Are the whole lines of a short file the first lines of the marked one?"""
    lines = head[: head.rfind(b"\n") + 1]
    if not lines or len(head) >= mark.head_length:
        return False
    rungs = mark.head_hash[WHOLE:]
    cut = [rungs[i : i + RUNG] for i in range(0, len(rungs), RUNG)]
    return hashed(lines, key)[:RUNG] in cut


def is_part_of(part: File, whole: File) -> bool:
    """Is the content of one open file the beginning of another's, or all of it?"""
    head, other = part.read(0, HEAD), whole.read(0, HEAD)
    if not head or len(head) > len(other) or other[: len(head)] != head:
        return False
    if len(head) < HEAD:
        return True
    end = length(part)
    tail = part.read(end - TAIL, TAIL)
    return tail == whole.read(end - TAIL, len(tail))


def length(file: File) -> int:
    """Bytes of the content; an archive is decoded to its end."""
    size = file.size()
    if size is not None:
        return size
    end = 0
    while piece := file.read(end, 1 << 20):
        end += len(piece)
    return end


def last_line_end(file: File) -> int:
    """Offset behind the last line feed in the last MiB of a file, or its size less that MiB."""
    size = file.size() or 0
    step = min(size, 1 << 20)
    return size - step + file.read(size - step, step).rfind(b"\n") + 1
