"""Which category of which topic a query falls into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from donkeywatch.arrival.columns import Offsets
from donkeywatch.arrival.lexicon import AGE, Ages, Lexicon, TopicWords
from donkeywatch.arrival.sieve import chosen
from donkeywatch.arrival.text import tokens
from donkeywatch.settings import Matcher

DIGITS = "0123456789"
KNOWN = 4096
"""Combinations of groups whose code is remembered, at the most."""
Span = frozenset[int]
"""Indices of the tokens that meet a part of a rule together."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """One topic, its words folded: word -> groups, categories as alternatives of groups."""

    words: dict[str, frozenset[str]]
    ages: Ages | None
    suffixes: frozenset[str]
    categories: tuple[tuple[frozenset[str], ...], ...]
    decided: dict[tuple[object, object], int] = field(default_factory=dict)
    """Codes by what was met: the groups of the words, or where they and ages stand. No word."""

    def code(self, query: Sequence[str]) -> int:
        """Number of the first category that matches, from 1; 0 when none does."""
        words = self.words
        found = tuple([words[token] for token in query if token in words])
        # Nothing but a digit comes before the colon: tokens are letters and digits.
        if self.ages is not None and min(query, default=":") < ":":
            ages = tuple(self._ages(query, self.ages))
            if ages:
                places = tuple([(i, words[t]) for i, t in enumerate(query) if t in words])
                return self._known((places, ages), query, ages)
        return self._known((found, ()), query, ()) if found else 0

    def mark(self, word: str) -> tuple[frozenset[str], bool] | None:
        """All that matters of a word in itself: its groups, and whether it is an age.

        None where that depends on the word before it.
        """
        if word in self.suffixes:
            return None
        aged = self.ages is not None and any(self._ages([word], self.ages))
        return self.words.get(word, frozenset()), aged

    def _known(self, met: tuple[object, object], query: Sequence[str], ages: Sequence[Span]) -> int:
        code = self.decided.get(met)
        if code is None:
            if len(self.decided) >= KNOWN:
                self.decided.clear()
            code = self.decided[met] = self._decide(query, ages)
        return code

    def _decide(self, query: Sequence[str], ages: Sequence[Span]) -> int:
        met: dict[str, list[Span]] = {AGE: list(ages)}
        for i, token in enumerate(query):
            for group in self.words.get(token, ()):
                met.setdefault(group, []).append(frozenset((i,)))
        for number, parts in enumerate(self.categories, 1):
            if _distinct([[s for g in part for s in met.get(g, ())] for part in parts]):
                return number
        return 0

    def _ages(self, query: Sequence[str], ages: Ages) -> Iterable[Span]:
        for i, token in enumerate(query):
            digits = token[: len(token) - len(token.lstrip(DIGITS))]
            if not 1 <= len(digits) <= 2 or not ages.minimum <= int(digits) <= ages.maximum:
                continue
            if token[len(digits) :] in self.suffixes:
                yield frozenset((i,))
            elif digits == token and i + 1 < len(query) and query[i + 1] in self.suffixes:
                yield frozenset((i, i + 1))


def _distinct(parts: Sequence[Sequence[Span]]) -> bool:
    """Can every part be met by tokens that no other part uses?

    The others use two tokens each at the most, and two tokens stand in five spans of a part
    at the most: a part with more spans than that is always met, however long the query.
    """
    choices = [list(dict.fromkeys(spans)) for spans in parts]
    enough = 5 * len(parts)
    return _assigned(sorted((c for c in choices if len(c) <= enough), key=len), frozenset())


def _assigned(parts: Sequence[Sequence[Span]], used: Span) -> bool:
    if not parts:
        return True
    return any(_assigned(parts[1:], used | span) for span in parts[0] if not used & span)


def _rules(topic: TopicWords) -> _Rules:
    words: dict[str, set[str]] = {}
    for group, entries in topic.groups.items():
        for entry in entries:
            words.setdefault(tokens(entry)[0], set()).add(group)
    suffixes = topic.ages.suffixes if topic.ages else ()
    return _Rules(
        words={word: frozenset(groups) for word, groups in words.items()},
        ages=topic.ages,
        suffixes=frozenset(tokens(suffix)[0] for suffix in suffixes),
        categories=tuple(
            tuple(frozenset(part.split("|")) for part in category.all)
            for category in topic.categories
        ),
    )


class Detector:
    """The loaded lexicon as a function of tokens, and of the words found in a text."""

    def __init__(self, lexicon: Lexicon, matcher: Matcher = "auto") -> None:
        self.topics = lexicon.headings()
        self._rules = [_rules(topic) for topic in lexicon.topics.values()]
        self._words = sorted({word for rules in self._rules for word in _sieve_words(rules)})
        self.sieve = chosen(matcher, self._words)
        """Finds the words of the lexicon, and those of ages."""
        marks = [tuple(rules.mark(word) for rules in self._rules) for word in self._words]
        kinds = {mark: kind for kind, mark in enumerate(dict.fromkeys(marks))}
        self._kind = np.array([kinds[mark] for mark in marks], np.int64)
        self._aged = {kind for mark, kind in kinds.items() if None in mark}
        self._told: dict[tuple[int, ...], tuple[int, ...] | None] = {}

    def codes(self, query: Sequence[str]) -> tuple[int, ...]:
        """Per topic the number of the matching category, from 1, or 0; the specification."""
        return tuple(rules.code(query) for rules in self._rules)

    def told(self, lines: Offsets, words: Offsets) -> Iterator[tuple[int, tuple[int, ...] | None]]:
        """The codes of each line in which the sieve found words; ``lines`` are in rising order.

        None where one may be of an age: then what stands between the words matters, too.
        """
        first = np.flatnonzero(np.diff(lines, prepend=-1))
        last = np.append(first, len(lines))[1:]
        spans = np.stack((lines[first], first, last), axis=1).tolist()
        kinds, found = self._kind[words].tolist(), words.tolist()
        for line, low, high in spans:
            kind = tuple(kinds[low:high])
            if kind not in self._told:
                if len(self._told) >= KNOWN:
                    self._told.clear()
                aged = not self._aged.isdisjoint(kind)
                query = [self._words[number] for number in found[low:high]]
                self._told[kind] = None if aged else self.codes(query)
            yield line, self._told[kind]


def _sieve_words(rules: _Rules) -> Iterable[str]:
    yield from rules.words
    yield from rules.suffixes
    if rules.ages is not None:
        numbers = range(rules.ages.minimum, rules.ages.maximum + 1)
        for number, suffix in product(numbers, rules.suffixes):
            yield f"{number}{suffix}"
            yield f"{number:02d}{suffix}"
