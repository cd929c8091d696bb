"""AES-256-CMAC (RFC 4493) over a column of 16-byte addresses, one cipher call for all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from donkeywatch.counting.observations import Pseudonyms

AES_BLOCK_BYTES = 16
"""Bytes of an AES block and of an address (IPv4 as ::ffff:a.b.c.d)."""

AddressColumn = npt.NDArray[np.uint8]
"""Shape (n, 16): one address a row, network byte order."""


def pseudonyms(addresses: AddressColumn, key: bytes) -> Pseudonyms:
    """The first 64 bits of the CMAC of each address, big-endian.

    A message of exactly one block has CMAC = AES(message xor K1), K1 being the doubled
    encryption of zero (RFC 4493, sections 2.3 and 2.4).
    """
    if not len(addresses):
        return np.empty(0, np.uint64)
    # Each block is enciphered by itself on purpose: the CMACs of many one-block messages.
    cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305
    subkey = np.frombuffer(_gf128_double(cipher.update(bytes(AES_BLOCK_BYTES))), np.uint64)
    words = np.ascontiguousarray(addresses).view(np.uint64)
    messages = np.empty_like(words)
    for half in range(2):  # One behind the other: numpy is slow on rows of two.
        np.bitwise_xor(words[:, half], subkey[half], out=messages[:, half])
    macs = np.empty(messages.nbytes + AES_BLOCK_BYTES - 1, np.uint8)  # So much room is asked for.
    done = cipher.update_into(messages.view(np.uint8).reshape(-1).data, macs.data)
    return macs[:done].view(">u8")[::2].astype(np.uint64)


def _gf128_double(block: bytes) -> bytes:
    """Multiplication by x in GF(2^128), RFC 4493 section 2.3."""
    carry, rest = divmod(int.from_bytes(block, "big") << 1, 1 << 128)
    return (rest ^ 0x87 * carry).to_bytes(AES_BLOCK_BYTES, "big")
