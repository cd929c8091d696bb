"""Blocks of lines to countable searches, by columns; equal to the line reader, line by line."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from donkeywatch.counting.observations import Codes
from donkeywatch.ingest.columns import (
    MASKS,
    PAD,
    Block,
    Bytes,
    Mask,
    Offsets,
    padded,
    places,
    spans,
    stamps,
)
from donkeywatch.ingest.folding import FEED, SPACE, FoldTable, code_points, text_of
from donkeywatch.ingest.formats.line import OTHER
from donkeywatch.ingest.layouts import columns_of
from donkeywatch.ingest.layouts.layout import Layout
from donkeywatch.ingest.links import SURE, perhaps_link
from donkeywatch.ingest.quads import quads
from donkeywatch.ingest.searches import LINK
from donkeywatch.ingest.sieve import LETTER
from donkeywatch.ingest.sightings import LineReader, Sightings
from donkeywatch.ingest.text import decoded

FEW = 30
"""Below this many lines in its front the line reader is faster than the columns."""
FRONT = 1 << 14
"""Bytes in which they are counted."""
FOLDS = FoldTable()
"""What has been looked up is the same for every source."""


class BlockReader:
    """Reads blocks of one source."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader
        columnar = reader.clock.layout is None and reader.wrapper is None
        self._columns = columns_of(reader.format, reader.syntax) if columnar else None

    @property
    def length(self) -> int:
        """Of a line, in those of the shortest format: a block of as many lines is so much more."""
        return self._columns.length if self._columns is not None else 1

    def block(self, raw: bytes | memoryview) -> Sightings:
        """Read whole lines, each with its line feed but perhaps the last."""
        return self.lying(padded(raw))

    def has_columns(self, raw: bytes | memoryview) -> bool:
        """Are lines that are written like these read by columns, where there are enough?"""
        return self._columns is not None and self._columns.fitted(Block(padded(raw))) is not None

    def lying(self, data: Bytes) -> Sightings:
        """Read them where they lie, with PAD zeros behind them."""
        if self._columns is not None and np.count_nonzero(data[:FRONT] == FEED) >= FEW:
            block = Block(data)
            layout = self._columns.fitted(block)
            if layout is not None:
                return _Reading(self.reader, layout, block).sightings()
        return self.reader.lines(data[: len(data) - PAD].tobytes())


class _Found(NamedTuple):
    """Words of the lexicon: in which line each stands, and its number."""

    line: Offsets
    word: Offsets


