"""Whole lines out of a buffer of bytes, with bounded memory on any line."""

from __future__ import annotations

from dataclasses import dataclass

READ_BYTES, ARCHIVE_READ_BYTES = 1 << 18, 11 << 17
"""Bytes read at once from a log and from an archive, or twice the longest line; between two
blocks a stop is obeyed."""


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines of one generation and what reading them means for its position.

    ``data`` is a part of the buffer that was read, not a copy of it.
    ``consumed`` bytes of the buffer are done with; ``too_long`` lines among them are over;
    ``inside_long_line`` tells that the next byte lies inside a line that is too long. Searches up
    to ``compare_until`` (event time, ms UTC; 0 for none) may have been counted before, from another
    copy of the log: they are compared with what was stored at this ``beginning`` of the file.
    ``before`` is the end of the file that was the log before, in the first block of one in which
    the log goes on; ``resumed`` tells that all before it in this file is counted, ``more_follows``
    that the file goes on behind it.
    """

    data: bytes | memoryview
    consumed: int
    too_long: int
    inside_long_line: bool
    generation: int = 0
    compare_until: int = 0
    beginning: int = 0
    before: bytes | None = None
    resumed: bool = False
    more_follows: bool = False


def split_lines(
    buffer: bytes, limit: int, *, skipping: bool, final: bool, line_start: int = 0
) -> LineBlock:
    """Cut whole lines off a buffer with a line at ``line_start``, or part of one if ``skipping``.

    A line of more than ``limit`` bytes is dropped unread and counted when it ends. ``final``
    says that nothing will ever follow: an unterminated last line is a line. NUL bytes before a
    line are a hole in the file, left by a writer that did not notice a truncation.
    """
    start, too_long = line_start, 0
    if skipping:
        feed = buffer.find(b"\n", line_start)
        if feed < 0:
            ended = int(final)
            return LineBlock(b"", len(buffer) - line_start, ended, inside_long_line=not ended)
        start, too_long = feed + 1, 1
    if buffer[start : start + 1] == b"\0":
        start = len(buffer) - len(buffer[start:].lstrip(b"\0"))
    end = max(buffer.rfind(b"\n", start) + 1, start)
    rest, view = len(buffer) - end, memoryview(buffer)
    if final:
        return LineBlock(view[start:], len(buffer) - line_start, too_long, inside_long_line=False)
    if rest > limit and buffer[end : end + 1] != b"\0":
        return LineBlock(view[start:end], len(buffer) - line_start, too_long, inside_long_line=True)
    return LineBlock(view[start:end], end - line_start, too_long, inside_long_line=False)
