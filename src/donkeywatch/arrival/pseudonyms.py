"""AES-256-CMAC (RFC 4493) over a column of 16-byte addresses, one cipher call for all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from donkeywatch.counting.observations import Pseudonyms

BLOCK = 16
"""Bytes of an AES block and of an address (IPv4 as ::ffff:a.b.c.d)."""

Addresses = npt.NDArray[np.uint8]
"""Shape (n, 16): one address a row, network byte order."""


def pseudonyms(addresses: Addresses, key: bytes) -> Pseudonyms:
    """The first 64 bits of the CMAC of each address, big-endian.

    A message of exactly one block has CMAC = AES(message xor K1), K1 being the doubled
    encryption of zero (RFC 4493, sections 2.3 and 2.4).
    """
    if not len(addresses):
        return np.empty(0, np.uint64)
    # Each block is enciphered by itself on purpose: the CMACs of many one-block messages.
    cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305
    subkey = np.frombuffer(_doubled(cipher.update(bytes(BLOCK))), np.uint8)
    halves = np.array(addresses, np.uint8).view(np.uint64)
    for half, key_half in zip(halves.T, subkey.view(np.uint64), strict=True):
        half ^= key_half  # One behind the other: numpy is slow on rows of two.
    macs = cipher.update(halves.tobytes())
    return np.frombuffer(macs, ">u8")[::2].astype(np.uint64)


def _doubled(block: bytes) -> bytes:
    """Multiplication by x in GF(2^128), RFC 4493 section 2.3."""
    carry, rest = divmod(int.from_bytes(block, "big") << 1, 1 << 128)
    return (rest ^ 0x87 * carry).to_bytes(BLOCK, "big")