class _Reading:
    """One block on its way through the columns."""

    def __init__(self, reader: LineReader, layout: Layout, block: Block) -> None:
        self._reader, self._layout, self._block = reader, layout, block
        begin = np.minimum(block.start + layout.before, block.end)
        self.time, self.alternative, good = stamps(block, begin, layout.shape, reader.clock.read)
        at, fine = layout.addresses(block)
        good &= fine & (block.end - block.start <= reader.limit)
        self.address, end, fine = quads(block, at, layout.closing)
        self._searches = layout.queries(block, end, good & fine)

    def sightings(self) -> Sightings:
        """The countable searches of the block."""
        found, fields = self._searches, self._searches.fields
        wide, front = fields.wide(), fields.data[found.text]
        told = found.plain & SURE[front]
        unsure = np.flatnonzero(found.plain & (~told | wide))
        told[unsure] = ~perhaps_link(fields, found.text[unsure])
        odd = unsure[~(wide | LETTER[front])[unsure]]
        told[odd] &= self._wordy(odd)
        hits = self._narrow_hits(wide)
        several = np.flatnonzero(wide & found.plain)
        lettered, more = self._wide(several)
        told[several] &= lettered
        codes = self._decide(_Found(*map(np.concatenate, zip(hits, more, strict=True))), told)
        return self._completed(np.flatnonzero(found.good & ~told), codes)

    def _wordy(self, lines: Offsets) -> Mask:
        """Which ASCII lines have a letter near the front of their text."""
        start, end = self._searches.text[lines], self._searches.text_end[lines]
        eight = self._searches.fields.words[start] & MASKS[np.clip(end - start, 0, 8)]
        letters: Mask = LETTER[eight.view(np.uint8).reshape(-1, 8)].any(axis=1)
        return letters

    def _narrow_hits(self, wide: Mask) -> _Found:
        """Words of the lexicon in the queries of ASCII lines, by line."""
        found, fields, detector = self._searches, self._searches.fields, self._reader.detector
        end, word = detector.sieve.hits(fields.data)
        line = fields.lines_at(end - 1)
        inside = (end > found.text[line]) & (end <= found.text_end[line]) & ~wide[line]
        line, end = line[inside], end[inside]
        return _Found(line, detector.apart(fields.data, found.text[line], end, word[inside]))

    def _decide(self, words: _Found, told: Mask) -> Codes:
        """The codes that the words found amount to; where they cannot tell, it is not told."""
        codes = np.zeros((len(self._reader.detector.topics), len(self._block)), np.uint8)
        kept = np.flatnonzero(told[words.line])
        kept = kept[np.argsort(words.line[kept], kind="stable")]
        lines, found, sure = self._reader.detector.told(words.line[kept], words.word[kept])
        told[lines] = sure
        codes[:, lines] = found
        return codes

    def _wide(self, lines: Offsets) -> tuple[Mask, _Found]:
        """Of lines beyond ASCII: which have a word, and words of the lexicon."""
        texts = self._texts(lines) if len(lines) else None
        if texts is None:
            return np.zeros(len(lines), bool), _Found(lines[:0], lines[:0])
        codes = FOLDS.folded(code_points(texts))
        feeds = places(codes == FEED)
        lettered = np.maximum.reduceat(codes, np.concatenate(([0], feeds[:-1]))) > SPACE
        folded = np.frombuffer(text_of(codes).encode("utf-8", "surrogatepass"), np.uint8)
        ends = places(folded == FEED)
        end, word = self._reader.detector.sieve.hits(folded)
        own = np.searchsorted(ends, end)
        text = np.concatenate(([0], ends + 1))[own]
        return lettered, _Found(lines[own], self._reader.detector.apart(folded, text, end, word))

    def _texts(self, lines: Offsets) -> str | None:
        """The texts of some lines, between spaces and ended by line feeds.

        None where that is not UTF-8 and the texts of one tree may be in several encodings, or what
        operators are made of may stand in it.
        """
        begin, end = self._searches.text[lines], self._searches.text_end[lines]
        data, at = spans(self._searches.fields.data, begin - 1, end + 1)
        data[at] = SPACE
        data[at + (end - begin) + 1] = FEED
        raw = data.tobytes()
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            if self._layout.syntax != "plain":
                return None
            return "\n".join([self._text(part) for part in raw.split(b"\n")])

    def _text(self, raw: bytes) -> str:
        """One text, or nothing where only its decoded form shows that it is none to be read here.

        In some encodings bytes beyond ASCII stand for the letters or the marks of a link.
        """
        text = decoded(raw, self._reader.encoding)
        return "" if LINK.match(text) or "\n" in text else text

    def _completed(self, doubtful: Offsets, codes: Codes) -> Sightings:
        """The exact functions decide on words that are doubtful, and on lines that are odd."""
        found, tally = self._searches, Counter[str]()
        kept = found.good.copy()
        asked = np.stack((doubtful, found.start[doubtful], found.end[doubtful]), axis=1)
        for i, start, end in asked.tolist():
            told = self._reader.codes(self._block.text(start, end))
            if isinstance(told, str):
                tally[told] += 1
                kept[i] = False
            else:
                codes[:, i] = told
        for i in self._odd(tally).tolist():
            result = self._reader.read(self._block.line(i))
            if isinstance(result, str):
                tally[result] += 1
                continue
            kept[i] = True
            self.time[i], self.alternative[i] = result.time, result.alternative
            self.address[i] = np.frombuffer(result.address, np.uint8)
            codes[:, i] = result.codes
        seen = Sightings(self.time, self.alternative, self.address, codes, +tally)
        return seen if kept.all() else seen.where(kept)

    def _odd(self, tally: Counter[str]) -> Offsets:
        """Lines for the line reader; those that are surely no search are counted here."""
        odd, none = ~self._searches.good, self._searches.none
        if none is not None:
            short = self._block.end - self._block.start <= self._reader.limit
            tally[OTHER] += int(np.count_nonzero(none & odd & short))
            odd &= ~(none & short)
        return np.flatnonzero(odd)
