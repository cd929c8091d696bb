"""Lines, stamps and addresses of a block as columns, eight bytes at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import MINUTE, SECOND
from donkeywatch.counting.observations import Times
from donkeywatch.ingest.timestamps import Timestamp

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEWLINE = 10
PADDING = 96
"""Bytes that may be read behind the end of a block."""
GATHER_BYTES = 32
"""Bytes that are looked at together from where something begins."""
MINUTES = 16
"""Bytes of a stamp up to its minute, as in ``2026-11-23T10:44``."""
ZONE = 6
"""Bytes of the longest zone, as in ``+01:00``."""
HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)


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


@dataclass(frozen=True, slots=True)
class TimestampLayout:
    """How the stamps of a block are written: all alike, but for their digits.

    ``length`` is in bytes; ``separator`` stands before three digits of a fraction, or is empty;
    ``zone`` is what follows.
    """

    length: int
    separator: bytes
    zone: bytes

    @classmethod
    def of(cls, stamp: bytes) -> TimestampLayout | None:
        """The shape of a stamp that begins like ISO 8601; None when columns cannot read it."""
        fraction = stamp[19:20] in (b".", b",")
        zone = stamp[23:] if fraction else stamp[19:]
        if len(stamp) < 19 or len(zone) > ZONE or (fraction and not stamp[20:23].isdigit()):
            return None
        if zone[:1].isdigit() or stamp[4:5] != b"-":
            return None
        return cls(len(stamp), stamp[19:20] if fraction else b"", zone)


def parse_timestamps(
    block: Block, start: Offsets, shape: TimestampLayout, read: Callable[[bytes], Timestamp | str]
) -> tuple[Times, Times, Mask]:
    """Times and their second readings (ms), and which stamps have the shape and are real.

    ``read`` is asked once for each run of stamps in the same minute.
    """
    first_word, two, seconds, _ = gather_rows(block.data, start).T
    new = np.empty(len(start), bool)
    new[:1] = True
    new[1:] = (first_word[1:] != first_word[:-1]) | (two[1:] != two[:-1])
    minute_runs = np.flatnonzero(new)
    minutes = [_minute(block, int(start[i]), shape, read) for i in minute_runs]
    length = np.diff(np.append(minute_runs, len(start)))
    base = np.repeat(np.array([minute[0] for minute in minutes], np.int64), length)
    other = np.repeat(np.array([minute[1] for minute in minutes], np.int64), length)
    offset, valid = _seconds(seconds, shape)
    valid &= base >= 0
    at = shape.length - len(shape.zone)
    if len(shape.zone) > 1 or not shape.separator:
        valid &= matches_at(block.data, start + at, shape.zone)
    return base + offset, other + offset, valid


def _minute(
    block: Block, at: int, shape: TimestampLayout, read: Callable[[bytes], Timestamp | str]
) -> tuple[int, int]:
    """The moments at which a minute begins; negative when there is none, or not a whole one."""
    moment = read(block.text(at, at + MINUTES) + b":00" + shape.zone)
    if isinstance(moment, str) or moment.time % MINUTE:
        return -1, -1
    return moment.time, moment.fold_time


def _seconds(digits_found: Words, shape: TimestampLayout) -> tuple[Times, Mask]:
    """Milliseconds into the minute of ``:SS`` or ``:SS.mmm``, and which are well formed."""
    pattern, limits, _ = _pattern(shape.separator, shape.zone[:1])
    digits = digits_found ^ pattern
    valid = (((digits & _LOW) + limits) | digits) & HIGH & _compared_bytes(shape) == 0
    low = digits.view(np.int64)
    second = ((low >> 8) & 15) * 10 + ((low >> 16) & 15)
    valid &= second < 60
    total = second * SECOND
    if shape.separator:
        total += ((low >> 32) & 15) * 100 + ((low >> 40) & 15) * 10 + ((low >> 48) & 15)
    return total, valid


def _compared_bytes(shape: TimestampLayout) -> np.uint64:
    """The bytes of the word that are looked at: the zone's first one too, if it is in it."""
    return byte_mask((7 if shape.separator else 3) + bool(shape.zone))


@lru_cache(maxsize=8)
def _pattern(separator: bytes, zone: bytes) -> tuple[np.uint64, np.uint64, int]:
    """Give what the word holds apart from digits, and what makes too large a byte overflow.

    Exclusive-or with the pattern leaves 0-9 of a digit and 0 of anything else; adding 0x76 (or
    0x7F) sets the highest bit of what is larger.
    """
    text = (b":00" + separator + (b"000" if separator else b"") + zone).ljust(8, b"\0")[:8]
    limits = bytes(0x76 if byte == ord("0") else 0x7F for byte in text)
    return pack_word(text), pack_word(limits), len(text)
