"""Counting the lines of a part of a log by outcome, for checks; no line is shown."""

from __future__ import annotations

import contextlib
import errno
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from donkeywatch.counting.observations import OUTCOMES, REJECTIONS
from donkeywatch.errors import SourceError
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.line_blocks import READ_BYTES, split_lines
from donkeywatch.sources.log_file import (
    CompressedFile,
    DamagedArchiveError,
    PlainFile,
    open_file,
)
from donkeywatch.sources.wrappers import longest_line

Line = tuple[int, bytes]
"""The offset of a line in its file, and its bytes without the line feed."""
MAX_LISTED_REJECTIONS = 10
"""Rejected lines whose place is printed."""
TAIL_BYTES = 1 << 20
"""Bytes at the end of a log that is being written that are looked at."""


@dataclass(slots=True)
class Sample:
    """Lines of a sample by outcome, and where the first rejected ones start; never a line."""

    lines: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0
    """Time that reading them line by line took."""

    @property
    def rate(self) -> int:
        """Lines a second, of one process."""
        return round(self.lines / max(self.seconds, 1e-6))

    @property
    def searches(self) -> int:
        """Lines that are a search, with words or without."""
        return self.outcomes["query"] + self.outcomes["keywordless"]

    @property
    def summary(self) -> str:
        """The number of searches, with and without words, and of lines, as a phrase."""
        wordless = self.outcomes["keywordless"]
        without = f" ({wordless:,} without words)" if wordless else ""
        return f"{self.searches:,} searches{without} among the last {self.lines:,} lines"

    @property
    def rejections(self) -> int:
        """Lines that look like a search and cannot be counted."""
        return sum(self.outcomes[name] for name in REJECTIONS)

    def by_outcome(self) -> list[tuple[str, int]]:
        """Outcomes that occur, in their usual order."""
        return [(name, self.outcomes[name]) for name in OUTCOMES if self.outcomes[name]]


def read_sample(lines: Iterable[Line], reader: LineReader, latest: int) -> Sample:
    """Read lines one by one and count what they mean.

    A search after ``latest`` (ms UTC) is from the future. Whether one comes too late depends on
    what else is counted, and is not printed.
    """
    sample, begin = Sample(), time.perf_counter()
    topics = [topic.id for topic in reader.detector.topics]
    for offset, result in reader.records(lines):
        if isinstance(result, ParsedQuery) and result.time > latest:
            result = "future"
        outcome = "query" if isinstance(result, ParsedQuery) else result
        sample.lines += 1
        sample.outcomes[outcome] += 1
        if isinstance(result, ParsedQuery):
            sample.flagged.update(t for t, code in zip(topics, result.codes, strict=True) if code)
        elif outcome in REJECTIONS and len(sample.rejected) < MAX_LISTED_REJECTIONS:
            sample.rejected.append((offset, outcome))
    sample.seconds = time.perf_counter() - begin
    return sample


def line_limit(reader: LineReader) -> int:
    """Bytes of the longest line of a file that a reader takes, with what stands around it."""
    return longest_line(reader.max_line_bytes) if reader.wrapper else reader.max_line_bytes


def file_lines(path: Path, limit: int) -> Iterator[Line]:
    """All lines of a file, or of an archive; one longer than ``limit`` bytes as its first ones.

    SourceError when it cannot be read.
    """
    file = _open(path)
    offset, skipping, long_line_start, size = 0, False, 0, max(READ_BYTES, 2 * limit)
    try:
        if (refused := refusal(file.read_sound(0, KIND_BYTES))) is not None:
            raise SourceError(f"{path} is {refused.kind}", refused.remedy)
        while buffer := file.read(offset, size):
            block = split_lines(buffer, limit, skipping=skipping, final=len(buffer) < size)
            for _ in range(block.too_long):
                yield long_line_start, bytes(limit + 1)
            at = offset + (buffer.find(b"\n") + 1 if skipping and block.too_long else 0)
            lines = bytes(block.data).split(b"\n")
            for line in lines if lines[-1] else lines[:-1]:
                yield at, line
                at += len(line) + 1
            if block.inside_long_line and not skipping:
                long_line_start = at
            offset, skipping = offset + block.consumed, block.inside_long_line
            if not block.consumed:
                break
    except DamagedArchiveError:
        raise SourceError(f"{path}: damaged or cut short", "give a whole archive") from None
    finally:
        file.close()


def tail_lines(path: Path) -> list[Line]:
    """The whole lines at the end of a log that is being written; of an archive, at its front.

    SourceError when it cannot be read.
    """
    with contextlib.closing(_open(path)) as file:
        if (refused := refusal(file.read_sound(0, KIND_BYTES))) is not None:
            raise SourceError(f"{path} is {refused.kind}", refused.remedy)
        start = max(0, (file.size() or 0) - TAIL_BYTES)
        buffer = file.read_sound(start, TAIL_BYTES)
    whole = buffer[: buffer.rfind(b"\n") + 1]
    at = whole.find(b"\n") + 1 if start else 0
    lines = []
    for line in whole[at:].split(b"\n")[:-1]:
        lines.append((start + at, line))
        at += len(line) + 1
    return lines


def has_columns(path: Path, reader: LineReader) -> bool:
    """Tell whether lines like the first ones of a sample are read by columns, which is faster."""
    with contextlib.closing(open_file(path)) as file:
        front = file.read_sound(0, READ_BYTES)
    return BlockReader(reader).has_columns(front[: front.rfind(b"\n") + 1])


def _open(path: Path) -> CompressedFile | PlainFile:
    try:
        return open_file(path)
    except OSError as error:
        remedy = "name a readable log file"
        if error.errno == errno.EACCES:
            remedy = (
                "add the user to the group that owns the log (and log in again), or name another"
            )
        raise SourceError(f"{path}: {error.strerror}", remedy) from None
