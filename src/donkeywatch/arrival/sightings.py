"""Lines to countable searches: one exact function of a line, and its columnar equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.arrival import columns
from donkeywatch.arrival.addresses import packed
from donkeywatch.arrival.clock import Clock
from donkeywatch.arrival.columns import Lines, Mask, Offsets
from donkeywatch.arrival.detector import Detector
from donkeywatch.arrival.formats.line import MALFORMED, Format
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.arrival.pseudonyms import Addresses
from donkeywatch.arrival.searches import Malformed, Syntax, words
from donkeywatch.arrival.text import ASCII_FOLD, decoded, spaced, tokens
from donkeywatch.counting.observations import Codes, Times

FEW = 30
"""Below this many lines the line reader is faster than the columns."""
MARK = b"\xef\xbb\xbf"
"""The byte order mark that editors put before the first line of a file."""
KEYWORDLESS, TOO_LONG = "keywordless", "too_long"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One countable search: when, from where, and which category of each topic matched."""

    time: int
    alternative: int
    address: bytes
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sightings:
    """Countable searches by column, in the order of the log; never leaves the sealed room.

    ``alternative`` is the second reading of a stamp in a repeated DST hour. ``tally`` counts
    the lines that are no countable search, by outcome.
    """

    time: Times
    alternative: Times
    address: Addresses
    codes: Codes
    tally: Counter[str]


@dataclass(frozen=True, slots=True)
class LineReader:
    """The specification: what one line of one source means."""

    format: Format
    clock: Clock
    syntax: Syntax
    encoding: str
    limit: int
    detector: Detector

    def read(self, line: bytes) -> Sighting | str:
        """A sighting, or the outcome of a line that is none; ``line`` has no line feed."""
        line = line.lstrip(b"\0")
        if len(line) > self.limit:
            return TOO_LONG
        search = self.format.read(line.removesuffix(b"\r").removeprefix(MARK))
        if isinstance(search, str):
            return search
        try:
            text = words(search.query, self.syntax, self.encoding)
        except Malformed:
            return MALFORMED
        moment = self.clock.read(search.stamp)
        if isinstance(moment, str):
            return moment
        address = packed(search.address)
        if address is None:
            return "bad_address"
        query = tokens(text)
        if not query:
            return KEYWORDLESS
        return Sighting(moment.time, moment.alternative, address, self.detector.codes(query))

    def block(self, block: bytes) -> Sightings:
        """Read whole lines, each with its line feed but perhaps the last."""
        columnar = isinstance(self.format, Tsv) and self.syntax == "plain"
        if columnar and self.clock.layout is None and block.count(b"\n") >= FEW:
            return _Columns(self, block).sightings()
        found = block.split(b"\n")
        if not found[-1]:
            found.pop()
        return _collected([self.read(line) for line in found], len(self.detector.topics))


def _collected(results: Sequence[Sighting | str], topics: int) -> Sightings:
    seen = [result for result in results if isinstance(result, Sighting)]
    codes = np.array([one.codes for one in seen], np.uint8).reshape(len(seen), topics)
    return Sightings(
        np.array([one.time for one in seen], np.int64),
        np.array([one.alternative for one in seen], np.int64),
        np.frombuffer(b"".join(one.address for one in seen), np.uint8).reshape(-1, 16),
        np.ascontiguousarray(codes.T),
        Counter(result for result in results if isinstance(result, str)),
    )


class _Columns:
    """A block of the format ``tsv`` by columns; equal to the line reader, line by line."""

    def __init__(self, reader: LineReader, block: bytes) -> None:
        self._reader = reader
        self._block = block
        self._lines: Lines = columns.lines(block)
        self._count = len(self._lines.start)

    def sightings(self) -> Sightings:
        data, start, end = self._lines.data, self._lines.start, self._lines.end
        tab, second, regular = self._fields()
        regular &= end - start <= self._reader.limit
        time, good = columns.stamps(data, start)
        regular &= good & (tab - start == len(columns.STAMP))
        address, good = columns.quads(data, tab + 1, second)
        regular &= good & self._wordy(data[second + 1], second + 1)
        codes = np.zeros((len(self._reader.detector.topics), self._count), np.uint8)
        alternative = time.copy()
        for i in self._suspects(regular, second):
            result = self._read(i)
            if isinstance(result, Sighting):
                codes[:, i] = result.codes
        kept, tally = regular.copy(), Counter[str]()
        for i in np.flatnonzero(~regular).tolist():
            result = self._read(i)
            if isinstance(result, str):
                tally[result] += 1
                continue
            kept[i] = True
            time[i], alternative[i] = result.time, result.alternative
            address[i] = np.frombuffer(result.address, np.uint8)
            codes[:, i] = result.codes
        return Sightings(time[kept], alternative[kept], address[kept], codes[:, kept], tally)

    def _read(self, i: int) -> Sighting | str:
        line = self._block[int(self._lines.start[i]) : int(self._lines.end[i])]
        return self._reader.read(line)

    def _fields(self) -> tuple[Offsets, Offsets, Mask]:
        """First and second tab of each line, and which lines have both."""
        data, start, end = self._lines.data, self._lines.start, self._lines.end
        tabs = np.flatnonzero(data == columns.TAB)
        if not len(tabs):
            return start, start, np.zeros(self._count, bool)
        index = np.searchsorted(tabs, start)
        tab = tabs[np.minimum(index, len(tabs) - 1)]
        second = tabs[np.minimum(index + 1, len(tabs) - 1)]
        # Fields that are not there are clipped, so that no column reads outside the block.
        regular = (index + 1 < len(tabs)) & (second < end)
        return np.where(regular, tab, start), np.where(regular, second, start), regular

    def _wordy(self, first: npt.NDArray[np.uint8], at: Offsets) -> Mask:
        """Queries that surely have a word: they begin with one and are no ``related::`` link."""
        letter = np.frombuffer(ASCII_FOLD, np.uint8)[first]
        colon = ord(":")
        link = self._lines.data[at + np.where(letter == ord("r"), 7, 4)] == colon
        wordy: Mask = (letter != ord(" ")) & ~(link & np.isin(letter, (ord("r"), ord("e"))))
        return wordy

    def _suspects(self, regular: Mask, second: Offsets) -> list[int]:
        """Regular lines in which a word of the lexicon may stand; none is left out."""
        hits = self._reader.detector.hits(self._block.translate(ASCII_FOLD).decode("ascii") + " ")
        found = np.unique(self._line_of(np.array(hits, np.int64)))
        wide = np.unique(self._line_of(np.flatnonzero(self._lines.data >= 0x80)))
        wide = wide[regular[wide]]
        return sorted({*found[regular[found]].tolist(), *self._wide_suspects(wide, second)})

    def _line_of(self, position: Offsets) -> Offsets:
        return np.searchsorted(self._lines.start, position, "right") - 1

    def _wide_suspects(self, wide: Offsets, second: Offsets) -> list[int]:
        """Lines with other than ASCII bytes are decoded one by one and folded together."""
        ends = self._lines.end[wide].tolist()
        starts = (second[wide] + 1).tolist()
        texts = [
            decoded(self._block[first:last], self._reader.encoding)
            for first, last in zip(starts, ends, strict=True)
        ]
        together = spaced(" " + " \n ".join(texts) + " ")
        hits = self._reader.detector.hits(together)
        if not hits:
            return []
        codes = np.frombuffer(together.encode("utf-32-le", "replace"), "<u4")
        feeds = np.flatnonzero(codes == columns.FEED)
        return wide[np.unique(np.searchsorted(feeds, hits))].tolist()  # type: ignore[no-any-return]
