"""Blocks of lines to countable searches, by columns; equal to the line reader, line by line."""

from __future__ import annotations

from collections import Counter

import numpy as np

from donkeywatch.arrival.columns import (
    MASKS,
    Block,
    Mask,
    Offsets,
    Shape,
    every_word,
    quads,
    spans,
    stamps,
    word,
)
from donkeywatch.arrival.folding import FEED, SPACE, FoldTable, code_points
from donkeywatch.arrival.formats.line import OTHER
from donkeywatch.arrival.layouts import Layout, layout_of
from donkeywatch.arrival.sightings import MARK, LineReader, Sightings
from donkeywatch.arrival.text import ASCII_FOLD, decoded

FEW = 30
"""Below this many lines the line reader is faster than the columns."""
STEPS = 8
"""Spaces, quotes and marks before a query that are skipped before it is looked at."""
_BLANK = word(b" " * 8)
_ODD = np.zeros(256, bool)
_ODD[list(b"\t\n\v\f\r \"'")] = True
"""Before these a search for relatives may stand, and before a byte order mark."""
_MARK = word(MARK)
_COLON = np.zeros(256, np.int64)
_COLON[list(b"rR")], _COLON[list(b"eE")] = len(b"related:") - 1, len(b"ed2k:") - 1
"""Where a colon stands in ``related::`` and ``ed2k::``, by their first letter."""
FOLDS = FoldTable()
"""What has been looked up is the same for every source."""


class BlockReader:
    """Reads blocks of one source."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader
        columnar = reader.clock.layout is None
        self._layout = layout_of(reader.format, reader.syntax) if columnar else None

    def block(self, raw: bytes) -> Sightings:
        """Read whole lines, each with its line feed but perhaps the last."""
        if self._layout is not None and raw.count(b"\n", 0, 1 << 14) >= FEW:
            block = Block(raw, self._layout.blank)
            shape = self._layout.shape(block)
            if shape is not None:
                return _Reading(self.reader, self._layout, block, shape).sightings()
        return self.reader.lines(raw)


class _Reading:
    """One block on its way through the columns."""

    def __init__(self, reader: LineReader, layout: Layout, block: Block, shape: Shape) -> None:
        self._reader, self._block = reader, block
        self.time, self.alternative, good = stamps(block, block.start, shape, reader.clock.read)
        at, fine = layout.addresses(block, shape)
        good &= fine & (block.end - block.start <= reader.limit)
        self.address, end, fine = quads(block, at, layout.closing)
        self._searches = layout.queries(block, end, good & fine)

    def sightings(self) -> Sightings:
        """The countable searches of the block."""
        wide = self._block.wide()
        wordy, hits = self._narrow()
        wordy[wide], suspects = self._wide(wide)
        told = self._searches.plain & wordy
        doubtful = ~told
        doubtful[hits] = doubtful[suspects] = True
        return self._completed(np.flatnonzero(doubtful & self._searches.good))

    def _narrow(self) -> tuple[Mask, Offsets]:
        """ASCII lines with a word near their front that are no link; those to be looked at."""
        block, start = self._block, self._searches.text
        folded = block.padded.translate(ASCII_FOLD)
        words = every_word(np.frombuffer(folded, np.uint8))
        size = np.clip(self._searches.text_end - start, 0, 8)
        wordy: Mask = (words[start] ^ _BLANK) & MASKS[size] != 0
        return wordy & ~self._perhaps_link(start), self._suspects(folded)

    def _suspects(self, folded: bytes) -> Offsets:
        """Lines in which a word of the lexicon may stand, if they are ASCII."""
        sieve = self._reader.detector.narrow
        if not sieve.short:
            return self._block.lines_at(sieve.hits(folded))
        text, start = spans(
            np.frombuffer(folded, np.uint8), self._searches.start - 1, self._searches.end + 1
        )
        found = sieve.hits(text.tobytes())
        return np.searchsorted(start, found, "right") - 1

    def _perhaps_link(self, start: Offsets) -> Mask:
        """Queries that the line reader may take for a link."""
        data, words = self._block.data, self._block.words
        start = start.copy()
        front = np.arange(len(start))
        for _ in range(STEPS):
            at = start[front]
            marked = words[at] & MASKS[3] == _MARK
            skipped = marked | _ODD[data[at]]
            front = front[skipped]
            if not len(front):
                break
            start[front] += np.where(marked[skipped], len(MARK), 1)
        colon = _COLON[data[start]]
        link: Mask = (colon > 0) & (data[start + colon] == ord(":"))
        link[front] = True
        return link

    def _wide(self, wide: Offsets) -> tuple[Mask, Offsets]:
        """Of the lines beyond ASCII those that have a word, and those a lexicon word may be in."""
        if not len(wide):
            return np.zeros(0, bool), wide
        found = self._searches
        cuts = [found.text[wide], found.text_end[wide]]
        if bool((cuts[-1] < found.end[wide]).any()):
            cuts.append(found.end[wide])
        # One text a line, or two: the first words of the query, and what follows them.
        each = len(cuts) - 1
        texts = self._texts(np.stack(cuts, axis=1))
        if texts is None:
            return np.zeros(len(wide), bool), wide
        codes = FOLDS.folded(code_points(texts))
        feeds = np.flatnonzero(codes == FEED)
        front = np.concatenate(([0], feeds[:-1]))
        lettered = np.maximum.reduceat(codes, front)[::each] > SPACE
        hits = np.searchsorted(feeds, self._reader.detector.hits(codes))
        link = self._perhaps_link(found.text[wide])
        return lettered & ~link, wide[np.unique(hits // each)]

    def _texts(self, cuts: Offsets) -> str | None:
        """The texts between the cuts of each line, between spaces and ended by line feeds.

        None where that is not UTF-8 and where what follows the first text may be in several
        encodings.
        """
        raw = self._block.raw
        begins, stops = cuts[:, :-1].ravel().tolist(), cuts[:, 1:].ravel().tolist()
        parts = [raw[begin:stop] for begin, stop in zip(begins, stops, strict=True)]
        try:
            return " " + b" \n ".join([*parts, b""]).decode("utf-8")
        except UnicodeDecodeError:
            if cuts.shape[1] > 2:
                return None
            encoding = self._reader.encoding
            return " " + " \n ".join([*(decoded(part, encoding) for part in parts), ""])

    def _completed(self, doubtful: Offsets) -> Sightings:
        """The exact functions decide on words that are doubtful, and on lines that are odd."""
        found, tally = self._searches, Counter[str]()
        kept = found.good.copy()
        codes = np.zeros((len(self._reader.detector.topics), len(self._block)), np.uint8)
        fields = np.stack((doubtful, found.start[doubtful], found.end[doubtful]), axis=1)
        for i, start, end in fields.tolist():
            told = self._reader.codes(self._block.raw[start:end])
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
