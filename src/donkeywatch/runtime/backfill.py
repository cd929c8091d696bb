"""Counting finished archives: the same way as live, in larger steps."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.counting.calendar import HOUR, floor_to, week_of
from donkeywatch.errors import SourceError, StateError, UsageError
from donkeywatch.runtime.backfill_errors import (
    Incomplete,
    damaged,
    damaged_and_over,
    masked,
    never_counted,
)
from donkeywatch.runtime.backfill_session import BackfillSession
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.line_blocks import ARCHIVE_READ_BYTES, READ_BYTES
from donkeywatch.sources.log_file import CompressedFile, DamagedArchiveError, File, open_file
from donkeywatch.sources.log_paths import age_order
from donkeywatch.store import database_opening

PROBE_BYTES = 1 << 18
"""Bytes looked at to put archives in the order of their first query."""
MIN_PROBE_LINES = 10
"""Lines in all that have to be seen before they are said to be none of the format."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: bytes on disk (compressed where the file is), and lines counted."""

    path: Path
    bytes_read: int
    bytes: int
    lines: int
    ignored: int = 0
    """Bytes behind the end of an archive, which are no part of it."""
    known: int = 0
    """Lines that were counted before."""
    unknowable: int = 0
    """Lines of weeks whose keys are destroyed: nobody can tell whether they were counted."""
    finished: bool = False
    """Is the file read to its end, or as far as it can be?"""
    counted_before: bool = False
    """Was the whole file counted before, so that it is not read?"""


def backfill(
    engine: Engine,
    files: Sequence[Path],
    source: str | None,
    clock: Callable[[], int],
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    commit_every_bytes: int | None = None,
    *,
    force: bool = False,
    overlapping: bool = False,
) -> dict[Path, Counter[str] | None]:
    """Count archives of one source that are not counted yet; lines by outcome per file.

    There are none of a file that was counted before, and None of one without content. Order and
    repetition do not matter: content decides what was counted. Searches that are unknown but have
    the times of counted ones, as in a masked copy, are left out and told like a damaged archive,
    unless the files are said to be ``overlapping``: other lines of the same time. It commits
    after ``commit_every_bytes`` (default `checkpoint.bytes`). Each file is judged by itself: of
    a damaged archive the whole lines before the damage are counted, and Incomplete tells of all
    such files when the others are counted. SourceError comes, before anything is counted, where
    none of the files has a search near its front, unless they are to be counted ``force``: what
    was counted is not read again. StateError when the database cannot be written; the engine is
    then only good to be closed. What ``on_progress`` raises comes out as it is; what was counted
    before stays.
    """
    stream = _stream(engine, source)
    engine.deduplicator.withholds = not overlapping
    files = list(dict.fromkeys(files))
    fronts: dict[Path, _ArchiveProbe] = {}
    troubles: dict[Path, SourceError] = {}
    for path in files:
        try:
            fronts[path] = _probe(stream, path)
        except SourceError as error:
            troubles[path] = error
    if not force:
        _reject_wrong_format(stream, fronts.values())
    lines: dict[Path, Counter[str] | None] = {path: None for path in fronts if fronts[path].empty}
    filled = [path for path in fronts if path not in lines]
    filled.sort(key=lambda path: (fronts[path].time, age_order(path.name)))
    for path, counted in _count_all(engine, stream, filled, clock, on_progress, commit_every_bytes):
        lines[path] = counted.lines
        if counted.trouble is not None:
            is_over = counted.newest and week_of(counted.newest) < min(
                engine.destroyer.key_weeks, default=0
            )
            troubles[path] = damaged_and_over(counted.trouble) if is_over else counted.trouble
    if troubles:
        raise Incomplete(lines, troubles)
    return lines


@dataclass(frozen=True, slots=True)
class _Counted:
    """Lines of one file by outcome, and what kept it from being read to its end."""

    lines: Counter[str]
    trouble: SourceError | None = None
    newest: int | None = None
    """Event time of the newest search up to its end, ms UTC; of a file that is not whole."""


def _count_all(
    engine: Engine,
    stream: FollowedSource,
    files: Sequence[Path],
    clock: Callable[[], int],
    report: Callable[[Progress], None],
    step: int | None,
) -> list[tuple[Path, _Counted]]:
    """Count files in this order, as one archive of the stream."""
    archive = BackfillSession(engine, stream)
    stream.follower.read_bytes = ARCHIVE_READ_BYTES * stream.reader.relative_line_length
    try:
        counted = [
            (path, _count(engine, archive, stream, path, clock, report, step)) for path in files
        ]
    except StateError:
        archive.discard_uncommitted()
        raise  # What cannot be stored cannot be closed either.
    except BaseException:
        with _translate_database_errors(engine):
            archive.discard_uncommitted()
            archive.finish(clock())
        raise
    finally:
        stream.follower.read_bytes = READ_BYTES
    with _translate_database_errors(engine):
        archive.finish(clock())
    return counted


