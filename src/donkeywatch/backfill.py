"""Counting finished archives: the same way as live, in larger steps."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.archive import Archive
from donkeywatch.engine import Engine
from donkeywatch.errors import ConfigError, SourceError, StateError
from donkeywatch.sources.block import LARGE, SIZE
from donkeywatch.sources.files import CompressedFile, Damaged, File, open_file
from donkeywatch.sources.generations import WIDE, Generation
from donkeywatch.store import database
from donkeywatch.stream import Stream

PEEK = 1 << 18
"""Bytes looked at to put archives in the order of their first query."""
FEW = 100
"""Lines in all that have to be seen before they are said to be none of the format."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: bytes on disk (compressed where the file is), and lines counted."""

    path: Path
    done: int
    bytes: int
    lines: int


def backfill(
    engine: Engine,
    files: Sequence[Path],
    source: str | None,
    clock: Callable[[], int],
    report: Callable[[Progress], None] = lambda _progress: None,
    step: int | None = None,
    *,
    anyway: bool = False,
) -> dict[Path, Counter[str] | None]:
    """Count archives of one source that are not counted yet; lines by outcome per file.

    There are none of a file that was counted before, and None of one without content. Order and
    repetition do not matter: content decides what was counted. ``step`` sets after how many bytes
    to commit (default `checkpoint.bytes`). SourceError names a file that cannot be read; everything
    before it stays counted. It also comes, before anything is counted, where none of the files has
    a search near its front, unless they are to be counted ``anyway``: what was counted is not read
    again. StateError when the database cannot be written; the engine is then only good to be
    closed. What ``report`` raises comes out as it is; what was counted before stays.
    """
    stream = _stream(engine, source)
    files = list(dict.fromkeys(files))
    for path in files:
        _readable(path)
    fronts = {path: _front(stream, path) for path in files}
    if not anyway:
        _refuse_searchless(stream, fronts.values())
    archive = Archive(engine, stream)
    stream.follower.block = LARGE * stream.reader.length
    lines: dict[Path, Counter[str] | None] = {path: None for path in files if fronts[path].empty}
    filled = [path for path in files if path not in lines]
    try:
        for path in sorted(filled, key=lambda path: (fronts[path].time, path.name)):
            lines[path] = _count(engine, archive, stream, path, clock, report, step)
    except StateError:
        archive.abandon()
        raise  # What cannot be stored cannot be closed either.
    except BaseException:
        with _stored(engine):
            archive.abandon()
            archive.end(clock())
        raise
    finally:
        stream.follower.block = SIZE
    with _stored(engine):
        archive.end(clock())
    return lines


@contextmanager
def _stored(engine: Engine) -> Iterator[None]:
    """Say what is wrong with the database where it cannot be written."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise database.failure(engine.store.path, error) from None


def _stream(engine: Engine, name: str | None) -> Stream:
    streams = {stream.source.name: stream for stream in engine.streams}
    if name is None:
        return engine.streams[0]
    if name not in streams:
        raise ConfigError(
            f"there is no source `{name}`", f"use one of: {', '.join(sorted(streams))}"
        )
    return streams[name]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which archive cannot be read."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", "name finished log files") from None
    except SourceError as error:
        raise SourceError(error.problem, "name finished log files") from None


@contextmanager
def _opened(path: Path) -> Iterator[File]:
    """An archive to look into; Damaged where that comes upon what does not decode."""
    with _naming(path), contextlib.closing(open_file(path)) as file:
        yield file


def _readable(path: Path) -> None:
    try:
        with _opened(path) as file:
            wide = file.read(0, 2) in WIDE
    except Damaged:
        wide = False  # Its whole lines are counted, and then the damage is told.
    if wide:
        raise SourceError(f"{path} is UTF-16", "convert it to UTF-8 first, with iconv say")


@dataclass(frozen=True, slots=True)
class _Front:
    """The first lines of an archive: time of the first query (ms UTC), how many, any search?"""

    time: int = 0
    lines: int = 0
    searched: bool = False
    empty: bool = False
    """It has no content at all."""


def _front(stream: Stream, path: Path) -> _Front:
    """A look at it, so that weeks close in order and a mistaken format is found in time."""
    try:
        with _opened(path) as file:
            content = file.read(0, PEEK)
    except Damaged:
        return _Front()
    seen = stream.reader.block(content)
    queries = len(seen.time)
    first = int(seen.time[0]) if queries else 0
    return _Front(
        first, queries + seen.tally.total(), queries + seen.tally["keywordless"] > 0, not content
    )


def _refuse_searchless(stream: Stream, fronts: Collection[_Front]) -> None:
    lines = sum(front.lines for front in fronts)
    if lines >= FEW and not any(front.searched for front in fronts):
        raise SourceError(
            f"none of the first {lines:,} lines is a search in the format of source"
            f" {stream.source.name} ({stream.source.format})",
            "try `donkeywatch check` on a file and correct the settings; nothing was counted."
            " If it is right, add --anyway",
        )


def _count(
    engine: Engine,
    archive: Archive,
    stream: Stream,
    path: Path,
    clock: Callable[[], int],
    report: Callable[[Progress], None],
    step: int | None,
) -> Counter[str]:
    follower = stream.follower
    limit = engine.settings.checkpoint.bytes if step is None else step
    before, pending = Counter(stream.tally), 0
    try:
        with _stored(engine), _naming(path):
            total = path.stat().st_size
            generation = follower.take_up(path, 0)
    except Damaged:
        raise _damaged(path, 0) from None
    if generation is None:
        return Counter()
    while (block := follower.read(0)) is not None:
        pending += block.consumed
        with _stored(engine):
            engine.take(stream, block, clock())
            if pending >= limit:
                archive.commit(clock())
                pending = 0
        report(Progress(path, _position(generation), total, (stream.tally - before).total()))
    whole = generation.file is not None and follower.error is None
    with _stored(engine):
        engine.settle(clock())
        archive.commit(clock())
    follower.close()
    lines = stream.tally - before
    if not whole:
        raise _damaged(path, lines.total(), follower.reason)
    report(Progress(path, total, total, lines.total()))
    return lines


def _damaged(path: Path, lines: int, reason: str | None = None) -> SourceError:
    return SourceError(
        f"{path}: {reason or 'damaged, cut short or changed while it was read'}; {lines:,} lines"
        " that were read before are counted",
        "restore the file and repeat the command; it goes on where it stopped",
    )


def _position(generation: Generation) -> int:
    file = generation.file
    return file.raw_position() if isinstance(file, CompressedFile) else generation.mark.offset
