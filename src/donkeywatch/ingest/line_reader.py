"""Parses and classifies a log line by line: the reference that the block reader must equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import CategoryCodes, Times
from donkeywatch.counting.sorting import take_items
from donkeywatch.ingest.address_mac import AddressColumn
from donkeywatch.ingest.addresses import parse_address
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.line_format import MALFORMED, OTHER, LineFormat
from donkeywatch.ingest.query_syntax import MalformedTreeError, searched_text
from donkeywatch.ingest.timestamps import TimestampParser
from donkeywatch.settings.schema import Syntax
from donkeywatch.sources.wrappers import Wrapper, bare, longest_line, unwrap

KEYWORDLESS, TOO_LONG = "keywordless", "too_long"


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """One countable search: when, from where, and which category of each topic matched."""

    time: int
    fold_time: int
    address: bytes
    codes: tuple[int, ...]


class Search(NamedTuple):
    """One line that is a search, unless there is no word in its text: not compared yet."""

    time: int
    fold_time: int
    address: bytes
    text: str


@dataclass(frozen=True, slots=True)
class QueryColumns:
    """Countable searches by column, in the order of the log; never crosses the privacy boundary.

    ``alternative`` is the second reading of a stamp in a repeated DST hour. ``outcomes`` counts
    the lines that are no countable search, by outcome.
    """

    time: Times
    alternative: Times
    address: AddressColumn
    codes: CategoryCodes
    outcomes: Counter[str]

    def filter(self, keep: npt.NDArray[np.bool_]) -> QueryColumns:
        """The searches that ``keep`` is true for, and the whole tally."""
        places = np.flatnonzero(keep)
        time, alternative = take_items(self.time, places), take_items(self.alternative, places)
        address = self.address.take(places, axis=0, mode="clip")
        return QueryColumns(
            time, alternative, address, take_items(self.codes, places), self.outcomes
        )


@dataclass(frozen=True, slots=True)
class LineReader:
    """The specification: what one line of one source means."""

    format: LineFormat
    clock: TimestampParser
    syntax: Syntax
    encoding: str
    max_line_bytes: int
    detector: Detector
    wrapper: Wrapper | None = None
    """What is taken off the lines of a file first, by `records`."""
    own_stamps: bool = True
    """Otherwise a search was made when the wrapper says."""

    def read(self, line: bytes, logged: bytes = b"") -> ParsedQuery | str:
        """Give a parsed query, or the outcome of a line that is none; ``line`` has no line feed.

        ``logged`` is the stamp of the wrapper.
        """
        search = self.read_search(line, logged)
        if isinstance(search, str):
            return search
        codes = self.detector.classify_text(search.text)
        if codes is None:
            return KEYWORDLESS
        return ParsedQuery(search.time, search.fold_time, search.address, codes)

    def read_search(self, line: bytes, logged: bytes = b"") -> Search | str:
        """Give what was searched for, or the outcome of a line that is no search; as `read`."""
        line = line.lstrip(b"\0")
        if len(line) > self.max_line_bytes:
            return TOO_LONG
        search = self.format.read(bare(line))
        if isinstance(search, str):
            return search
        try:
            text = searched_text(search.query, self.syntax, self.encoding)
        except MalformedTreeError:
            return MALFORMED
        timestamp = self.clock.read(search.stamp if self.own_stamps else logged)
        if isinstance(timestamp, str):
            return timestamp
        address = parse_address(search.address)
        if address is None:
            return "bad_address"
        return Search(timestamp.time, timestamp.fold_time, address, text)

    def text_of_query(self, query: bytes) -> str | None:
        """Give the text that was searched for; None where it is a malformed tree."""
        try:
            return searched_text(query, self.syntax, self.encoding)
        except MalformedTreeError:
            return None

    def records(
        self, lines: Iterable[tuple[int, bytes]]
    ) -> Iterator[tuple[int, ParsedQuery | str]]:
        """Give what the lines of a file mean, each with where it begins; pieces are joined.

        A line whose last piece does not follow is one as it is.
        """
        if self.wrapper is None:
            yield from ((at, self.read(line)) for at, line in lines)
            return
        longest, opened = longest_line(self.max_line_bytes), dict[bytes, _Opened]()
        for at, line in lines:
            piece = unwrap(self.wrapper, line) if len(line) <= longest else None
            if piece is None:
                outcome = MALFORMED if line.strip(b"\0\r ") else OTHER
                yield at, outcome if len(line) <= longest else TOO_LONG
                continue
            record = opened.setdefault(piece.stream, _Opened(at, piece.stamp))
            record.parts.append(piece.text)
            if piece.ends:
                del opened[piece.stream]
                yield record.at, self.read(b"".join(record.parts), record.stamp)
        for record in opened.values():
            yield record.at, self.read(b"".join(record.parts), record.stamp)

    def read_lines(self, block: bytes) -> QueryColumns:
        """Read whole lines one by one, each with its line feed but perhaps the last."""
        return _as_columns(self.results(block), len(self.detector.topics))

    def lines_of_searches(self, block: bytes) -> list[bytes]:
        """Give the lines of whole lines that are searches, in their order."""
        lines = block.split(b"\n")
        return [
            lines[at]
            for at, result in self.records(enumerate(lines))
            if isinstance(result, ParsedQuery)
        ]

    def results(self, block: bytes) -> list[ParsedQuery | str]:
        """Read whole lines one by one: a parsed query, or the outcome of a line that is none."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return [result for _, result in self.records(enumerate(lines))]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A line of the server of which not all pieces were read, and when the first one was logged."""

    at: int
    stamp: bytes
    parts: list[bytes] = field(default_factory=list)


def _as_columns(results: Sequence[ParsedQuery | str], topics: int) -> QueryColumns:
    queries = [result for result in results if isinstance(result, ParsedQuery)]
    codes = np.array([query.codes for query in queries], np.uint8).reshape(len(queries), topics)
    return QueryColumns(
        np.array([query.time for query in queries], np.int64),
        np.array([query.fold_time for query in queries], np.int64),
        np.frombuffer(b"".join(query.address for query in queries), np.uint8).reshape(-1, 16),
        np.ascontiguousarray(codes.T),
        Counter(result for result in results if isinstance(result, str)),
    )
