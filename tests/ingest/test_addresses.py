"""Addresses in every shape servers write, and numbers that are none."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.addresses import HIGH_ID_MIN, IPV4_MAPPED_PREFIX, parse_address

V4 = IPV4_MAPPED_PREFIX + bytes((192, 0, 2, 7))
V6 = ipaddress.IPv6Address("2001:db8::7").packed
DOCUMENTATION = (
    ipaddress.IPv4Network("192.0.2.0/24"),
    ipaddress.IPv4Network("198.51.100.0/24"),
    ipaddress.IPv4Network("203.0.113.0/24"),
)
v4s = st.builds(lambda net, host: net[host], st.sampled_from(DOCUMENTATION), st.integers(0, 255))
v6s = st.integers(0, 2**96 - 1).map(
    lambda low: ipaddress.IPv6Address(int(ipaddress.IPv6Address("2001:db8::")) + low)
)


@pytest.mark.parametrize(
    "text",
    [
        b"192.0.2.7",
        b"192.0.2.7:4662",
        b"[192.0.2.7]:4662",
        b"::ffff:192.0.2.7",
        b"[::ffff:192.0.2.7]:4662",
        b"::FFFF:c000:0207",
        str(int.from_bytes(bytes((192, 0, 2, 7)), "little")).encode(),
    ],
)
def test_one_ipv4_address_has_one_form(text: bytes) -> None:
    """Bare, with a port, mapped into IPv6 or as a HighID, the address is the same."""
    assert parse_address(text) == V4


@pytest.mark.parametrize(
    "text",
    [b"2001:db8::7", b"2001:DB8:0:0:0:0:0:7", b"[2001:db8::7]", b"[2001:db8::7]:4662",
     b"2001:db8::0.0.0.7"],
)  # fmt: skip
def test_one_ipv6_address_has_one_form(text: bytes) -> None:
    """Capitals, zeros and a port change nothing."""
    assert parse_address(text) == V6


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"0", b"1", str(HIGH_ID_MIN - 1).encode(), str(1 << 32).encode(), b"99999999999",
        b"9" * 5000, b"192.0.2", b"192.0.2.", b"192.0.2.256", b"192.0.2.07", b"192.0.2.7.1",
        b"192.0.2.7:", b"192.0.2.7:x", b"192.0.2.7 ", b" 192.0.2.7", b"192.0.2.7\n", b"192.0.2.7\r",
        b"192.0.2.7/24", b"0xc0.0.2.7", b"2001:db8::7%eth0", b"2001:db8::7%", b"2001:db8:::7",
        b"[2001:db8::7", b"2001:db8::7]:80", b"[]", b"[]:80", b"host.example", b"\xb2", b"\xff",
        b"192.0.2.7\0", b"-1", b"+16777216", b"1_6777216", "\u0661\u0669\u0662.0.2.7".encode(),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: bytes) -> None:
    """LowIDs, scopes, leading zeros, host names and broken shapes are no addresses."""
    assert parse_address(text) is None


def test_a_high_id_has_its_first_octet_lowest() -> None:
    """192.0.2.7 is the number 117571776; no port goes with it."""
    assert parse_address(b"117571776") == V4
    assert parse_address(b"0117571776") == V4
    assert parse_address(b"117571776:4662") is None
    assert parse_address(b"00117571776") is None, "no number of 32 bits has eleven digits"


@given(v4s, st.integers(0, 65535))
def test_every_ipv4_shape_agrees(address: ipaddress.IPv4Address, port: int) -> None:
    """All shapes of an IPv4 address come to the same 16 bytes."""
    bare = str(address).encode()
    expected = IPV4_MAPPED_PREFIX + address.packed
    for text in (bare, bare + b":%d" % port, b"::ffff:" + bare, b"[::ffff:%s]:%d" % (bare, port)):
        assert parse_address(text) == expected
    high = int.from_bytes(address.packed, "little")
    assert parse_address(b"%d" % high) == (expected if high >= HIGH_ID_MIN else None)


@given(v6s, st.integers(0, 65535))
def test_every_ipv6_shape_agrees(address: ipaddress.IPv6Address, port: int) -> None:
    """Compressed, exploded and with a port, an IPv6 address is its own 16 bytes."""
    for text in (address.compressed, address.exploded, f"[{address}]:{port}"):
        assert parse_address(text.encode()) == address.packed


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise(text: bytes) -> None:
    """Any bytes are 16 bytes or nothing."""
    result = parse_address(text)
    assert result is None or len(result) == 16
