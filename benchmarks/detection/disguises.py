"""Kinds of disguise: what a searcher makes of a word; none of it is taken from the detector."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from random import Random

Disguise = Callable[[Random, str], str | None]
"""A disguised word; None where the word cannot be disguised like that."""
LOOK_ALIKES = {
    "a": "а", "c": "с", "e": "е", "o": "о", "p": "р", "x": "х", "y": "у", "i": "і", "j": "ј",
    "s": "ѕ", "h": "һ", "v": "ν", "k": "к", "m": "м", "t": "т", "u": "υ", "α": "a", "ο": "o",
    "а": "a", "о": "o", "с": "c", "е": "e", "у": "y",
}  # fmt: skip
DIGITS_FOR = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7", "g": "9", "z": "2"}
SIGNS_FOR = {"a": "@", "s": "$", "i": "!", "e": "€"}
INVISIBLE = "\u200b\u200c\u200d\u2060\u00ad\u200e\u202a"
SEPARATORS = ".-_*'"


def _case(_: Random, word: str) -> str | None:
    changed = word.upper()
    return changed if changed != word and changed.casefold() == word.casefold() else None


def _accents(rng: Random, word: str) -> str | None:
    marks = "\u0301\u0308\u0300\u0302"
    if not any(letter in "aeouаиоуыαεωη" for letter in word):
        return None
    accented = "".join(
        letter + rng.choice(marks) if letter in "aeouаоуαεωη" else letter for letter in word
    )
    return unicodedata.normalize(rng.choice(("NFC", "NFD")), accented)


def _compatible(rng: Random, word: str) -> str | None:
    if not (word.isascii() and word.islower()):
        forms = unicodedata.normalize("NFD", word)
        return forms if forms != word else None
    start = rng.choice((0xFF41, 0x1D41A, 0x1D5BA, 0x24D0))
    return "".join(chr(start + ord(letter) - ord("a")) for letter in word)


def _replace(rng: Random, word: str, table: Mapping[str, str]) -> str | None:
    places = [at for at, letter in enumerate(word) if letter in table]
    if not places:
        return None
    chosen = set(rng.sample(places, rng.randint(1, min(3, len(places)))))
    return "".join(table[x] if at in chosen else x for at, x in enumerate(word))


def _repeated(rng: Random, word: str) -> str:
    if unicodedata.name(word[-1], "").startswith("HANGUL SYLLABLE"):
        return word + chr(ord(unicodedata.normalize("NFD", word[-1])[1])) * rng.randint(1, 4)
    at = rng.randrange(len(word))
    return word[:at] + word[at] * rng.randint(2, 5) + word[at + 1 :]


def _spaced(rng: Random, word: str) -> str:
    return rng.choice((" ", " ", "  ", ". ")).join(word)


def _separated(rng: Random, word: str) -> str:
    mark = rng.choice(SEPARATORS)
    if rng.random() < 0.5:
        return mark.join(word)
    at = rng.randrange(1, len(word))
    return word[:at] + mark + word[at:]


def _invisible(rng: Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + rng.choice(INVISIBLE) + word[at:]


def _numbered(rng: Random, word: str) -> str:
    number = str(rng.randrange(1000))
    return word + number if rng.random() < 0.6 else number + word


WORD_DISGUISES: dict[str, Disguise] = {
    "plain": lambda _, word: word,
    "case": _case,
    "accents": _accents,
    "compatibility forms": _compatible,
    "look-alikes": lambda rng, word: _replace(rng, word, LOOK_ALIKES),
    "digits for letters": lambda rng, word: (
        _replace(rng, word, DIGITS_FOR) if word.isascii() else None
    ),
    "signs for letters": lambda rng, word: (
        _replace(rng, word, SIGNS_FOR) if word.isascii() else None
    ),
    "repeated letters": _repeated,
    "spaced letters": _spaced,
    "separators inside": _separated,
    "invisible characters": _invisible,
    "beside a number": _numbered,
}
"""Each of them is put on one word of a rule; "plain" is none."""
