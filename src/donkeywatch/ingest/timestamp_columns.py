"""Stamps of all lines of a block as columns, by one layout that fits them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from donkeywatch.counting.calendar import MINUTE, SECOND
from donkeywatch.counting.observations import Times
from donkeywatch.ingest.byte_columns import (
    HIGH,
    LOW,
    Block,
    Mask,
    Offsets,
    Words,
    byte_mask,
    gather_rows,
    matches_at,
    pack_word,
)
from donkeywatch.ingest.timestamps import Timestamp

MINUTES = 16
"""Bytes of a stamp up to its minute, as in ``2026-11-23T10:44``."""
ZONE = 6
"""Bytes of the longest zone, as in ``+01:00``."""


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
    valid = (((digits & LOW) + limits) | digits) & HIGH & _compared_bytes(shape) == 0
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
