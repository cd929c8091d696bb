"""``donkeywatch check``: is everything in place, and does the format fit the log?"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from donkeywatch.counting.calendar import utc
from donkeywatch.counting.observations import OUTCOMES, REJECTIONS
from donkeywatch.errors import AddressUnavailable, DonkeywatchError, SourceError, StateError
from donkeywatch.evaluation import validation_record
from donkeywatch.ingest import keyring, lexicon
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon import Lexicon
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.publish.http import status_client
from donkeywatch.publish.http.listen_sockets import bind, load_tls
from donkeywatch.runtime.clock_jumps import wall_ms
from donkeywatch.runtime.source_pipeline import line_reader
from donkeywatch.settings.schema import Http, Settings, Source, WrapperName
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.files import DamagedArchiveError, open_file
from donkeywatch.sources.line_blocks import READ_BYTES, split_lines
from donkeywatch.sources.wrappers import SPLIT_LINE, WRAPPERS, longest_line, unwrap
from donkeywatch.store import backups

MAX_LISTED_REJECTIONS = 10
"""Rejected lines whose place is told."""


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

    def by_outcome(self) -> list[tuple[str, int]]:
        """Outcomes that occur, in their usual order."""
        return [(name, self.outcomes[name]) for name in OUTCOMES if self.outcomes[name]]


def sample(path: Path, reader: LineReader, latest: int) -> Sample:
    """Read a whole sample file line by line; SourceError when it cannot be read.

    A search after ``latest`` (ms UTC) is from the future. Whether one comes too late depends on
    what else is counted, and is not told.
    """
    measured, begin = Sample(), time.perf_counter()
    topics = [topic.id for topic in reader.detector.topics]
    limit = longest_line(reader.max_line_bytes) if reader.wrapper else reader.max_line_bytes
    for offset, result in reader.records(_lines(path, limit)):
        if isinstance(result, ParsedQuery) and result.time > latest:
            result = "future"
        outcome = "query" if isinstance(result, ParsedQuery) else result
        measured.lines += 1
        measured.outcomes[outcome] += 1
        if isinstance(result, ParsedQuery):
            measured.flagged.update(t for t, code in zip(topics, result.codes, strict=True) if code)
        elif outcome in REJECTIONS and len(measured.rejected) < MAX_LISTED_REJECTIONS:
            measured.rejected.append((offset, outcome))
    measured.seconds = time.perf_counter() - begin
    return measured


def wrapped(path: Path, reader: LineReader, latest: int) -> tuple[WrapperName, Sample] | None:
    """The wrapper whose inner lines are searches, and what is read so; None where there is none."""
    first = [line for _, line in itertools.islice(_lines(path, SPLIT_LINE), MAX_LISTED_REJECTIONS)]
    for name, wrapper in WRAPPERS.items():
        if all(unwrap(wrapper, line) for line in first):
            measured = sample(path, dataclasses.replace(reader, wrapper=wrapper), latest)
            if measured.searches:
                return name, measured
    return None


def has_columns(path: Path, reader: LineReader) -> bool:
    """Are lines like the first ones of a sample read by columns, as fast as can be?"""
    with contextlib.closing(open_file(path)) as file:
        front = file.read_sound(0, READ_BYTES)
    return BlockReader(reader).has_columns(front[: front.rfind(b"\n") + 1])


def _lines(path: Path, limit: int) -> Iterator[tuple[int, bytes]]:
    """Lines with the offsets they start at; an over-long one as its first bytes."""
    try:
        file = open_file(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", "name a readable log file") from None
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


def run_checks(settings: Settings) -> Iterator[tuple[str, DonkeywatchError | None]]:
    """Each thing the daemon needs, and what is wrong with it, if anything."""
    yield _check("lexicon", lambda: lexicon.load(settings.lexicon))
    if settings.countries is not None:
        yield _check("countries", lambda: CountryLookup(settings.countries))
    if settings.correction.record is not None:
        yield _check(
            "correction record", lambda: validation_record.load(settings.correction.record)
        )
    yield _check("state directory", lambda: _check_writable(settings.state))
    yield _check("backup directory", lambda: _check_writable(settings.state / backups.DIRECTORY))
    yield _check("key directory", lambda: _check_key_directory(settings.key_directory))
    yield _check("web server", lambda: _bindable(settings.http))
    for source in settings.source:
        nearest_existing = "" if os.path.lexists(source.path) else " (not there yet)"
        yield _check(
            f"source {source.name}{nearest_existing}", lambda source=source: _check_source(source)
        )


def notices(settings: Settings) -> tuple[str, ...]:
    """Give what has to be done before it is too late, though nothing is wrong yet."""
    try:
        return lexicon.load(settings.lexicon).notices(utc(wall_ms()))
    except DonkeywatchError:
        return ()  # It is told among the problems.


def _check(name: str, check: object) -> tuple[str, DonkeywatchError | None]:
    try:
        check()  # type: ignore[operator]
    except DonkeywatchError as error:
        return name, error
    except OSError as error:  # A path that the system does not take, say.
        return name, StateError(f"{name}: {error.strerror}", "correct its path in the settings")
    return name, None


def _check_writable(directory: Path) -> None:
    """Can files be made in a directory, or itself be made? Nothing is: `check` may be root's."""
    there = next(path for path in (directory, *directory.parents) if os.path.exists(path))  # noqa: PTH110 - it raises nothing
    if not there.is_dir():
        raise StateError(f"{there} is not a directory", "name a directory, or move that file away")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StateError(
            f"{there}: not writable by this user",
            f"make {directory} and give it to the user donkeywatch runs as",
        )


def _check_key_directory(directory: Path) -> None:
    _check_writable(directory)
    if directory.exists():
        keyring.ensure_directory(directory)


def _bindable(http: Http) -> None:
    """Can the TLS files be loaded, and the address be taken, or is it ours already?"""
    load_tls(http)
    try:
        bind(http).close()
    except AddressUnavailable:
        if status_client.health(http) is None:
            raise


def _check_source(source: Source) -> None:
    path = source.path
    if not path.parent.is_dir():
        raise SourceError(f"{path.parent}: no such directory", "create it or correct `path`")
    if not os.access(path.parent, os.R_OK | os.X_OK):
        raise SourceError(
            f"{path.parent}: not readable", "add the user of donkeywatch to the log's group"
        )
    if not path.exists():
        return
    try:
        open_file(path).close()
    except OSError as error:
        raise SourceError(
            f"{path}: {error.strerror}", "add the user of donkeywatch to the log's group"
        ) from None


def reader_without_lexicon(source: Source) -> LineReader:
    """A reader for a look at a log without a lexicon: nothing is ever flagged."""
    rule = {"id": "never", "all": ["nothing"]}
    topic = {"groups": {"nothing": ()}, "categories": [rule]}
    empty = Lexicon.model_validate({"topics": {"none": topic}})
    return line_reader(source, Detector(empty))
