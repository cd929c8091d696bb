"""From the bytes of a query to its tokens, as the profile ``paper`` compares them."""

from __future__ import annotations

import re
import unicodedata

NORMALISATION = "paper-1"
"""Version of the rules below; a change of it is a break in the series."""

TOKEN = re.compile(r"[^\W_]+")
SEPARATOR = re.compile(r"[^\w\n]|_")
ASCII_FOLD = bytes(
    byte if byte >= 0x80 else ord(chr(byte).lower()) if chr(byte).isalnum() else 0x20
    for byte in range(256)
)
"""Table for ``bytes.translate``: letters and digits folded, everything else of ASCII a space."""


class _CombiningMarks(dict[int, int | None]):
    """A table for ``str.translate`` that removes combining marks, filled as letters occur."""

    def __missing__(self, letter: int) -> int | None:
        kept = None if unicodedata.category(chr(letter))[0] == "M" else letter
        self[letter] = kept
        return kept


COMBINING_MARKS = _CombiningMarks()


def decode(raw: bytes, fallback: str) -> str:
    """The text of a query: UTF-8 where it is that, else the declared single-byte encoding."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode(fallback, "replace")


def fold(text: str) -> str:
    """Fold case and accents: casefold, NFKD, without marks, casefold again.

    The second casefold is for compatibility letters that only NFKD turns into capitals.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text.casefold()).translate(COMBINING_MARKS).casefold()


def tokenise(text: str) -> list[str]:
    """Maximal runs of letters and digits of the folded text, in order."""
    return TOKEN.findall(fold(text))


def fold_spaced(text: str) -> str:
    """Folded text whose separators are single spaces; line feeds stay, for many texts at once."""
    return SEPARATOR.sub(" ", fold(text))
