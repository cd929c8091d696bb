"""What is searched for in the letter classes of a query, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import ahocorasick

from donkeywatch.ingest.extended.class_stream import stream_letters
from donkeywatch.ingest.extended.evidence import EXACT
from donkeywatch.ingest.extended.letter_classes import (
    HIDDEN,
    SEPARATOR,
    classify_letters,
    search_pattern,
    squeeze,
)
from donkeywatch.ingest.extended.terms import Term
from donkeywatch.ingest.lexicon_model import Lexicon, TopicRules

LONG_TEXT = 4096
"""Characters beyond ASCII from which on a table is faster than looking up one by one."""
REPETITION = re.compile(r"(.)\1+", re.DOTALL)
ASCII_CLASSES = classify_letters("".join(map(chr, range(128))).lower()).encode()
"""Class of each byte of ASCII, capitals as small letters."""
ASCII_SEPARATORS = bytes(byte for byte in range(128) if ASCII_CLASSES[byte] == ord(SEPARATOR))


@dataclass(slots=True)
class SearchPattern:
    """Why a pattern is looked for.

    ``topics`` has a bit for each topic it may add to; ``removes`` says that it may take away.
    ``words`` are the entries that have it, and ``is_plain`` that it has no other reason.
    """

    topics: int = 0
    removes: bool = False
    may_begin_inside: bool = False
    may_go_on: bool = False
    is_plain: bool = True
    words: set[str] = field(default_factory=set)


def search_patterns(lexicon: Lexicon, terms: Sequence[Term]) -> dict[str, SearchPattern]:
    """Every pattern of a word list: its entries, what makes ages, and exceptions."""
    patterns: dict[str, SearchPattern] = defaultdict(SearchPattern)
    for term in terms:
        if term.is_searchable:
            reason = patterns[term.pattern]
            reason.topics |= 1 << term.topic
            reason.words.add(term.word)
            reason.is_plain &= term.match == "word" and term.least == EXACT
            reason.may_begin_inside |= term.match == "substring"
            reason.may_go_on |= term.match in {"substring", "prefix"}
        if term.is_edited:
            for half in _halves(term):
                reason = patterns[half]
                reason.topics |= 1 << term.topic
                reason.is_plain = False
                reason.may_begin_inside = reason.may_go_on = True
    for number, topic in enumerate(lexicon.topics.values()):
        for word in _age_words(topic):
            reason = patterns[search_pattern(word)]
            reason.topics |= 1 << number
            reason.is_plain = False
        for word in _exception_words(topic):
            patterns[search_pattern(word)].removes = True
    patterns.pop("", None)
    return dict(patterns)


def _halves(term: Term) -> tuple[str, str]:
    """The halves of an entry, one of which is left as it is where one letter differs."""
    middle = len(term.classes) // 2
    return squeeze(term.classes[:middle]), squeeze(term.classes[middle:])


def _age_words(topic: TopicRules) -> Iterator[str]:
    """Give what makes ages that `paper` does not know: prefixes, and words for numbers."""
    if topic.ages is None:
        return
    yield from topic.ages.prefixes
    for word in topic.ages.number_words:
        yield word
        yield from (word + suffix for suffix in topic.ages.suffixes)
        yield from (prefix + word for prefix in topic.ages.prefixes)


def _exception_words(topic: TopicRules) -> Iterator[str]:
    """Words that take away what would be found."""
    for exception in topic.exceptions:
        yield from exception.words


class PatternCheck:
    """Tells quickly of most texts that no pattern occurs in them."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        self._is_empty = True
        for pattern in patterns:
            self._automaton.add_word(pattern, True)
            self._is_empty = False
        self._automaton.make_automaton()
        self._table = ASCII_CLASSES.ljust(256, b"\0")

    def may_occur(self, folded: str) -> bool:
        """Tell whether a pattern may occur in a folded text's classes, or anything is hidden."""
        letters: str | None
        if folded.isascii():
            raw = folded.encode("ascii").translate(self._table, ASCII_SEPARATORS)
            letters = REPETITION.sub(r"\1", raw.decode("ascii"))
        elif len(folded) > LONG_TEXT:
            letters = stream_letters(folded)
        else:
            classes = classify_letters(folded).replace(SEPARATOR, "")
            letters = None if HIDDEN in classes else REPETITION.sub(r"\1", classes)
        if letters is None:
            return True
        return not self._is_empty and next(self._automaton.iter(letters), None) is not None
