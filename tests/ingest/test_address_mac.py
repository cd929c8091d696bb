"""The pseudonyms are AES-256-CMAC, by the vectors and by another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.address_mac import _gf128_double, pseudonyms

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
"""Key of RFC 4493, section 4."""
L, K1, K2 = (
    bytes.fromhex(text)
    for text in (
        "7df76b0c1ab899b33e42f047b91b546f",
        "fbeed618357133667c85e08f7236a8de",
        "f7ddac306ae266ccf90bc11ee46d513b",
    )
)
MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


def cmac(key: bytes, message: bytes) -> bytes:
    """The library's own CMAC."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


@pytest.mark.parametrize(
    ("size", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_the_library_follows_rfc_4493(size: int, mac: str) -> None:
    """The implementation that ours is compared with gives the vectors of the RFC."""
    assert cmac(KEY, MESSAGE[:size]) == bytes.fromhex(mac)


def test_subkeys_follow_rfc_4493() -> None:
    """Doubling gives K1 from L, and K2 from K1, as the RFC prints them."""
    assert _gf128_double(L) == K1
    assert _gf128_double(K1) == K2
    assert _gf128_double(bytes(16)) == bytes(16)
    assert _gf128_double(b"\x80" + bytes(15)) == bytes(15) + b"\x87"


def test_one_block_is_one_encryption() -> None:
    """For 16 bytes the RFC's method is AES(message xor K1)."""
    cipher = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor()
    assert cipher.update(bytes(16)) == L
    mixed = bytes(a ^ b for a, b in zip(MESSAGE[:16], K1, strict=True))
    assert cipher.update(mixed) == cmac(KEY, MESSAGE[:16])


@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=16, max_size=16), max_size=20),
)
def test_the_column_is_the_cmac_of_each_address(key: bytes, addresses: list[bytes]) -> None:
    """Every pseudonym is the first 64 bits of the library's AES-256-CMAC, in order."""
    column = np.frombuffer(b"".join(addresses), np.uint8).reshape(-1, 16)
    result = pseudonyms(column, key)
    assert result.dtype == np.uint64
    assert result.tolist() == [int.from_bytes(cmac(key, a)[:8], "big") for a in addresses]


def test_a_slice_of_a_column_is_hashed_like_a_copy() -> None:
    """Strides make no difference."""
    column = np.arange(160, dtype=np.uint8).reshape(10, 16)
    key = bytes(range(32))
    assert pseudonyms(column[::3], key).tolist() == pseudonyms(column[::3].copy(), key).tolist()
    assert pseudonyms(column, key).tolist()[::3] == pseudonyms(column[::3], key).tolist()


def test_another_key_gives_other_pseudonyms() -> None:
    """No pseudonym of 256 addresses survives a change of key."""
    column = np.zeros((256, 16), np.uint8)
    column[:, 10:12] = 255
    column[:, 12:] = (192, 0, 2, 0)
    column[:, 15] = np.arange(256)
    first, two = (set(pseudonyms(column, bytes([k]) * 32).tolist()) for k in (1, 2))
    assert len(first) == len(two) == 256
    assert not first & two


def test_only_keys_of_256_bits_are_taken() -> None:
    """A short key is an error, never a weaker hash."""
    with pytest.raises(ValueError, match=r"[Kk]ey"):
        pseudonyms(np.zeros((1, 16), np.uint8), bytes(16))
