"""Stamps, addresses and lines of a block as columns; whatever is odd is left to the line reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.arrival.addresses import MAPPED
from donkeywatch.arrival.pseudonyms import Addresses
from donkeywatch.counting.observations import Times
from donkeywatch.counting.windows import DAY, HOUR, MINUTE, SECOND

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TAB, FEED, RETURN, DOT = 9, 10, 13, 46
STAMP = b"0000-00-00T00:00:00.000Z"
"""The shape of the one stamp that is read by columns; 0 stands for any digit."""
QUAD = 15
"""Bytes of the longest dotted quad."""
PAD = 32
"""Bytes that may be read behind the end of a block."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines of a block start and end (exclusive, without line feed), as bytes."""

    data: Bytes
    start: Offsets
    end: Offsets


def lines(block: bytes) -> Lines:
    """Cut a block at its line feeds; the last line may lack one."""
    data = np.frombuffer(block + bytes(PAD), np.uint8)
    feeds = np.flatnonzero(data[: len(block)] == FEED)
    if block and not block.endswith(b"\n"):
        feeds = np.append(feeds, len(block))
    start = np.concatenate((np.zeros(1, np.int64), feeds[:-1] + 1))[: len(feeds)]
    return Lines(data, start, feeds)


def stamps(data: Bytes, start: Offsets) -> tuple[Times, Mask]:
    """Times in ms of the stamps at ``start``, and which of them have the shape of STAMP."""
    text = data[start[:, None] + np.arange(len(STAMP))]
    shape = np.frombuffer(STAMP, np.uint8)
    digit = shape == ord("0")
    digits = text[:, digit] - np.uint8(ord("0"))
    good: Mask = (digits < 10).all(axis=1) & (text[:, ~digit] == shape[~digit]).all(axis=1)
    value = digits.astype(np.int64)

    def number(first: int, last: int) -> Times:
        total: Times = value[:, first]
        for i in range(first + 1, last):
            total = total * 10 + value[:, i]
        return total

    year, month, day = number(0, 4), number(4, 6), number(6, 8)
    hour, minute, second = number(8, 10), number(10, 12), number(12, 14)
    good &= (year >= 2000) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    months = (year - 1970) * 12 + np.where(good, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= day <= following - first
    time = (first + day - 1) * DAY + hour * HOUR + minute * MINUTE + second * SECOND
    return time + number(14, 17), good


def quads(data: Bytes, start: Offsets, end: Offsets) -> tuple[Addresses, Mask]:
    """IPv4 addresses as 16 bytes, and which of the fields are plain dotted quads."""
    count = len(start)
    length = end - start
    good: Mask = (length >= 7) & (length <= QUAD)
    octets = np.zeros((count, 5), np.int64)
    digits = np.zeros(count, np.int64)
    place = np.zeros(count, np.int64)
    every = np.arange(count)
    for i in range(QUAD):
        byte = data[start + i].astype(np.int64)
        inside = i < length
        dot = inside & (byte == DOT)
        digit = inside & ~dot
        good &= ~digit | ((byte >= 48) & (byte <= 57))
        # A leading zero means octal to some readers: the line reader refuses it.
        good &= ~(digit & (digits == 1) & (octets[every, place] == 0))
        good &= ~(dot & (digits == 0))
        octets[every, place] = np.where(
            digit, octets[every, place] * 10 + byte - 48, octets[every, place]
        )
        digits = np.where(dot, 0, digits + digit)
        place = np.minimum(place + dot, 4)
    good &= (place == 3) & (digits > 0) & (octets[:, :4] <= 255).all(axis=1)
    found = np.empty((count, 16), np.uint8)
    found[:, :12] = np.frombuffer(MAPPED, np.uint8)
    found[:, 12:] = np.where(good[:, None], octets[:, :4], 0)
    return found, good
