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
    subkey = np.frombuffer(_doubled(cipher.update(bytes(BLOCK))), np.uint64)
    halves = np.ascontiguousarray(addresses).view(np.uint64)
    messages = np.empty_like(halves)
    for half in range(2):  # One behind the other: numpy is slow on rows of two.
        np.bitwise_xor(halves[:, half], subkey[half], out=messages[:, half])
    macs = np.empty(messages.nbytes + BLOCK - 1, np.uint8)  # So much room is asked for.
    done = cipher.update_into(messages.view(np.uint8).reshape(-1).data, macs.data)
    return macs[:done].view(">u8")[::2].astype(np.uint64)


def _doubled(block: bytes) -> bytes:
    """Multiplication by x in GF(2^128), RFC 4493 section 2.3."""
    carry, rest = divmod(int.from_bytes(block, "big") << 1, 1 << 128)
    return (rest ^ 0x87 * carry).to_bytes(BLOCK, "big")
