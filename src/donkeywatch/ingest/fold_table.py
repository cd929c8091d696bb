"""Folding many texts at once: the rules of `normalisation`, a character at a time, by table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from donkeywatch.ingest.normalisation import fold_spaced

CodePoints = npt.NDArray[np.uint32]
"""Code points."""

FEED, SPACE = 10, 32
_EXPANDS, _DELETED = 1 << 31, (1 << 31) - 1
"""What the table has in place of a character: that there are several, with their number in a list
of them, or that there is none. Above every code point."""


class FoldTable:
    """Maps each character to its folded form; filled when needed, 256 characters at a time.

    Case folding and compatibility decomposition look at single characters, and the marks whose
    order normalisation changes are removed: a text folds to what its characters fold to.
    """

    def __init__(self, fold_character: Callable[[str], str] = fold_spaced) -> None:
        self._fold_character = fold_character
        # Zeros that are never touched need no memory; they stand for what is not known yet, since
        # the character of number 0 folds to a space.
        self._table: CodePoints = np.zeros(0x110000, np.uint32)
        self._several: list[str] = []

    def fold(self, codes: CodePoints) -> CodePoints:
        """Folded, separators as single spaces; line feeds stay."""
        if not len(codes):
            return codes
        folded = self._table.take(codes, mode="clip")
        if not folded.min():
            for page in sorted(set((codes[folded == 0] >> 8).tolist())):
                self._fill_page(page)
            folded = self._table.take(codes, mode="clip")
        largest = int(folded.max())
        if largest >= _EXPANDS:
            folded = self._expand(folded)
            largest = _DELETED
        return folded[folded != _DELETED] if largest == _DELETED else folded

    def _expand(self, folded: CodePoints) -> CodePoints:
        """With all the characters of those that become several."""
        several = folded >= _EXPANDS
        numbers = folded[several] - np.uint32(_EXPANDS)
        length = np.ones(len(folded), np.int64)
        length[several] = np.array([len(text) for text in self._several])[numbers]
        result = np.repeat(folded, length)
        starts = (np.cumsum(length) - length)[several]
        for number in sorted(set(numbers.tolist())):
            at = starts[numbers == number]
            for k, character in enumerate(self._several[number]):
                result[at + k] = ord(character)
        return result

    def _fill_page(self, page: int) -> None:
        for code in range(page << 8, (page + 1) << 8):
            text = self._fold_character(chr(code))
            if len(text) > 1:
                self._table[code] = _EXPANDS + len(self._several)
                self._several.append(text)
            else:
                self._table[code] = ord(text) if text else _DELETED


def code_points(text: str) -> CodePoints:
    """The characters of a text as numbers; a lone surrogate is one that is no letter."""
    raw = text.encode("utf-32-le", "surrogatepass")
    return np.frombuffer(raw, "<u4").astype(np.uint32, copy=False)


def to_text(codes: CodePoints) -> str:
    """The text of some characters."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
