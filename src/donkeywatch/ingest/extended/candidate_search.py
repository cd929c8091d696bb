"""Finds by columns the few lines of a block in which the profile `extended` may find anything new.

Those lines are then read one by one. A line that is not named has nothing that `paper` has not
found in it: the conditions here are wider than those of the specification, never narrower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from donkeywatch.counting.observations import CategoryCodes
from donkeywatch.ingest.byte_columns import Bytes, Mask, Offsets, indices_of
from donkeywatch.ingest.extended.class_stream import (
    FOREIGN_DIGIT,
    INVISIBLE,
    STREAM_TABLE,
    differs_from_previous,
)
from donkeywatch.ingest.extended.search_patterns import ASCII_CLASSES, search_patterns
from donkeywatch.ingest.extended.substring_finder import SubstringFinder
from donkeywatch.ingest.extended.terms import Term
from donkeywatch.ingest.fold_table import FEED, SPACE, CodePoints, code_points, to_text
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.word_search import TermHits
from donkeywatch.settings.schema import Matcher

TEXT_START = 1
"""What stands before a text in the stream of a block, and in no pattern."""
LETTER, DIGIT, OTHER = 0, 1, 2
FEED_TEXT = "\n"


def _ascii_tables() -> tuple[Bytes, Bytes]:
    table = np.zeros(256, np.uint8)
    table[:128] = list(ASCII_CLASSES)
    table[128:] = 255  # Lines with such bytes are searched apart; no pattern has them.
    kinds = np.full(256, OTHER, np.uint8)
    for byte in range(128):
        if chr(byte).isalpha():
            kinds[byte] = LETTER
        elif chr(byte).isdigit():
            kinds[byte] = DIGIT
    return table, kinds


CLASS_OF_BYTE, KIND_OF_BYTE = _ascii_tables()


class AsciiTexts(NamedTuple):
    """The texts of lines in a block, as spans in ``data``, and which of them are searched.

    ``lines`` has the numbers of those that are; ``line_of_offset`` tells in which line an offset
    lies.
    """

    data: Bytes
    start: Offsets
    end: Offsets
    lines: Offsets
    line_of_offset: Callable[[Offsets], Offsets]


class LineWords(NamedTuple):
    """Words of the lexicon: in which line each stands, and its number."""

    line: Offsets
    word: Offsets


class WideTexts(NamedTuple):
    """Texts of some lines, each behind a space and before a line feed, and the words in them.

    ``paper`` are the words that `paper` found.
    """

    text: str
    lines: Offsets
    paper: LineWords

    @classmethod
    def of(cls, texts: Sequence[str]) -> WideTexts:
        """Texts whose words nobody has looked for, numbered as they are."""
        nothing = np.zeros(0, np.int64)
        joined = "".join([f" {text.replace(FEED_TEXT, ' ')}\n" for text in texts])
        return cls(joined, np.arange(len(texts)), LineWords(nothing, nothing))


class CandidateSearch:
    """The patterns of a word list, searched for in whole blocks."""

    def __init__(
        self, lexicon: Lexicon, terms: Sequence[Term], paper_words: Sequence[str], matcher: Matcher
    ) -> None:
        """``paper_words`` are the words that `paper` finds, by their numbers."""
        patterns = search_patterns(lexicon, terms)
        self._finder = SubstringFinder(list(patterns), matcher)
        reasons = list(patterns.values())
        self._topics = np.array([reason.topics for reason in reasons], np.uint8)
        self._removes = np.array([reason.removes for reason in reasons], bool)
        self._may_begin_inside = np.array([reason.may_begin_inside for reason in reasons], bool)
        self._may_go_on = np.array([reason.may_go_on for reason in reasons], bool)
        self._size = np.array([len(text) for text in patterns], np.int64)
        number_of_word = {
            word: number
            for number, reason in enumerate(reasons)
            if reason.is_plain and len(reason.words) == 1
            for word in reason.words
        }
        self._pattern_of_paper_word = np.array(
            [number_of_word.get(word, -1) for word in paper_words], np.int64
        )

    def ascii_candidates(self, texts: AsciiTexts, codes: CategoryCodes, paper: TermHits) -> Offsets:
        """Lines of ASCII texts; ``codes`` are of `paper`, and ``paper`` the words it found."""
        letters, at = _ascii_stream(texts)
        hits = self._finder.hits(letters)
        if not len(hits.end):
            return hits.end
        last, pattern = hits.end - 1, hits.word
        first = last - self._size[pattern] + 1
        start, stop = at[first], at[last] + 1
        line = texts.line_of_offset(start)
        inside = (start >= texts.start[line]) & (stop <= texts.end[line])
        is_searched = np.zeros(len(texts.start), bool)
        is_searched[texts.lines] = True
        inside &= is_searched[line] & self._is_bounded(texts.data, at, first, last, pattern)
        plain = np.isin(
            stop * len(self._size) + pattern,
            paper.end * len(self._size) + self._pattern_of_paper_word[paper.word],
        )
        return self._lines_that_may_change(line[inside], pattern[inside], codes, plain[inside])

    def wide_candidates(self, texts: WideTexts, codes: CategoryCodes) -> Offsets:
        """Lines beyond ASCII; ``codes`` are those of `paper`.

        Where a pattern occurs as often as the word it is of, there is no other reason for it.
        """
        lines, paper = texts.lines, texts.paper
        stream = STREAM_TABLE.fold(code_points(texts.text))
        hidden = np.searchsorted(indices_of(stream == FEED), _disguises(stream))
        stream = stream[(stream == FEED) | (stream > FOREIGN_DIGIT) & (stream != SPACE)]
        stream = stream[differs_from_previous(stream) | (stream == FEED)]
        raw = np.frombuffer(to_text(stream).encode("utf-8", "surrogatepass"), np.uint8)
        hits = self._finder.hits(raw)
        line = lines[np.searchsorted(indices_of(raw == FEED), hits.end - 1)]
        plain = _occur_as_often(
            line * len(self._size) + hits.word,
            paper.line * len(self._size) + self._pattern_of_paper_word[paper.word],
        )
        changed = self._lines_that_may_change(line, hits.word, codes, plain)
        return np.concatenate((lines[hidden], changed))

    def _is_bounded(
        self, data: Bytes, at: Offsets, first: Offsets, last: Offsets, pattern: Offsets
    ) -> Mask:
        """Tell which hits may be words: something else, or another word, is at both ends."""
        begins = _is_beside_other(data, at, first, -1)
        ends = _is_beside_other(data, at, last, 1)
        begins |= np.isin(first, last + 1) | self._may_begin_inside[pattern]
        ends |= np.isin(last + 1, first) | self._may_go_on[pattern]
        bounded: Mask = begins & ends
        return bounded

    def _lines_that_may_change(
        self, line: Offsets, pattern: Offsets, codes: CategoryCodes, is_plain: Mask
    ) -> Offsets:
        """Lines with a pattern of a topic that `paper` has not flagged, or one that takes away."""
        bits = np.array([1 << topic for topic in range(len(codes))], np.uint8)
        flagged = ((codes[:, line] != 0) * bits[:, None]).sum(axis=0, dtype=np.uint8)
        adds = ((self._topics[pattern] & ~flagged) != 0) & ~is_plain
        return np.unique(line[adds | self._removes[pattern]])


def _is_beside_other(data: Bytes, at: Offsets, place: Offsets, step: int) -> Mask:
    """Tell which items of a stream may end a word: repeated, or beside no letter."""
    here, following = at[place], at[np.minimum(place + 1, len(at) - 1)]
    beside: Mask = (
        (KIND_OF_BYTE[data[here]] != LETTER)
        | (KIND_OF_BYTE[data[here + step]] != LETTER)
        | (following != here + 1)
    )
    return beside


def _disguises(stream: CodePoints) -> Offsets:
    """Where an invisible character stands inside of a word, or a digit of another script."""
    at = indices_of(stream == INVISIBLE)
    before, behind = stream[at - 1], stream[at + 1]  # Texts begin with a space and end with a feed.
    inside = (before != SPACE) & (before != FEED) & (behind != SPACE) & (behind != FEED)
    return np.concatenate((at[inside], indices_of(stream == FOREIGN_DIGIT)))


def _occur_as_often(keys: Offsets, others: Offsets) -> Mask:
    """Tell which keys occur among others as often as here."""
    values, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    if not len(values):
        return np.zeros(0, bool)
    at = np.minimum(np.searchsorted(values, others), len(values) - 1)
    count_of_others = np.bincount(at[values[at] == others], minlength=len(values))
    as_often: Mask = (count == count_of_others)[place]
    return as_often


def _ascii_stream(texts: AsciiTexts) -> tuple[Bytes, Offsets]:
    """Letter classes without separators and repetitions, and where each stands first."""
    classes = CLASS_OF_BYTE[texts.data]
    before = texts.start[texts.lines] - 1
    classes[before[before >= 0]] = TEXT_START
    at = np.flatnonzero(classes)
    letters = classes[at]
    kept = differs_from_previous(letters)
    return letters[kept], at[kept]
