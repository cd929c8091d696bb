"""Values of settings that are checked by themselves."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.settings.validators import check_origin

PIECES = st.sampled_from(
    ["https", "http", "://", ":", "/", "//", "localhost", "a.example", "[2001:db8::1]",
     "[::", "1]", "192.0.2.1", "443", "80", "8443", "0", "99999", "*", "null",
     "@", "?", "#", " ", "A", ".", "-", "\n"]
)  # fmt: skip
"""What origins, and what looks like them, is made of."""


@pytest.mark.parametrize(
    ("given_origin", "origin"),
    [
        ("https://monitor.example.org", "https://monitor.example.org"),
        ("HTTPS://Monitor.Example.org:443", "https://monitor.example.org"),
        ("https://192.0.2.1:8443", "https://192.0.2.1:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_an_origin_is_taken_as_a_browser_sends_it(given_origin: str, origin: str) -> None:
    """In small letters, without the usual port."""
    assert check_origin(given_origin) == origin


@pytest.mark.parametrize(
    "text",
    [
        "*", "null", "", "https://", "monitor.example.org", "http://monitor.example.org",
        "http://localhost.example", "https://a.example/", "https://a.example/x", "https://*",
        "https://*.example", "https://a.example, https://b.example", "https://a@b.example",
        "https://a.example:0", "https://a.example:65536", "https://a.example:", "ftp://a.example",
        "https://[1:2]", "https://[192.0.2.1]",
        "https://a.example?x", "https://a.example#x", "https://a.example\n", "https://a b.example",
    ],
)  # fmt: skip
def test_what_is_not_one_origin_is_refused(text: str) -> None:
    """Neither all origins, nor several, nor one that others on the way can pretend to be."""
    with pytest.raises(ValueError, match="give one origin"):
        check_origin(text)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_taken_is_exactly_an_origin(text: str) -> None:
    """It has a scheme, a host and perhaps a port for every reader, fits a header, and stays."""
    try:
        origin = check_origin(text)
    except ValueError:
        return
    parts = urlsplit(origin)
    assert origin == f"{parts.scheme}://{parts.netloc}"
    assert parts.scheme == "https" or parts.hostname == "localhost"
    assert parts.hostname
    assert parts.username is None
    assert parts.port is None or 0 < parts.port < 65536
    assert re.fullmatch(r"[!-~]+", origin)
    assert check_origin(origin) == origin