@contextmanager
def _translate_database_errors(engine: Engine) -> Iterator[None]:
    """Say what is wrong with the database where it cannot be written."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise database_opening.commit_error(engine.store.path, error) from None


def _stream(engine: Engine, name: str | None) -> FollowedSource:
    streams = {stream.source.name: stream for stream in engine.streams}
    if name is None:
        return engine.streams[0]
    if name not in streams:
        raise UsageError(
            f"there is no source `{name}`", f"use one of: {', '.join(sorted(streams))}"
        )
    return streams[name]


@contextmanager
def _translate_source_errors(path: Path) -> Iterator[None]:
    """Say which archive cannot be read."""
    try:
        yield
    except OSError as error:
        remedy = "name finished log files"
        if "*" in path.name and isinstance(error, FileNotFoundError):
            remedy += "; no name matches: where nothing is rotated yet there is nothing to count"
        raise SourceError(f"{path}: {error.strerror}", remedy) from None
    except SourceError as error:
        raise SourceError(error.problem, "name finished log files") from None


@dataclass(frozen=True, slots=True)
class _ArchiveProbe:
    """The first lines of an archive: how many, any search?"""

    time: int = 0
    """Of the first query, ms UTC; where its hour comes twice, in autumn, when the first begins:
    the names of the files tell which is which."""
    lines: int = 0
    has_search: bool = False
    empty: bool = False
    """It has no content at all."""


def _probe(stream: FollowedSource, path: Path) -> _ArchiveProbe:
    """A look at it, so that weeks close in order and a mistaken format is found in time.

    SourceError for what cannot be read as a log at all.
    """
    with _translate_source_errors(path), contextlib.closing(open_file(path)) as file:
        content = file.read_sound(0, PROBE_BYTES)
        damaged = not content and not _is_whole(file)
    refused = refusal(content[:KIND_BYTES])
    if refused is not None:
        raise SourceError(f"{path} is {refused.kind}", refused.remedy)
    parsed = stream.reader.read(content)
    queries = len(parsed.time)
    first = int(parsed.time[0]) if queries else 0
    if queries and parsed.time[0] != parsed.alternative[0]:
        first = floor_to(first, HOUR)
    lines, searches = queries + parsed.outcomes.total(), queries + parsed.outcomes["keywordless"]
    return _ArchiveProbe(first, lines, searches > 0, not content and not damaged)


def _is_whole(file: File) -> bool:
    try:
        file.read(0, 1)
    except DamagedArchiveError:
        return False
    return True


def _reject_wrong_format(stream: FollowedSource, fronts: Collection[_ArchiveProbe]) -> None:
    lines = sum(front.lines for front in fronts)
    if lines >= MIN_PROBE_LINES and not any(front.has_search for front in fronts):
        raise SourceError(
            f"none of the first {lines:,} lines is a search in the format of source"
            f" {stream.source.name} ({stream.source.format})",
            "try `donkeywatch check` on a file and correct the settings; nothing was counted."
            " If it is right, add --force",
        )


def _count(
    engine: Engine,
    archive: BackfillSession,
    stream: FollowedSource,
    path: Path,
    clock: Callable[[], int],
    report: Callable[[Progress], None],
    step: int | None,
) -> _Counted:
    follower = stream.follower
    limit = engine.settings.checkpoint.bytes if step is None else step
    before, left_before, pending = Counter(stream.outcomes), Counter(stream.left_out), 0
    stream.unknowable.clear()
    try:
        with _translate_database_errors(engine), _translate_source_errors(path):
            total = path.stat().st_size
            generation = follower.open_archive(path, 0)
    except DamagedArchiveError:
        return _Counted(Counter(), damaged(path, 0))
    except SourceError as error:
        return _Counted(Counter(), error)
    if generation is None:
        report(Progress(path, 0, total, 0, counted_before=True))
        return _Counted(Counter())
    while (block := follower.read(0)) is not None:
        pending += block.consumed
        with _translate_database_errors(engine):
            engine.ingest_block(stream, block, clock())
            if pending >= limit:
                archive.commit(clock())
                pending = 0
        lines, left_out = stream.outcomes - before, stream.left_out - left_before
        report(
            Progress(
                path, _bytes_read(generation), total, lines.total(),
                known=left_out["counted_before"],
            )
        )  # fmt: skip
    read_to_end = generation.file is not None and follower.error is None
    ignored = generation.file.ignored if isinstance(generation.file, CompressedFile) else 0
    with _translate_database_errors(engine):
        engine.drain(clock())
        archive.commit(clock())
    follower.close()
    lines, left_out = stream.outcomes - before, stream.left_out - left_before
    known, unknowable = left_out["counted_before"], left_out["destroyed_week"]
    report(Progress(path, total, total, lines.total(), ignored, known, unknowable, finished=True))
    if withheld := left_out["withheld"]:
        return _Counted(lines, masked(path, withheld))
    if not read_to_end:
        newest = stream.backfill_frontier.max_time if stream.backfill_frontier else None
        return _Counted(lines, damaged(path, lines.total(), follower.last_read_error), newest)
    if missing := engine.store.missing_queries(stream.unknowable):
        return _Counted(lines, never_counted(path, missing, unknowable))
    return _Counted(lines)


def _bytes_read(generation: Generation) -> int:
    file = generation.file
    return (
        file.compressed_position()
        if isinstance(file, CompressedFile)
        else generation.fingerprint.offset
    )
