"""Copies one field of each line of a block into an aligned buffer, to be searched faster."""

from __future__ import annotations

import numpy as np

from donkeywatch.ingest.byte_columns import (
    HIGH,
    PADDING,
    Bytes,
    Mask,
    Offsets,
    Words,
    gather_rows,
    pack_word,
    unaligned_words,
)

ALIGN_SHIFT = 5
ALIGNMENT = 1 << ALIGN_SHIFT
"""Every field begins at a multiple of so many bytes."""
_BLANK = pack_word(b" " * 8)


class PackedFields:
    """Fields one behind the other: ``start`` and ``end`` are where each stands in ``data``.

    Behind each stands at least one byte of what followed it in the block, and up to the next
    field what came then. ``data`` is theirs: what shall not be seen in it is blanked out.
    """

    def __init__(self, data: Bytes, start: Offsets, end: Offsets) -> None:
        """``start`` and ``end`` in ``data``, which has PAD bytes behind the last one."""
        size = np.maximum(end - start, 0)
        units = (size >> ALIGN_SHIFT) + 1
        units[-1:] += PADDING >> ALIGN_SHIFT
        first = np.cumsum(units) - units
        self.start: Offsets = first << ALIGN_SHIFT
        self.end: Offsets = self.start + size
        place = np.repeat(start - self.start, units)
        place += np.arange(0, ALIGNMENT * len(place), ALIGNMENT)
        place[-(PADDING >> ALIGN_SHIFT) :] = (
            len(data) - ALIGNMENT - 1
        )  # Behind the last field there is nothing.
        self.data: Bytes = gather_rows(data, place, ALIGNMENT).view(np.uint8).ravel()
        self._line = np.repeat(np.arange(len(start), dtype=np.int32), units)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def words(self) -> Words:
        """The eight bytes that begin at each offset."""
        return unaligned_words(self.data)

    def overwrite_with_spaces(self, at: Offsets, size: int) -> None:
        """Put spaces in place of ``size`` bytes at some offsets."""
        if size < 8:
            for place in range(size):
                self.data[at + place] = ord(" ")
            return
        for place in (*range(0, size - 8, 8), size - 8):
            self.words[at + place] = _BLANK

    def line_of_offset(self, offsets: Offsets) -> Offsets:
        """In which lines' fields some offsets lie."""
        return self._line.take(offsets >> ALIGN_SHIFT, mode="clip").astype(np.int64)

    def count_per_line(self, offsets: Offsets) -> Offsets:
        """Count the offsets that lie in the field of each line."""
        return np.bincount(
            self._line.take(offsets >> ALIGN_SHIFT, mode="clip"), minlength=len(self)
        )

    def non_ascii_lines(self) -> Mask:
        """Lines that may have bytes beyond ASCII; those that are not named have none."""
        high = (self.data.view("<u8") & HIGH) != 0
        nonzero = np.flatnonzero(high.view(np.uint32))  # The four words of a unit at once.
        has_non_ascii = np.zeros(len(self), bool)
        has_non_ascii[self._line.take(nonzero, mode="clip")] = True
        return has_non_ascii
