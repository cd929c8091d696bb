"""Letters that pass for one another, as one class: look-alikes, digits and signs for letters."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from importlib import resources

from donkeywatch.ingest.normalisation import TOKEN, fold

SEPARATOR, HIDDEN = "\0", "\1"
"""Classes of what stands between words, and of what is left out or replaced first."""
LETTERS_OF_DIGITS = dict(zip("0123456789", "oizeasgtbg", strict=True))
LETTERS_OF_SIGNS = {"@": "a", "$": "s", "!": "i", "|": "i", "\u20ac": "e", "\u00a5": "y"}
MERGED_LETTERS = {"l": "i"}
"""A small l, a capital i, the digit 1 and a bar are written for one another."""
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u3164\uffa0")
"""Invisible characters (Default_Ignorable_Code_Point) whose category is not that of a format."""


def is_invisible(letter: str) -> bool:
    """Tell whether a character shows nothing: joiners, marks of direction, tags, fillers."""
    return unicodedata.category(letter) == "Cf" or letter in FILLERS


class _VisibleText(dict[int, int | str | None]):
    """A table for ``str.translate``: nothing invisible, and digits of any script as ASCII."""

    def __missing__(self, letter: int) -> int | str | None:
        text = chr(letter)
        digit = unicodedata.decimal(text, None)
        kept = None if is_invisible(text) else letter if digit is None else str(digit)
        self[letter] = kept
        return kept


class _Classes(dict[int, str]):
    """A table for ``str.translate``: the class of each folded character, one character long.

    What `VISIBLE` would change has the class `HIDDEN`.
    """

    def __missing__(self, letter: int) -> str:
        is_kept = VISIBLE[letter] == letter or chr(letter) in "0123456789"
        self[letter] = result = _letter_class(chr(letter)) if is_kept else HIDDEN
        return result


VISIBLE, CLASSES = _VisibleText(), _Classes()


def fold_disguised(text: str) -> str:
    """Fold case, accents, compatibility forms and digits, and drop what is invisible."""
    return reveal(fold(text))


def reveal(folded: str) -> str:
    """Drop what is invisible in a folded text, and write digits of any script as ASCII."""
    return folded if folded.isascii() else folded.translate(VISIBLE)


def classify_letters(folded: str) -> str:
    """The class of each character of a folded text, as a text of the same length."""
    return folded.translate(CLASSES)


def fold_word(text: str) -> str:
    """The letters and digits of an entry, folded, as one word."""
    return "".join(TOKEN.findall(fold_disguised(text)))


def search_pattern(text: str) -> str:
    """Give the letter classes of an entry without repetitions, which it is searched by."""
    return squeeze(classify_letters(fold_disguised(text)))


def squeeze(classes: str) -> str:
    """Classes without separators and repetitions."""
    kept = []
    before = ""
    for letter in classes:
        if letter not in (SEPARATOR, before):
            kept.append(letter)
            before = letter
    return "".join(kept)


def _letter_class(letter: str) -> str:
    if letter in LETTERS_OF_SIGNS:
        return LETTERS_OF_SIGNS[letter]
    if not letter.isalnum():
        return SEPARATOR
    if not letter.isascii():
        letter = _ascii_look_alike(letter)
    return MERGED_LETTERS.get(letter) or LETTERS_OF_DIGITS.get(letter, letter)


def _ascii_look_alike(letter: str) -> str:
    """The ASCII letter that a letter, small or as a capital, is confused with; else itself."""
    for form in (letter, letter.upper()):
        prototype = fold(_prototypes().get(form, ""))
        if len(prototype) == 1 and prototype.isascii() and prototype.isalnum():
            return prototype
    return letter


@cache
def _prototypes() -> dict[str, str]:
    """Prototypes of confusable characters of Unicode Technical Standard 39, section 4.

    The data that the library holds names for each character the others of its kind; a character
    that stands for one other is a source of the original table, or the only one of its prototype.
    """
    file = resources.files("confusable_homoglyphs") / "confusables.json"
    homoglyphs = json.loads(file.read_text("utf-8"))
    prototypes = {}
    for letter, kind in homoglyphs.items():
        if len(kind) == 1:
            other = kind[0]["c"].strip("\u200e")
            if len(homoglyphs.get(other, ())) > 1 or other < letter:
                prototypes[letter.strip("\u200e")] = other
    return prototypes
