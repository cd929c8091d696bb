"""Finds words that differ from an entry by one letter, for entries that ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from donkeywatch.ingest.extended.age_search import Word
from donkeywatch.ingest.extended.evidence import EDITED
from donkeywatch.ingest.extended.term_search import TermMatch
from donkeywatch.ingest.extended.terms import Term


class NearMatches:
    """Entries by what is left of them when one letter is taken away.

    Two words differ by one letter more, less or other only if one of them, or what is left of it
    without some letter, is among what is left of the other (Garbe 2012, symmetric deletion).
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms: dict[str, set[Term]] = defaultdict(set)
        for term in terms:
            if term.is_edited:
                for rest in (term.word, *_shortened(term.word)):
                    self._terms[rest].add(term)
        self._longest = max(map(len, self._terms), default=0) + 1

    def matches(self, words: Sequence[Word]) -> Iterator[TermMatch]:
        """Words at a distance of one letter, each with the entries it is near to."""
        if not self._terms:
            return
        for word in words:
            if len(word.text) > self._longest:
                continue
            near = {
                term
                for rest in (word.text, *_shortened(word.text))
                for term in self._terms.get(rest, ())
            }
            for term in sorted(near, key=lambda term: (term.group, term.word)):
                if _differ_by_one(word.text, term.word):
                    yield TermMatch(word.start, word.end, EDITED, term)


def _shortened(word: str) -> Iterator[str]:
    """A word without each of its letters."""
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _differ_by_one(word: str, other: str) -> bool:
    """Tell whether two words differ by one letter more, less or other."""
    if len(word) == len(other):
        return sum(a != b for a, b in zip(word, other, strict=True)) == 1
    longer, shorter = (word, other) if len(word) > len(other) else (other, word)
    return len(longer) == len(shorter) + 1 and shorter in _shortened(longer)
