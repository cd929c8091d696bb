"""Finds the entries of a word list in a query, whatever hides them, with the evidence of each."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import groupby
from typing import NamedTuple

import ahocorasick

from donkeywatch.ingest.extended.evidence import (
    AFFIX,
    BORDER,
    CONFUSABLE,
    EXACT,
    FOLDED,
    JOINED,
    PHRASE,
    SQUEEZED,
)
from donkeywatch.ingest.extended.letter_classes import SEPARATOR
from donkeywatch.ingest.extended.search_stream import SearchStream
from donkeywatch.ingest.extended.terms import Term

MAX_BORDER_DIGITS = 8
"""Digits beside a word that are a number; more are an identifier."""


class Neighbour(Enum):
    """What stands beside a span: nothing of a word, a number by itself, or more of the word."""

    SEPARATOR = auto()
    NUMBER = auto()
    LETTER = auto()


class TermMatch(NamedTuple):
    """A part of a query that shows an entry: where it begins and ends, and how plainly."""

    start: int
    end: int
    level: int
    term: Term


class TermSearch:
    """All entries at once by the automaton of Aho and Corasick, then each hit by itself."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._by_word: dict[str, list[Term]] = defaultdict(list)
        self._by_pattern: dict[str, list[Term]] = defaultdict(list)
        for term in terms:
            if term.is_searchable:
                self._by_pattern[term.pattern].append(term)
            else:
                self._by_word[term.word].append(term)
        self._automaton = ahocorasick.Automaton()
        for pattern in self._by_pattern:
            self._automaton.add_word(pattern, pattern)
        self._automaton.make_automaton()

    def matches(
        self, stream: SearchStream, words: Sequence[tuple[int, int]], exact: frozenset[str]
    ) -> list[TermMatch]:
        """Every entry in a query; ``words`` are where its words stand, ``exact`` those of `paper`.

        An entry that stands at a place in two ways is given for the plainer one.
        """
        matches = list(self._short_words(stream, words, exact))
        parts: list[TermMatch] = []
        if self._by_pattern:
            for last, pattern in self._automaton.iter(stream.letters):
                spans = list(stream.spans(last + 1 - len(pattern), last + 1))
                for term in self._by_pattern[pattern]:
                    best, part = _best_match(stream, spans, term, exact)
                    matches += best
                    parts += part
        return matches + list(_compounds(parts, words))

    def _short_words(
        self, stream: SearchStream, words: Iterable[tuple[int, int]], exact: frozenset[str]
    ) -> Iterator[TermMatch]:
        if not self._by_word:
            return
        for start, end in words:
            word = stream.folded[start:end]
            for term in self._by_word.get(word, ()):
                yield TermMatch(start, end, _written_level(term, word, exact), term)


def _written_level(term: Term, word: str, exact: frozenset[str]) -> int:
    """The level of a word that is written as its entry."""
    return max(term.least, EXACT if term.match == "word" and word in exact else FOLDED)


def _best_match(
    stream: SearchStream, spans: Iterable[tuple[int, int]], term: Term, exact: frozenset[str]
) -> tuple[list[TermMatch], list[TermMatch]]:
    """The plainest match of a term among some spans; and those that are a part of a longer word."""
    matches, parts = [], []
    for start, end in spans:
        level = _letters_level(stream, start, end, term, exact)
        if level is None:
            continue
        left, right = _neighbour(stream, start, -1), _neighbour(stream, end - 1, 1)
        goes_on = Neighbour.LETTER in (left, right)
        if term.match == "substring" or (term.match == "prefix" and left is not Neighbour.LETTER):
            level = max(level, AFFIX if goes_on else FOLDED)
        elif goes_on:
            if term.is_joinable and level < JOINED and term.match == "word":
                parts.append(TermMatch(start, end, level, term))
            continue
        elif Neighbour.NUMBER in (left, right):
            if not term.is_joinable:
                continue
            level = max(level, BORDER)
        matches.append(TermMatch(start, end, level, term))
    return sorted(matches, key=lambda match: match.level)[:1], parts


