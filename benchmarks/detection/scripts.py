"""Nonsense words with the structure of twelve scripts, made from a seed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Script:
    """Letters that begin syllables and letters that end them; ``spaced`` puts spaces between words.

    ``entry_onsets`` begin the first syllable of entries of a word list, and of no other word.
    """

    name: str
    entry_onsets: tuple[str, ...]
    onsets: tuple[str, ...]
    nuclei: tuple[str, ...]
    syllables: tuple[int, int] = (3, 4)
    spaced: bool = True

    def word(self, rng: Random, *, entry: bool = False) -> str:
        """A word, of an entry or of an ordinary search."""
        count = rng.randint(*self.syllables)
        first = rng.choice(self.entry_onsets if entry else self.onsets) + rng.choice(self.nuclei)
        return first + "".join(
            rng.choice(self.onsets) + rng.choice(self.nuclei) for _ in range(count - 1)
        )


def _letters(first: str, last: str) -> tuple[str, ...]:
    every = map(chr, range(ord(first), ord(last) + 1))
    return tuple(letter for letter in every if unicodedata.category(letter).startswith("L"))


SCRIPTS = (
    Script("Latin", ("zq", "qv", "xk"), tuple("kmtvgnrhfj"), tuple("aeou")),
    Script("Cyrillic", ("ъщ", "щъ"), tuple("бдгжзлмн"), tuple("аиоуы")),
    Script("Greek", ("ξψ", "ψξ"), tuple("γδθλπσφ"), tuple("αεωη")),
    Script("Armenian", ("ճժ", "ժճ"), tuple("բգդզթլկ"), tuple("աեըի")),
    Script("Georgian", ("ჟჭ", "ჭჟ"), tuple("ბგდვზკლ"), tuple("აეიოუ")),
    Script("Hebrew", ("צק", "קצ"), tuple("בגדמנפשת"), tuple("איהח"), (3, 4)),
    Script("Arabic", ("ظض", "ضظ"), tuple("بتجدرسفكم"), tuple("اوي"), (3, 4)),
    Script("Devanagari", ("झठ", "ठझ"), tuple("कगजतदनपमरल"), tuple("बभषस"), (3, 4)),
    Script("Thai", ("ฌฐ", "ฐฌ"), tuple("กคงจดตนบมร"), tuple("าอว"), (3, 4), spaced=False),
    Script("Hangul", ("뾟", "쀍"), tuple("가나다라마바사자"), ("",), (3, 4)),
    Script("Katakana", ("ヌヱ", "ヱヌ"), tuple("カサタナハマラ"), ("",), (3, 5), spaced=False),
    Script("Han", ("㐂", "㐃", "㐄"), _letters("㐆", "㒿"), ("",), (3, 4), spaced=False),
)
"""Of each the first word of a search must be by chance no word of a language: three syllables."""


def distinct_words(count: int, make: Callable[[], str], taken: set[str]) -> tuple[str, ...]:
    """So many words that are not among those taken, which then are."""
    words: list[str] = []
    while len(words) < count:
        word = make()
        if word not in taken:
            taken.add(word)
            words.append(word)
    return tuple(words)
