"""What somebody has who took a state directory, and what may be asked of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from donkeywatch.ingest.address_mac import AddressColumn, pseudonyms
from donkeywatch.sources.fingerprints import keyed_hash

WINDOW_BYTES = 8
"""The first bytes of a hash, or a whole pseudonym, that are looked for."""


def stored_bytes(state: Path, *, keys: bool = False) -> bytes:
    """Give the bytes of every file of a state, those of the key files only where asked for."""
    files = sorted(path for path in state.rglob("*") if path.is_file())
    return b"\0|\0".join(
        path.read_bytes() for path in files if keys or path.suffix != ".key"
    )  # fmt: skip


def windows(stored: bytes) -> set[bytes]:
    """Give every run of eight bytes there is."""
    return {stored[at : at + WINDOW_BYTES] for at in range(len(stored) - WINDOW_BYTES + 1)}


def as_column(addresses: Iterable[bytes | None]) -> AddressColumn:
    """Give packed addresses as the column that is pseudonymised."""
    joined = b"".join(address for address in addresses if address is not None)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def network(prefix: bytes) -> AddressColumn:
    """Give all 65,536 addresses of an IPv4 network of 16 bits."""
    mapped = bytes(10) + b"\xff\xff" + prefix
    return as_column(mapped + host.to_bytes(2, "big") for host in range(1 << 16))


def pseudonym_forms(addresses: AddressColumn, key: bytes) -> Iterator[bytes]:
    """Give the pseudonyms of addresses under a key, in both orders of bytes."""
    made = pseudonyms(addresses, key)
    for table in (made.astype("<u8"), made.astype(">u8")):
        raw = table.tobytes()
        yield from (raw[at : at + 8] for at in range(0, len(raw), 8))


def bare_hashes(content: bytes, keys: Iterable[bytes] = ()) -> Iterator[bytes]:
    """Give what hashes of a content begin with, without a key and under those that are known."""
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s"):
        yield hashlib.new(name, content, usedforsecurity=False).digest()
    yield hashlib.blake2b(content, digest_size=16).digest()
    for key in keys:
        yield keyed_hash(content, key)
        yield hmac.new(key, content, "sha256").digest()
        for derived in (b"fingerprints", b"donkeywatch key proof"):
            derived_key = hashlib.blake2b(derived, key=key, digest_size=32).digest()
            yield keyed_hash(content, derived_key)
