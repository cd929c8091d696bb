"""Folding many texts at once: the rules of `text`, a character at a time, by table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from donkeywatch.arrival.text import spaced

Characters = npt.NDArray[np.uint32]
"""Code points."""

FEED, SPACE = 10, 32


class FoldTable:
    """What each character becomes, asked of `text.spaced` a page of 256 at a time.

    Case folding and compatibility decomposition look at single characters, and the marks whose
    order normalisation changes are removed: a text folds to what its characters fold to.
    """

    def __init__(self) -> None:
        # Zeros that are never touched need no memory.
        self._single: Characters = np.zeros(0x110000, np.uint32)
        self._length: npt.NDArray[np.uint8] = np.zeros(0x110000, np.uint8)
        self._known = np.zeros(0x1100, bool)
        self._several: dict[int, str] = {}

    def folded(self, codes: Characters) -> Characters:
        """Folded, separators as single spaces; line feeds stay."""
        pages = codes >> 8
        if not (known := self._known[pages]).all():
            for page in sorted(set(pages[~known].tolist())):
                self._learn(page)
        length = self._length[codes]
        several = np.flatnonzero(length > 1)
        if not len(several):
            single, gone = self._single[codes], length == 0
            return single[~gone] if gone.any() else single
        result = np.repeat(self._single[codes], length)
        starts = np.cumsum(length, dtype=np.int64) - length
        for code in sorted(set(codes[several].tolist())):
            text = self._several[code]
            at = starts[several[codes[several] == code]]
            for k, character in enumerate(text):
                result[at + k] = ord(character)
        return result

    def _learn(self, page: int) -> None:
        self._known[page] = True
        for code in range(page << 8, (page + 1) << 8):
            text = spaced(chr(code))
            self._length[code] = len(text)
            if len(text) == 1:
                self._single[code] = ord(text)
            elif text:
                self._several[code] = text


def code_points(text: str) -> Characters:
    """The characters of a text as numbers; a lone surrogate is one that is no letter."""
    raw = text.encode("utf-32-le", "surrogatepass")
    return np.frombuffer(raw, "<u4").astype(np.uint32, copy=False)


def text_of(codes: Characters) -> str:
    """The text of some characters."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
