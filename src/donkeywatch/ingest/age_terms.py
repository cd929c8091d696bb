"""Resolves words of ages in a block, with the numbers before them, by columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from donkeywatch.ingest.byte_columns import Bytes, Offsets
from donkeywatch.ingest.lexicon_model import Ages
from donkeywatch.ingest.word_search import WORD_BYTE

NO_NUMBER, UNKNOWN = -1, -2
"""No number of one or two digits stands before a word; or what does is not known."""
LOOKBACK = np.array([[2], [3], [4]])
"""How far before a word its number ends, behind one separator, and what stands before that."""
LETTERS, SEPARATOR, BEFORE_TEXT = 10, 11, 12
"""Classes of bytes besides the ten digits; that there is none is one of them."""
CLASSES = np.where(WORD_BYTE, LETTERS, SEPARATOR)
CLASSES[list(b"0123456789")] = range(10)


def _numbers() -> Offsets:
    """The number before a word by the classes of the last three bytes, the last one first."""
    table = np.full((13, 13, 13), NO_NUMBER)
    table[SEPARATOR] = UNKNOWN
    for ones in range(10):
        table[ones, SEPARATOR:] = ones
        for ten in range(10):
            table[ones, ten, SEPARATOR:] = 10 * ten + ones
    return table


NUMBERS = _numbers()


class AgeTerms:
    """The words of a lexicon, and those of ages once more for each number of an age before them.

    ``queries`` are the tokens of each by its number: first the words themselves, in their order,
    then each of the ``suffixes`` without an age and behind each one.
    """

    def __init__(self, words: Sequence[str], suffixes: Sequence[str], ages: Sequence[Ages]) -> None:
        self.queries: list[tuple[str, ...]] = [(word,) for word in words]
        self._size = np.array([len(word.encode()) for word in words], np.int64)
        self._first = np.full(len(words), NO_NUMBER)
        # A number that is a word itself would be met twice.
        if any(len(word) <= 2 and word.isdecimal() for word in words) or not ages:
            return
        self._minimum = min(age_words.minimum for age_words in ages)
        self._maximum = max(age_words.maximum for age_words in ages)
        for suffix in suffixes:
            self._first[words.index(suffix)] = len(self.queries)
            self.queries.append((suffix,))
            numbers = range(self._minimum, self._maximum + 1)
            self.queries += [(str(number), suffix) for number in numbers]

    def resolve(self, data: Bytes, text: Offsets, end: Offsets, word: Offsets) -> Offsets:
        """The numbers of some words that end in ``data``, those of ages told apart where sure.

        ``text`` is where the text of each begins.
        """
        numbered = np.flatnonzero(self._first[word] != NO_NUMBER)
        if not len(numbered):
            return word
        number = _preceding_number(data, text[numbered], end[numbered] - self._size[word[numbered]])
        numbered, number = numbered[number != UNKNOWN], number[number != UNKNOWN]
        in_range = (number >= self._minimum) & (number <= self._maximum)
        resolved = word.copy()
        resolved[numbered] = self._first[word[numbered]] + np.where(
            in_range, number - self._minimum + 1, 0
        )
        return resolved


def _preceding_number(data: Bytes, text: Offsets, start: Offsets) -> Offsets:
    """The number that is a token of its own just before the words that begin at ``start``.

    Behind several separators it would have to be looked for.
    """
    places = (
        start - LOOKBACK
    )  # What lies before the text, or before everything, is taken for nothing.
    classes: Offsets = np.where(places < text, BEFORE_TEXT, CLASSES[data[places]])
    first, two, three = classes
    number: Offsets = NUMBERS[first, two, three]
    return number
