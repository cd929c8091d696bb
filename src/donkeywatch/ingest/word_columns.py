"""The codes of the queries of a block by one word list, by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.counting.observations import CategoryCodes
from donkeywatch.ingest.byte_columns import Bytes, Mask, Offsets, indices_of
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.extended.candidate_search import AsciiTexts, LineWords, WideTexts
from donkeywatch.ingest.fold_table import FEED, SPACE, FoldTable, code_points, to_text
from donkeywatch.ingest.layouts.layout import QuerySpans

FOLD_TABLE = FoldTable()
"""What has been looked up is the same for every source and every list."""


@dataclass(frozen=True, slots=True)
class WideLines:
    """The texts of lines beyond ASCII, folded; each ends with a line feed in ``folded``.

    ``texts`` is None, and nothing has a word, where they are not to be read together.
    """

    lines: Offsets
    texts: str | None
    folded: Bytes
    has_word: Mask

    @classmethod
    def of(cls, lines: Offsets, texts: str | None) -> WideLines:
        """Fold the texts of some lines, between spaces and ended by line feeds."""
        if texts is None:
            return cls(lines, None, np.zeros(0, np.uint8), np.zeros(len(lines), bool))
        codes = FOLD_TABLE.fold(code_points(texts))
        feeds = indices_of(codes == FEED)
        has_letter = np.maximum.reduceat(codes, np.concatenate(([0], feeds[:-1]))) > SPACE
        raw = to_text(codes).encode("utf-8", "surrogatepass")
        return cls(lines, texts, np.frombuffer(raw, np.uint8), has_letter)


@dataclass(frozen=True, slots=True)
class WordColumns:
    """The queries of a block, to be compared with one list."""

    detector: Detector
    spans: QuerySpans
    non_ascii: Mask
    wide: WideLines

    def codes(self, decided: Mask) -> CategoryCodes:
        """The codes of all lines; ``decided`` becomes false where columns cannot tell them."""
        detector, spans = self.detector, self.spans
        ascii_hits = detector.sieve.hits(spans.fields.data)
        ascii_words = self._ascii_words(ascii_hits.end, ascii_hits.word)
        wide_hits, wide_words = self._wide_words()
        words = LineWords(
            np.concatenate((ascii_words.line, wide_words.line)),
            np.concatenate((ascii_words.word, wide_words.word)),
        )
        paper = self._paper_codes(words, decided)
        if detector.candidate_search is None or detector.extended is None:
            return paper
        texts = AsciiTexts(
            spans.fields.data,
            spans.text,
            spans.text_end,
            np.flatnonzero(decided & ~self.non_ascii),
            spans.fields.line_of_offset,
        )
        candidates = [detector.candidate_search.ascii_candidates(texts, paper, ascii_hits)]
        if self.wide.texts is not None:
            wide = WideTexts(self.wide.texts, self.wide.lines, wide_hits)
            candidates.append(detector.candidate_search.wide_candidates(wide, paper))
        decided[np.concatenate(candidates)] = False
        return np.concatenate((paper, detector.extended.extend(paper)))

    def _ascii_words(self, end: Offsets, word: Offsets) -> LineWords:
        """The hits in queries of ASCII lines, by line, with the age of each resolved."""
        spans, fields = self.spans, self.spans.fields
        line = fields.line_of_offset(end - 1)
        inside = (end > spans.text[line]) & (end <= spans.text_end[line]) & ~self.non_ascii[line]
        line, end = line[inside], end[inside]
        return LineWords(
            line, self.detector.resolve_ages(fields.data, spans.text[line], end, word[inside])
        )

    def _wide_words(self) -> tuple[LineWords, LineWords]:
        """The words of the list in lines beyond ASCII, and the same with ages resolved."""
        lines, folded = self.wide.lines, self.wide.folded
        if self.wide.texts is None:
            nothing = LineWords(lines[:0], lines[:0])
            return nothing, nothing
        ends = indices_of(folded == FEED)
        end, word = self.detector.sieve.hits(folded)
        line_of_hit = np.searchsorted(ends, end)
        text = np.concatenate(([0], ends + 1))[line_of_hit]
        line = lines[line_of_hit]
        resolved = self.detector.resolve_ages(folded, text, end, word)
        return LineWords(line, word), LineWords(line, resolved)

    def _paper_codes(self, words: LineWords, decided: Mask) -> CategoryCodes:
        """The codes that the words amount to; lines that they do not decide become undecided."""
        codes = np.zeros((len(self.detector.paper_topics), len(decided)), np.uint8)
        kept = np.flatnonzero(decided[words.line])
        kept = kept[np.argsort(words.line[kept], kind="stable")]
        lines, codes_of_lines, sure = self.detector.classify_hits(
            words.line[kept], words.word[kept]
        )
        decided[lines] = sure
        codes[:, lines] = codes_of_lines
        return codes