def _neighbour(stream: SearchStream, at: int, step: int) -> Neighbour:
    """Give the character beside the last letter of a span, in the direction of ``step``."""
    folded, beside = stream.folded, at + step
    if not 0 <= beside < len(folded) or not folded[beside].isalnum():
        return Neighbour.SEPARATOR
    if folded[beside].isdecimal() == folded[at].isdecimal() or folded[at].isdecimal():
        return Neighbour.LETTER
    for _ in range(MAX_BORDER_DIGITS):
        beside += step
        if not 0 <= beside < len(folded) or not folded[beside].isalnum():
            return Neighbour.NUMBER
        if not folded[beside].isdecimal():
            break
    return Neighbour.LETTER


def _letters_level(
    stream: SearchStream, start: int, end: int, term: Term, exact: frozenset[str]
) -> int | None:
    """Give the level at which a span shows the letters of a term; None where it does not."""
    text, classes = stream.folded[start:end], stream.classes[start:end]
    if SEPARATOR not in classes:
        level = _word_level(text, classes, term, exact)
        if level is not None and term.match == "phrase" and len(term.pieces) > 1:
            return max(level, JOINED)
        return level
    pieces = [piece for piece in classes.split(SEPARATOR) if piece]
    if term.match == "phrase" and len(pieces) == len(term.pieces):
        written = ["".join(group) for is_word, group in groupby(text, str.isalnum) if is_word]
        return PHRASE if written == list(term.pieces) else None
    if not term.is_joinable:
        return None
    if any(letter.isspace() for letter in text) and not _is_spelled(text):
        return None
    return max(term.least, JOINED) if _has_the_letters("".join(pieces), term.classes) else None


def _is_spelled(text: str) -> bool:
    """Do the letters of a text, or its syllables in Hangul, stand apart?"""
    composed = unicodedata.normalize("NFC", text)
    return all(
        len(list(group)) == 1 for is_word, group in groupby(composed, str.isalnum) if is_word
    )


def _word_level(text: str, classes: str, term: Term, exact: frozenset[str]) -> int | None:
    if text == term.word:
        return _written_level(term, text, exact)
    if not any(letter.isalpha() for letter in text):
        return None
    if classes == term.classes:
        return max(term.least, CONFUSABLE)
    if term.is_joinable and _has_the_letters(classes, term.classes):
        return max(term.least, SQUEEZED)
    return None


def _has_the_letters(classes: str, wanted: str) -> bool:
    """Tell whether classes hold those that are wanted, each as often as wanted or more."""
    runs = [(letter, len(list(group))) for letter, group in groupby(classes)]
    least = [(letter, len(list(group))) for letter, group in groupby(wanted)]
    return len(runs) == len(least) and all(
        letter == other and count >= fewest
        for (letter, count), (other, fewest) in zip(runs, least, strict=True)
    )


def _compounds(parts: Sequence[TermMatch], words: Sequence[tuple[int, int]]) -> Iterator[TermMatch]:
    """Parts of words that are made of entries altogether, two or more one behind the other."""
    if len(parts) < 2:
        return
    by_place: dict[tuple[int, int], list[TermMatch]] = defaultdict(list)
    ends: dict[int, set[int]] = defaultdict(set)
    for part in parts:
        by_place[part.start, part.end].append(part)
        ends[part.start].add(part.end)
    for start, end in words:
        for place in _chain(ends, start, end):
            for part in by_place[place]:
                yield part._replace(level=max(part.level, JOINED))


def _chain(ends: Mapping[int, set[int]], start: int, end: int) -> list[tuple[int, int]]:
    """Places that fill a word from its beginning to its end, or none."""
    came_from: dict[int, int] = {}
    open_places = [start]
    while open_places:
        place = open_places.pop()
        for stop in ends.get(place, ()):
            if stop <= end and stop not in came_from:
                came_from[stop] = place
                open_places.append(stop)
    chain = []
    place = end
    while place in came_from:
        chain.append((came_from[place], place))
        place = came_from[place]
    return chain
