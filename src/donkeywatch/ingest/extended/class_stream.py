"""Letter classes of long texts, a character at a time, by table."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from donkeywatch.ingest.byte_columns import Mask
from donkeywatch.ingest.extended.letter_classes import (
    SEPARATOR,
    classify_letters,
    fold_disguised,
    is_invisible,
)
from donkeywatch.ingest.fold_table import SPACE, FoldTable, code_points, to_text
from donkeywatch.ingest.normalisation import fold

INVISIBLE, FOREIGN_DIGIT = 2, 3
"""What stands for an invisible character, and before a digit that `paper` does not know as one."""


def _stream_text(letter: str) -> str:
    """Give the classes of a character in the stream of texts beyond ASCII, or a space."""
    if letter == "\n":
        return letter
    folded = fold(letter)
    if is_invisible(letter):
        return chr(INVISIBLE)
    mark = chr(FOREIGN_DIGIT) if folded.isdecimal() and not folded.isascii() else ""
    return mark + classify_letters(fold_disguised(letter)).replace(SEPARATOR, " ")


STREAM_TABLE = FoldTable(_stream_text)


def stream_letters(text: str) -> str | None:
    """Letter classes of a text without separators and repetitions; None where any is hidden."""
    stream = STREAM_TABLE.fold(code_points(text))
    if INVISIBLE in stream or FOREIGN_DIGIT in stream:
        return None
    stream = stream[stream > SPACE]
    return to_text(stream[differs_from_previous(stream)])


def differs_from_previous(stream: npt.NDArray[Any]) -> Mask:
    """Tell which items differ from the one before."""
    starts = np.ones(len(stream), bool)
    starts[1:] = stream[1:] != stream[:-1]
    return starts
