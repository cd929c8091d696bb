"""Bytes of a block, gathered and compared at many places at once, eight at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEWLINE = 10
PADDING = 96
"""Bytes that may be read behind the end of a block."""
GATHER_BYTES = 32
"""Bytes that are looked at together from where something begins."""
HIGH = np.uint64(0x8080808080808080)
LOW = np.uint64(0x7F7F7F7F7F7F7F7F)


def byte_mask(count: int) -> np.uint64:
    """A mask of the first bytes of a word."""
    return np.uint64((1 << 8 * min(count, 8)) - 1)


MASKS: Words = np.array([byte_mask(count) for count in range(9)], np.uint64)
"""Masks of the first 0 to 8 bytes of a word."""


def pack_word(text: bytes) -> np.uint64:
    """Up to eight bytes as they stand in a word, the first one lowest."""
    return np.uint64(int.from_bytes(text[:8], "little"))


class Block:
    """The bytes of a block and its lines: ``start`` and ``end`` (without line feed).

    ``data`` has PAD zeros behind the last byte; it is never changed.
    """

    def __init__(self, data: Bytes) -> None:
        self.data = data
        newlines = indices_of(data == NEWLINE)
        size = len(data) - PADDING
        if size and data[size - 1] != NEWLINE:
            newlines = np.append(newlines, size)
        self.end: Offsets = newlines
        self.start: Offsets = np.empty_like(newlines)
        self.start[:1] = 0
        self.start[1:] = newlines[:-1] + 1

    def __len__(self) -> int:
        return len(self.start)

    def text(self, start: int, end: int) -> bytes:
        """Some of its bytes."""
        return self.data[start:end].tobytes()

    def line(self, i: int) -> bytes:
        """One line, as it was written."""
        return self.text(int(self.start[i]), int(self.end[i]))

    def lines_containing(self, text: bytes) -> Offsets:
        """The lines in which a short text stands, in rising order, once for each place.

        It has two bytes or more, by the last two of which it is looked for.
        """
        matches = self.data == text[-1]
        matches[1:] &= self.data[:-1] == text[-2]
        at = np.maximum(indices_of(matches) - len(text) + 1, 0)
        return np.searchsorted(self.start, at[matches_at(self.data, at, text)], "right") - 1


def with_padding(raw: bytes | memoryview) -> Bytes:
    """A copy of some bytes, with PAD zeros behind them."""
    data: Bytes = np.empty(len(raw) + PADDING, np.uint8)
    data[: len(raw)] = np.frombuffer(raw, np.uint8)
    data[len(raw) :] = 0
    return data


def indices_of(mask: Mask) -> Offsets:
    """Where a mask is true, as `np.flatnonzero`; in half the time where few of many are."""
    whole = mask[: len(mask) & ~7].view(np.uint64)
    nonzero_words = np.flatnonzero(whole != 0)
    ones = whole[nonzero_words]
    if int(np.bitwise_count(ones).sum()) == len(nonzero_words):
        indices = (nonzero_words << 3) + (np.bitwise_count(ones - np.uint64(1)) >> 3)
    else:
        inside = np.flatnonzero(ones.view(bool))
        indices = (nonzero_words << 3)[inside >> 3] + (inside & 7)
    rest = np.flatnonzero(mask[len(whole) << 3 :]) + (len(whole) << 3)
    return np.concatenate((indices, rest)) if len(rest) else indices


def gather_rows(data: Bytes, at: Offsets, size: int = GATHER_BYTES) -> Words:
    """The words of ``size`` bytes from some offsets on, a row for each: as quick as one word."""
    every = np.ndarray((len(data) - size,), f"V{size}", data, 0, (1,))
    return every[at].view("<u8").reshape(-1, size >> 3)


def gather_spans(data: Bytes, start: Offsets, end: Offsets) -> tuple[Bytes, Offsets]:
    """The bytes of some spans one behind the other, and where each span begins in them."""
    size = end - start
    stop = np.cumsum(size)
    begin = stop - size
    place = np.repeat(start - begin, size)
    place += np.arange(len(place))
    return data.take(place, mode="clip"), begin  # Places that need no check are taken sooner.


def unaligned_words(data: Bytes) -> Words:
    """The eight bytes that begin at each of the offsets, PAD bytes before the end excepted."""
    return np.ndarray((len(data) - 8,), "<u8", data, 0, (1,))


def matches_at(data: Bytes, at: Offsets, text: bytes) -> Mask:
    """Where a text stands at some offsets."""
    mismatch = np.zeros(len(at), np.uint64)
    for i in range(0, len(text), GATHER_BYTES):
        piece = text[i : i + GATHER_BYTES]
        if len(piece) <= 8:
            mismatch |= (unaligned_words(data)[at + i] ^ pack_word(piece)) & byte_mask(len(piece))
            continue
        bytes_there = gather_rows(data, at + i if i else at, len(piece) + 7 & ~7).T
        for k, part in enumerate(piece[j : j + 8] for j in range(0, len(piece), 8)):
            mismatch |= (bytes_there[k] ^ pack_word(part)) & byte_mask(len(part))
    same: Mask = mismatch == 0
    return same
