"""Words and addresses that must turn up nowhere, and the search for them in every form."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

WORDS = ("zqcanaryalpha", "zqcanarybeta", "qvcanarygamma", "xkcanarydelta", "zqvcanaryé")
ADDRESSES = (
    "203.0.113.77", "198.51.100.201", "192.0.2.99", "2001:db8::ca:fe", "2001:db8:0:7::b0:0b",
)  # fmt: skip
LEXICON = f"""
[topics.pedophile.groups]
child = ["{WORDS[0]}"]
sex = ["{WORDS[1]}"]
[[topics.pedophile.categories]]
id = "child_sex"
all = ["child", "sex"]
"""


def forms(address: str) -> Iterator[str]:
    """All the ways in which a server may write an address."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        whole = int(parsed)
        yield from (address, f"{address}:4662", f"::ffff:{address}", f"[::ffff:{address}]:4662")
        yield from (f"::FFFF:{address}", f"::ffff:{whole >> 16:x}:{whole & 0xFFFF:x}")
    else:
        exploded = parsed.exploded
        yield from (address, f"[{address}]", f"[{address}]:4662", address.upper(), exploded)
        yield from (f"[{exploded.upper()}]:1", f"{address}%eth0")


def traces(canary: str) -> Iterator[bytes]:
    """The forms in which a canary might survive."""
    for raw in {canary.encode(), canary.upper().encode(), canary.encode("utf-16-le")}:
        yield raw
        yield raw.hex().encode()
        for cut in range(3):
            whole = base64.b64encode(b"\0" * cut + raw)
            yield whole[4 if cut else 0 : -4]
        for algorithm in ("md5", "sha1", "sha256", "blake2b"):
            digest = hashlib.new(algorithm, raw, usedforsecurity=False)
            yield from (digest.digest(), digest.hexdigest().encode())


@cache
def needles() -> frozenset[bytes]:
    """All canaries in all forms."""
    mapping = {trace for word in WORDS for trace in traces(word)}
    for address in ADDRESSES:
        mapping |= {trace for form in forms(address) for trace in traces(form)}
        packed = ipaddress.ip_address(address).packed
        mapping |= {hashlib.sha256(packed).digest(), hashlib.md5(packed).digest()}
        # Four bytes alone are found anywhere by chance.
        mapping |= {packed, packed[::-1]} if len(packed) == 16 else {b"\xff\xff" + packed}
        mapping.add(str(int.from_bytes(packed)).encode())
        mapping.add(repr(packed if len(packed) == 16 else b"\xff\xff" + packed)[2:-1].encode())
    assert all(len(needle) > 5 for needle in mapping)
    return frozenset(mapping)


def assert_none_in(haystacks: Mapping[str, bytes]) -> None:
    """No canary in any form, in anything that has a name here."""
    for name, haystack in haystacks.items():
        for needle in needles():
            assert needle not in haystack, f"{needle!r} in {name}"


def contents(directory: Path, excluded: Iterable[Path] = ()) -> dict[str, bytes]:
    """The bytes of every file below a directory, but for those that the operator wrote."""
    theirs = set(excluded)
    return {
        str(path): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not theirs & {path, *path.parents}
    }
