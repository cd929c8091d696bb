"""IPv4 addresses of a block as a column, without a look at each of them."""

from __future__ import annotations

from itertools import accumulate, product

import numpy as np
import numpy.typing as npt

from donkeywatch.ingest.address_mac import AddressColumn
from donkeywatch.ingest.addresses import IPV4_MAPPED_PREFIX
from donkeywatch.ingest.byte_columns import HIGH, Block, Mask, Offsets, Words, gather_rows

_DIGITS = np.uint64(0x3030303030303030)
_LOW, _LARGE = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x7676767676767676)
"""Exclusive-or leaves 0-9 of a digit; adding 0x76 sets the highest bit of what is larger."""
_GATHER = np.uint64(0x0102040810204080)
"""Brings the lowest bits of eight bytes together in the highest byte, by multiplication."""
_BYTE, _HALF_WORD, _WORD = np.uint64(0xFF), np.uint64(32), np.uint64(64)
_LOW_BYTES = np.uint64(0x000000FF000000FF)
"""The lowest byte of each of two octets, which take a half of a word each."""
_TEN = np.uint64(0x0A01)
"""The second of two digits is added to ten times the first, which is the byte below it."""


def _octet_layouts() -> tuple[npt.NDArray[np.uint8], Words]:
    """Tabulate how long the four octets of an address are, by which of sixteen bytes are no digits.

    ``1.20.3.4,`` has such bytes at 1, 4, 6 and 8. The first array gives a number for such a
    pattern (a bit for each byte), 0 for one that is no address. The second gives for that number
    eight bytes: the bits that each octet takes with the byte behind it (16, 24, 16, 16), and then
    the size of the whole (8).
    """
    number, sizes = np.zeros(1 << 16, np.uint8), [0]
    for octets in product((1, 2, 3), repeat=4):
        ends = [end - 1 for end in accumulate(octet + 1 for octet in octets)]
        # Whatever stands behind them.
        number[sum(1 << end for end in ends) :: 1 << (ends[-1] + 1)] = len(sizes)
        sizes.append(int.from_bytes([*(8 * (octet + 1) for octet in octets), ends[-1]], "little"))
    return number, np.array(sizes, np.uint64)


_NUMBER, _SIZES = _octet_layouts()


def parse_ipv4(
    block: Block, start: Offsets, terminator: int
) -> tuple[AddressColumn, Offsets, Mask]:
    """IPv4 addresses as 16 bytes, where each ends, and which are quads before ``terminator``.

    A leading zero means octal to some readers: the line reader refuses it. The sixteen bytes from
    an address on are two words, which are shifted by each octet that is read.
    """
    pair = gather_rows(block.data, start, 16)
    number = _NUMBER.take(_non_digit_mask(pair), mode="clip")
    sizes, is_quad = _SIZES.take(number, mode="clip"), number > 0
    windows = []
    low, high = pair.T
    for octet in range(4):
        size = (sizes >> np.uint64(8 * octet)) & _BYTE
        is_quad &= (low.astype(np.uint8) != ord("0")) | (size == 16)
        windows.append(low << (_HALF_WORD - size))
        if octet < 3:
            low = low >> size | high << (_WORD - size)
            high = high >> size
    octets = np.empty((len(start), 8), np.uint16)
    octets[:, :6] = np.frombuffer(IPV4_MAPPED_PREFIX, np.uint16)
    for half, following_byte in enumerate((ord("."), terminator)):
        value, valid = _octet_values(windows[2 * half], windows[2 * half + 1], following_byte)
        octets[:, 6 + half] = value
        is_quad &= valid
    return octets.view(np.uint8), start + (sizes >> _HALF_WORD).view(np.int64), is_quad


def _non_digit_mask(pair: Words) -> npt.NDArray[np.uint16]:
    """Tell which of sixteen bytes are no digits, a bit for each."""
    bits = pair ^ _DIGITS
    bits |= (bits & _LOW) + _LARGE
    bits &= HIGH
    bits >>= np.uint64(7)
    bits *= _GATHER
    return np.ascontiguousarray(bits.view(np.uint8)[:, 7::8]).view(np.uint16).ravel()


def _octet_values(first: Words, second: Words, behind: int) -> tuple[npt.NDArray[np.uint16], Mask]:
    """Two octets as two bytes, from the three digits of each, zeros where there are fewer.

    They are in the lower halves of two words, with what stands behind them in the highest byte:
    a point behind the first, and ``behind`` behind the second one. Also says which are fine.
    """
    both = (second << _HALF_WORD) | (first & np.uint64(0xFFFFFFFF))
    points = np.uint64(behind << 56 | ord(".") << 24)
    valid = (both ^ points) & np.uint64(0xFF000000FF000000) == 0
    both &= np.uint64(0x000F0F0F000F0F0F)
    value = both * _TEN >> np.uint64(16) & _LOW_BYTES
    both &= _LOW_BYTES
    both *= np.uint64(100)
    value += both
    valid &= value & ~_LOW_BYTES == 0
    value |= value >> np.uint64(24)
    return value.astype(np.uint16), valid
