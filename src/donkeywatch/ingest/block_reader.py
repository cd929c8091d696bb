"""Blocks of lines to countable searches, by columns; equal to the line reader, line by line."""

from __future__ import annotations

from collections import Counter

import numpy as np

from donkeywatch.counting.observations import CategoryCodes
from donkeywatch.ingest.byte_columns import (
    MASKS,
    PADDING,
    Block,
    Bytes,
    Mask,
    Offsets,
    gather_spans,
    with_padding,
)
from donkeywatch.ingest.fold_table import FEED, SPACE
from donkeywatch.ingest.formats.line_format import MALFORMED, OTHER
from donkeywatch.ingest.ipv4_columns import parse_ipv4
from donkeywatch.ingest.layouts import columnar_format
from donkeywatch.ingest.layouts.layout import BlockLayout
from donkeywatch.ingest.line_reader import KEYWORDLESS, LineReader, QueryColumns
from donkeywatch.ingest.normalisation import decode
from donkeywatch.ingest.possible_links import NEVER_LINK, maybe_link
from donkeywatch.ingest.query_syntax import FILE_LINK
from donkeywatch.ingest.timestamp_columns import parse_timestamps
from donkeywatch.ingest.word_columns import WideLines, WordColumns
from donkeywatch.ingest.word_search import WORD_BYTE

MIN_COLUMNAR_LINES = 30
"""Below this many lines in its front the line reader is faster than the columns."""
PROBE_BYTES = 1 << 14
"""Bytes in which they are counted."""


class BlockReader:
    """Reads blocks of one source."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader
        columnar = reader.clock.strptime_format is None and reader.wrapper is None
        self._columns = columnar_format(reader.format, reader.syntax) if columnar else None

    @property
    def relative_line_length(self) -> int:
        """Line length relative to the shortest format; scales the bytes of a block."""
        return self._columns.relative_line_length if self._columns is not None else 1

    def read(self, raw: bytes | memoryview) -> QueryColumns:
        """Read whole lines, each with its line feed but perhaps the last."""
        return self.read_in_place(with_padding(raw))

    def has_columns(self, raw: bytes | memoryview) -> bool:
        """Tell whether a long enough block of lines like these is read by columns."""
        return self._columns is not None and self._columns.fit(Block(with_padding(raw))) is not None

    def read_in_place(self, data: Bytes) -> QueryColumns:
        """Read them where they lie, with PAD zeros behind them."""
        if (
            self._columns is not None
            and np.count_nonzero(data[:PROBE_BYTES] == FEED) >= MIN_COLUMNAR_LINES
        ):
            block = Block(data)
            layout = self._columns.fit(block)
            if layout is not None:
                return _ColumnarParse(self.reader, layout, block).queries()
        return self.reader.read_lines(data[: len(data) - PADDING].tobytes())


class _ColumnarParse:
    """One block on its way through the columns."""

    def __init__(self, reader: LineReader, layout: BlockLayout, block: Block) -> None:
        self._reader, self._layout, self._block = reader, layout, block
        begin = np.minimum(block.start + layout.stamp_offset, block.end)
        self.time, self.alternative, parsed = parse_timestamps(
            block, begin, layout.shape, reader.clock.read
        )
        at, well_formed = layout.addresses(block)
        parsed &= well_formed & (block.end - block.start <= reader.max_line_bytes)
        self.address, end, well_formed = parse_ipv4(block, at, layout.address_terminator)
        self._searches = layout.queries(block, end, parsed & well_formed)

    def queries(self) -> QueryColumns:
        """The countable searches of the block."""
        spans, fields = self._searches, self._searches.fields
        non_ascii, first_bytes = fields.non_ascii_lines(), fields.data[spans.text]
        decided = spans.decidable & NEVER_LINK[first_bytes]
        undecided = np.flatnonzero(spans.decidable & (~decided | non_ascii))
        decided[undecided] = ~maybe_link(fields, spans.text[undecided])
        maybe_wordless = undecided[~(non_ascii | WORD_BYTE[first_bytes])[undecided]]
        decided[maybe_wordless] &= self._has_early_word(maybe_wordless)
        non_ascii_lines = np.flatnonzero(non_ascii & spans.decidable)
        texts = self._texts(non_ascii_lines) if len(non_ascii_lines) else None
        wide = WideLines.of(non_ascii_lines, texts)
        decided[non_ascii_lines] &= wide.has_word
        codes = [
            WordColumns(detector, spans, non_ascii, wide).codes(decided)
            for detector in self._reader.detector.lists
        ]
        return self._finish_line_by_line(
            np.flatnonzero(spans.parsed & ~decided),
            codes[0] if len(codes) == 1 else np.concatenate(codes),
        )

    def _has_early_word(self, lines: Offsets) -> Mask:
        """Tell which ASCII lines have a letter near the front of their text."""
        start, end = self._searches.text[lines], self._searches.text_end[lines]
        eight = self._searches.fields.words[start] & MASKS[np.clip(end - start, 0, 8)]
        letters: Mask = WORD_BYTE[eight.view(np.uint8).reshape(-1, 8)].any(axis=1)
        return letters

    def _texts(self, lines: Offsets) -> str | None:
        """The texts of some lines, between spaces and ended by line feeds.

        None where that is not UTF-8 and the texts of one tree may be in several encodings, or what
        operators are made of may stand in it.
        """
        begin, end = self._searches.text[lines], self._searches.text_end[lines]
        data, at = gather_spans(self._searches.fields.data, begin - 1, end + 1)
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
        text = decode(raw, self._reader.encoding)
        return "" if FILE_LINK.match(text) or "\n" in text else text

    def _finish_line_by_line(
        self, undecided_queries: Offsets, codes: CategoryCodes
    ) -> QueryColumns:
        """The exact functions decide on words that are doubtful, and on lines that are odd."""
        spans, tally = self._searches, Counter[str]()
        kept = spans.parsed.copy()
        unfinished = np.stack(
            (undecided_queries, spans.start[undecided_queries], spans.end[undecided_queries]),
            axis=1,
        )
        texts: dict[int, str] = {}
        for i, start, end in unfinished.tolist():
            text = self._reader.text_of_query(self._block.text(start, end))
            if text is None:
                tally[MALFORMED] += 1
                kept[i] = False
            else:
                texts[i] = text
        for i in self._lines_for_python(tally).tolist():
            search = self._reader.read_search(self._block.line(i))
            if isinstance(search, str):
                tally[search] += 1
                continue
            kept[i] = True
            self.time[i], self.alternative[i] = search.time, search.fold_time
            self.address[i] = np.frombuffer(search.address, np.uint8)
            texts[i] = search.text
        all_codes = self._reader.detector.classify_texts(list(texts.values()))
        for i, codes_of_line in zip(texts, all_codes, strict=True):
            if codes_of_line is None:
                tally[KEYWORDLESS] += 1
                kept[i] = False
            else:
                codes[:, i] = codes_of_line
        queries = QueryColumns(self.time, self.alternative, self.address, codes, +tally)
        return queries if kept.all() else queries.filter(kept)

    def _lines_for_python(self, tally: Counter[str]) -> Offsets:
        """Lines for the line reader; those that are surely no search are counted here."""
        unparsed, none = ~self._searches.parsed, self._searches.not_a_search
        if none is not None:
            short = self._block.end - self._block.start <= self._reader.max_line_bytes
            tally[OTHER] += int(np.count_nonzero(none & unparsed & short))
            unparsed &= ~(none & short)
        return np.flatnonzero(unparsed)
