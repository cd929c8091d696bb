"""The entries of a word list as the profile `extended` looks for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from anyascii import anyascii

from donkeywatch.ingest.extended.evidence import EXACT, TRANSLITERATED
from donkeywatch.ingest.extended.letter_classes import (
    classify_letters,
    fold_disguised,
    fold_word,
    search_pattern,
    squeeze,
)
from donkeywatch.ingest.lexicon_model import Entry, Lexicon
from donkeywatch.ingest.normalisation import TOKEN

MIN_PATTERN_LETTERS = 3
"""Letters, without repetitions, below which an entry is only compared as it is written.

A letter of full width, which is a syllable or a word, counts as two.
"""
MIN_JOINED_LETTERS = 4
"""Letters of an entry that is found spaced out, beside digits or in a compound."""
MIN_EDITED_LETTERS = 7
"""Letters of an entry that may differ by one of them."""
Match = Literal["word", "phrase", "prefix", "substring"]


@dataclass(frozen=True, slots=True)
class Term:
    """An entry, folded: ``pieces`` are its words, ``word`` all of them together.

    ``classes`` are the letter classes of ``word``, ``pattern`` those without repetitions.
    ``least`` is the level of evidence that it has at the least.
    """

    topic: int
    group: str
    pieces: tuple[str, ...]
    match: Match
    least: int
    word: str
    classes: str
    pattern: str
    is_edited: bool = False
    """Words that differ from it by one letter count, too."""

    @property
    def is_searchable(self) -> bool:
        """Tell whether it is long enough to be looked for behind disguises."""
        return count_letters(self.pattern) >= MIN_PATTERN_LETTERS

    @property
    def is_joinable(self) -> bool:
        """Tell whether it is long enough to be found spaced out, beside digits or in a compound."""
        return count_letters(self.word) >= MIN_JOINED_LETTERS


def is_long_enough(text: str, letters: int = MIN_PATTERN_LETTERS) -> bool:
    """Tell whether an entry has so many letters, repetitions and separators left out."""
    return count_letters(search_pattern(text)) >= letters


def is_editable(text: str) -> bool:
    """Tell whether each half of an entry is long enough to be compared with one letter changed."""
    classes = create_term(0, "", text, "word").classes
    middle = len(classes) // 2
    return len(classes) >= MIN_EDITED_LETTERS and all(
        len(squeeze(half)) > 1 for half in (classes[:middle], classes[middle:])
    )


def count_letters(text: str) -> int:
    """Letters of a text, those of full width as two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def create_term(topic: int, group: str, text: str, match: Match, least: int = EXACT) -> Term:
    """Fold an entry."""
    pieces = tuple(TOKEN.findall(fold_disguised(text)))
    word = "".join(pieces)
    classes = classify_letters(word)
    return Term(topic, group, pieces, match, least, word, classes, squeeze(classes))


def lexicon_terms(lexicon: Lexicon, *, with_edits: bool = False) -> list[Term]:
    """Every entry of every topic, and the transliteration of those beyond ASCII.

    ``with_edits`` lets entries be found that ask for an edit distance.
    """
    terms = [
        term
        for number, topic in enumerate(lexicon.topics.values())
        for group in topic.groups
        for entry in topic.entries(group)
        for term in _entry_terms(number, group, entry, with_edits)
    ]
    return list(dict.fromkeys(terms))


def _entry_terms(topic: int, group: str, entry: Entry, with_edits: bool) -> Iterator[Term]:
    term = create_term(topic, group, entry.word, entry.match)
    yield replace(term, is_edited=with_edits and entry.edit_distance > 0)
    if entry.match == "word" and not fold_disguised(entry.word).isascii():
        written = fold_word(anyascii(entry.word))
        if len(written) >= MIN_JOINED_LETTERS:
            yield create_term(topic, group, written, "word", TRANSLITERATED)
