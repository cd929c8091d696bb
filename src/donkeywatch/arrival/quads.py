"""IPv4 addresses of a block as a column, without a look at each of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from donkeywatch.arrival.addresses import MAPPED
from donkeywatch.arrival.columns import MASKS, Block, Mask, Offsets, rows
from donkeywatch.arrival.pseudonyms import Addresses


def _octets() -> npt.NDArray[np.uint16]:
    """Value and length (high byte) of an octet, by the low five bits of its three characters.

    Length 0 is no octet. A leading zero means octal to some readers: the line reader refuses it.
    """
    table = np.zeros(1 << 15, np.uint16)
    others = [code for code in range(32) if not 16 <= code <= 25]
    for value in range(256):
        codes = [ord(digit) & 31 for digit in str(value)]
        seconds = [codes[1]] if len(codes) > 1 else others
        for second in seconds:
            thirds = [codes[2]] if len(codes) > 2 else others if len(codes) > 1 else range(32)
            for third in thirds:
                table[codes[0] | second << 5 | third << 10] = len(codes) << 8 | value
    return table


_OCTETS = _octets()
_CHARACTERS = np.uint64(0xE0E0E0E0E0E0E0E0)
_DIGITS = np.uint64(0x2020202020202020)
_FULL = np.uint64(64)


def quads(block: Block, start: Offsets, closing: int) -> tuple[Addresses, Offsets, Mask]:
    """IPv4 addresses as 16 bytes, where each ends, and which are dotted quads before ``closing``.

    The table knows characters by five bits alone; that they are digits and dots is asked of
    the other three, of all characters together. The sixteen bytes from an address on are two
    words, which are shifted by each octet that is read.
    """
    low, high, *_ = rows(block.data, start).T
    plain = [(words ^ _DIGITS) & _CHARACTERS for words in (low, high)]
    found = np.empty((len(start), 16), np.uint8)
    found[:, :12] = np.frombuffer(MAPPED, np.uint8)
    good: Mask = np.ones(len(start), bool)
    size = np.full(len(start), 3, np.uint16)
    for octet in range(4):
        three = low.astype(np.uint32)
        entry = _OCTETS[(three & 31) | (three >> 3 & 0x3E0) | (three >> 6 & 0x7C00)]
        length = entry >> 8
        found[:, 12 + octet] = entry.astype(np.uint8)
        bits = length.astype(np.uint64) << 3
        behind = low >> bits
        good &= (length > 0) & (behind.astype(np.uint8) == (ord(".") if octet < 3 else closing))
        size += length
        if octet < 3:
            bits += 8
            low = low >> bits | high << (_FULL - bits)
            high = high >> bits
    end = start + size
    odd = plain[0] & MASKS[np.minimum(size, 8)]
    odd |= plain[1] & MASKS[np.maximum(size, 8) - 8]
    good &= odd == 0
    return found, end, good
