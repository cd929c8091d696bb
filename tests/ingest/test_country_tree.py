"""A tree in MaxMind's format, walked by columns and bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.country_tree import IPV4_BITS, IPV6_BITS, SearchTree

Children = list[tuple[int, int]]


@st.composite
def trees(draw: st.DrawFn) -> Children:
    """Nodes of one parent each, and records; the record ``len`` is none."""
    nodes = draw(st.integers(1, 40))
    children = [draw(st.integers(nodes, nodes + 5)) for _ in range(2 * nodes)]
    for node in range(1, nodes):
        free = [n for n in range(2 * node) if children[n] >= nodes]
        children[draw(st.sampled_from(free))] = node
    return list(zip(children[::2], children[1::2], strict=True))


def encode(tree: Children, record_bits: int) -> bytes:
    """The bytes of a tree, as the format defines them."""
    parts = []
    for left, right in tree:
        if record_bits == 28:
            middle = left >> 24 << 4 | right >> 24
            low = (1 << 24) - 1
            parts.append((left & low).to_bytes(3, "big") + bytes([middle]))
            parts.append((right & low).to_bytes(3, "big"))
        else:
            parts += [each.to_bytes(record_bits // 8, "big") for each in (left, right)]
    return b"".join(parts)


def walk(tree: Children, address: int, bits: int, root: int = 0) -> int:
    """The record of one address, bit by bit."""
    at = root
    for bit in reversed(range(bits)):
        if at >= len(tree):
            return at
        at = tree[at][address >> bit & 1]
    return at if at >= len(tree) else len(tree)


def column(addresses: list[int]) -> np.ndarray:
    """Addresses as rows of sixteen bytes."""
    raw = b"".join(each.to_bytes(16, "big") for each in addresses)
    return np.frombuffer(raw, np.uint8).reshape(-1, 16)


BIASED = st.lists(st.sampled_from([0, 1, (1 << 128) - 1, 0x5555 << 112]), min_size=1).map(
    lambda parts: sum(part >> n for n, part in enumerate(parts)) % (1 << 128)
)
ADDRESSES = st.lists(st.one_of(st.integers(0, (1 << 128) - 1), BIASED), max_size=40)


@given(trees(), ADDRESSES, st.sampled_from([24, 28, 32]))
def test_addresses_end_together_where_each_ends_alone(
    tree: Children, addresses: list[int], record_bits: int
) -> None:
    """Whatever the size of the records."""
    walked = SearchTree(encode(tree, record_bits), len(tree), record_bits, 6)
    expected = [walk(tree, each, IPV6_BITS) for each in addresses]
    assert walked.ipv6_records(column(addresses)).tolist() == expected


@given(trees(), st.lists(st.integers(0, (1 << 32) - 1), max_size=40), st.sampled_from([4, 6]))
def test_every_ipv4_address_is_in_the_network_that_its_bits_lead_to(
    tree: Children, addresses: list[int], version: int
) -> None:
    """In a tree of IPv6 they begin behind 96 zeros."""
    root = 0
    for _ in range(IPV6_BITS - IPV4_BITS if version == 6 else 0):
        root = tree[root][0] if root < len(tree) else root
    starts, records = SearchTree(encode(tree, 24), len(tree), 24, version).ipv4_leaves()
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    result = records[np.searchsorted(starts, addresses, "right") - 1].tolist()
    assert result == [walk(tree, each, IPV4_BITS, root) for each in addresses]


@pytest.mark.parametrize("record_bits", [24, 28, 32])
def test_large_record_numbers_keep_their_highest_bits(record_bits: int) -> None:
    """Of both children, also where they share a byte."""
    top = (1 << record_bits) - 1
    walked = SearchTree(encode([(top, top - 1)], record_bits), 1, record_bits, 6)
    assert walked.ipv6_records(column([0, 1 << 127])).tolist() == [top, top - 1]


def test_a_tree_of_ipv4_alone_has_no_record_of_other_addresses() -> None:
    """Their bits would lead somewhere, but they are no IPv4 address."""
    assert SearchTree(encode([(5, 6)], 24), 1, 24, 4).ipv6_records(column([1])).tolist() == [1]


def test_a_tree_that_leads_back_has_an_end() -> None:
    """A damaged database is refused for IPv4 and leads nowhere for IPv6."""
    tree = SearchTree(encode([(0, 0)], 24), 1, 24, 6)
    assert tree.ipv6_records(column([7])).tolist() == [1]
    circle = SearchTree(encode([(1, 1), (0, 0), (0, 0)], 24), 3, 24, 4)
    with pytest.raises(ValueError, match="circles"):
        circle.ipv4_leaves()


@pytest.mark.parametrize(("size", "record_bits"), [(5, 24), (6, 20)])
def test_what_is_no_tree_is_refused(size: int, record_bits: int) -> None:
    """Too few bytes, or records of a size that the format does not know."""
    with pytest.raises(ValueError, match="search tree"):
        SearchTree(bytes(size), 1, record_bits, 6)
