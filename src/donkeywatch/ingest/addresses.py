"""The client's address in the shapes servers write it."""

from __future__ import annotations

import ipaddress
import re

IPV4_MAPPED_PREFIX = b"\0" * 10 + b"\xff\xff"
"""Prefix of an IPv4 address in 16 bytes."""
HIGH_ID_MIN = 1 << 24
"""A client number below this is a LowID: a number the server made up, not an address."""

IPV4_PATTERN = re.compile(rb"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?")
IPV6_PATTERN = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


def parse_address(text: bytes) -> bytes | None:
    """16 bytes in network order, IPv4 as ::ffff:a.b.c.d; None when it is no address.

    Takes `a.b.c.d`, `a.b.c.d:port`, `v6`, `[v6]:port` and a HighID, the number eDonkey
    makes of an IPv4 address with its first octet lowest.
    """
    ipv4 = IPV4_PATTERN.fullmatch(text)
    if ipv4:
        octets = ipv4[1].split(b".")
        # A leading zero means octal to some readers and decimal to others.
        if any(len(octet) > 1 and octet[0] == 48 for octet in octets):
            return None
        values = [int(octet) for octet in octets]
        return IPV4_MAPPED_PREFIX + bytes(values) if max(values) < 256 else None
    if text.isdigit():
        number = int(text) if len(text) <= 10 else 0
        return (
            IPV4_MAPPED_PREFIX + number.to_bytes(4, "little")
            if HIGH_ID_MIN <= number < 1 << 32
            else None
        )
    bracketed = IPV6_PATTERN.fullmatch(text)
    try:
        address = ipaddress.ip_address((bracketed[1] if bracketed else text).decode("ascii"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return IPV4_MAPPED_PREFIX + address.packed
    return None if address.scope_id else address.packed
