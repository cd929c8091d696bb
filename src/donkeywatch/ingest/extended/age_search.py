"""Finds ages in a query: a number or a word for one, with what makes it an age."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from donkeywatch.ingest.extended.letter_classes import fold_word
from donkeywatch.ingest.lexicon_model import Ages
from donkeywatch.ingest.normalisation import TOKEN

MAX_GAP_CHARACTERS = 3
"""Characters that may stand between a number and its suffix or prefix."""
NUMBERED_THINGS = frozenset(
    ("cd", "ch", "chapter", "disc", "dvd", "e", "ep", "episode", "part", "pt", "s", "season",
     "track", "v", "vol", "volume")
)  # fmt: skip
"""Words before a number that is none of years; a list may exclude more."""
NUMBER_MARKS = frozenset(".,:-/~\u2010\u2011\u2012\u2013\u2014")
"""What joins two numbers to a decimal one, a time of day, a date or a range."""


class Word(NamedTuple):
    """A word of a query: where it begins and ends, and itself, folded."""

    start: int
    end: int
    text: str


def find_words(folded: str) -> list[Word]:
    """The words of a folded query, in their order."""
    return [Word(token.start(), token.end(), token[0]) for token in TOKEN.finditer(folded)]


class AgeSearch:
    """The ages of one topic: numbers within its limits, beside its suffixes and prefixes."""

    def __init__(self, ages: Ages) -> None:
        self._suffixes = frozenset(map(fold_word, ages.suffixes))
        self._prefixes = frozenset(map(fold_word, ages.prefixes))
        self._excluded = NUMBERED_THINGS | frozenset(map(fold_word, ages.exclude))
        limits = range(ages.minimum, ages.maximum + 1)
        digits = {form for number in limits for form in (str(number), f"{number:02d}")}
        words = {fold_word(word) for word, number in ages.number_words.items() if number in limits}
        self._numbers = frozenset(digits | words)
        self._joined = frozenset(
            {number + suffix for number in self._numbers for suffix in self._suffixes}
            | {prefix + number for number in self._numbers for prefix in self._prefixes}
        )

    def spans(self, folded: str, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
        """Where ages stand in a folded query; ``words`` are its words in their order."""
        for at, word in enumerate(words):
            if word.text in self._joined:
                span = self._age(folded, words, at, at, at)
            elif word.text not in self._numbers:
                continue
            elif at + 1 < len(words) and words[at + 1].text in self._suffixes:
                span = self._age(folded, words, at, at, at + 1)
            elif at and words[at - 1].text in self._prefixes:
                span = self._age(folded, words, at, at - 1, at)
            else:
                continue
            if span is not None:
                yield span

    def _age(
        self, folded: str, words: Sequence[Word], number: int, first: int, last: int
    ) -> tuple[int, int] | None:
        """The span of an age that is made of the words ``first`` to ``last``, if it is one."""
        if words[last].start - words[first].end > MAX_GAP_CHARACTERS:
            return None
        if first == number and number and (mark := self._mark(folded, words, number)):
            if words[number - 1].text not in self._numbers or mark in ".,:":
                return None
            first = number - 1
        before = words[first - 1].text if first else ""
        behind = words[last + 1].text if last + 1 < len(words) else ""
        if before in self._excluded or behind in self._excluded:
            return None
        return words[first].start, words[last].end

    def _mark(self, folded: str, words: Sequence[Word], number: int) -> str:
        """The mark that joins a number to the number before it; nothing where none does."""
        before = words[number - 1]
        gap = folded[before.end : words[number].start]
        return gap if gap in NUMBER_MARKS and before.text.isdecimal() else ""
