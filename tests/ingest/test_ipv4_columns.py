"""Addresses by columns are those of the line reader, character by character."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.ingest.addresses import parse_address
from donkeywatch.ingest.byte_columns import Block, with_padding
from donkeywatch.ingest.ipv4_columns import parse_ipv4

QUAD = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
octets = st.integers(0, 255).map(str) | st.sampled_from(
    ("00", "01", "256", "299", "999", "1000", "", "1a", "\x11", "é", " 1", "1:")
)
texts = st.lists(octets, min_size=3, max_size=5).map(".".join) | st.text(
    "0123456789.:a", max_size=20
)


def read(text: bytes, closing: bytes = b"\t") -> tuple[bytes, int] | None:
    """The address of a text and its length, by columns."""
    items, end, valid = parse_ipv4(
        Block(with_padding(text + closing + b"text\n")), np.array([0]), closing[0]
    )
    return (items[0].tobytes(), int(end[0])) if valid[0] else None


@pytest.mark.untraced
@given(texts, st.sampled_from((b"\t", b" ")))
@settings(max_examples=2000)
def test_what_is_an_address(text: str, closing: bytes) -> None:
    """A dotted quad of the line reader's, and nothing else, is read to the same bytes."""
    raw = text.encode()
    known = parse_address(raw) if QUAD.fullmatch(raw) else None
    assert read(raw, closing) == (None if known is None else (known, len(raw)))


@pytest.mark.parametrize("octet", range(4))
@pytest.mark.parametrize("others", ["7", "42", "203"])
def test_every_octet_in_every_place(octet: int, others: str) -> None:
    """All numbers of one to three digits, with octets of each length around them."""
    spelt = [str(number) for number in range(1000)] + [f"0{number}" for number in range(100)]
    texts = [".".join([*[others] * octet, n, *[others] * (3 - octet)]) for n in spelt]
    block = Block(with_padding("".join(f"{text}\tfnarbl\n" for text in texts).encode()))
    items, end, valid = parse_ipv4(block, block.start, ord("\t"))
    known = [parse_address(text.encode()) for text in texts]
    assert valid.tolist() == [item is not None for item in known]
    assert [items[i].tobytes() for i in np.flatnonzero(valid)] == [
        k for k in known if k is not None
    ]
    assert (end - block.start)[valid].tolist() == [
        len(text) for text, k in zip(texts, known, strict=True) if k is not None
    ]


def test_another_byte_behind_it() -> None:
    """A port, a letter or a point: the line reader decides."""
    for behind in (b":4662\t", b"a\t", b".\t", b".1\t", b" \t", b"\r\t"):
        assert read(b"192.0.2.1" + behind) is None
    assert read(b"192.0.2.1", b" ") is not None


def test_many_at_once() -> None:
    """Each line has its own, wherever it begins."""
    lines = [f"{'x' * (i % 9)}198.51.100.{i}\t\n".encode() for i in range(256)]
    start = np.cumsum([0, *map(len, lines[:-1])]) + np.arange(256) % 9
    items, end, valid = parse_ipv4(Block(with_padding(b"".join(lines))), start, ord("\t"))
    assert valid.all()
    assert items[:, 15].tolist() == list(range(256))
    assert (end - start).tolist() == [len(f"198.51.100.{i}") for i in range(256)]
