"""A query as one run of letter classes, in which an entry stands however it is spaced out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from donkeywatch.ingest.extended.letter_classes import (
    SEPARATOR,
    classify_letters,
    reveal,
)


@dataclass(frozen=True, slots=True)
class SearchStream:
    """Letter classes of a query without separators and repetitions.

    ``folded`` is the query, ``classes`` the class of each of its characters, ``letters`` what is
    searched, and ``first`` where each of these letters stands first in the query.
    """

    folded: str
    classes: str
    letters: str
    first: list[int]

    @classmethod
    def of(cls, folded: str) -> SearchStream:
        """Leave out separators and repetitions of a folded query."""
        folded = reveal(folded)
        classes = classify_letters(folded)
        letters, first, before = [], [], ""
        for at, letter in enumerate(classes):
            if letter not in (SEPARATOR, before):
                letters.append(letter)
                first.append(at)
                before = letter
        return cls(folded, classes, "".join(letters), first)

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where in the query the letters from ``start`` to before ``end`` may stand.

        The first and the last of them may be repeated, and what repeats them may belong to another
        word or be a sign behind the word: each span begins and ends at a place where it may.
        """
        for begin in self._starts(start):
            for stop in self._ends(end - 1):
                if begin < stop:
                    yield begin, stop

    def _run(self, letter: int) -> tuple[int, int]:
        """Where a letter and its repetitions stand, and separators between them."""
        begin = self.first[letter]
        behind = self.first[letter + 1] if letter + 1 < len(self.first) else len(self.classes)
        while self.classes[behind - 1] == SEPARATOR:
            behind -= 1
        return begin, behind

    def _starts(self, letter: int) -> list[int]:
        begin, behind = self._run(letter)
        piece = self.classes.rfind(SEPARATOR, begin, behind) + 1
        return list(dict.fromkeys((begin, max(begin, piece), behind - 1)))

    def _ends(self, letter: int) -> list[int]:
        begin, behind = self._run(letter)
        piece = self.classes.find(SEPARATOR, begin, behind)
        return list(dict.fromkeys((behind, piece if piece >= 0 else behind, begin + 1)))
