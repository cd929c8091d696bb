"""Answers that a client may keep: compressed here, with a tag that says whether they changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from fastapi import Request, Response
from isal import isal_zlib

from donkeywatch import __version__

GZIP_LEVEL = 1
"""Ten times as fast as zlib at its default level, for answers that are a seventh longer."""
GZIP_WINDOW_BITS = 31
"""The largest window, and gzip around the data."""
MIN_GZIP_BYTES = 1024
"""A shorter answer is not compressed."""
KEPT = {"Cache-Control": "private, no-cache"}
"""A client's own cache may keep it and asks each time whether it is still so."""
ENTITY_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
"""A tag as RFC 9110 has it (section 8.8.3)."""


def coded_response(
    request: Request,
    parts: Iterable[bytes],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Give an answer that is made of parts, compressed part by part where gzip is accepted.

    What is not compressed is never in memory as a whole then.
    """
    head = dict(headers or {})
    if not _accepts_gzip(request):
        return Response(b"".join(parts), headers=head, media_type=media_type)
    head |= {
        "Content-Encoding": "gzip",
        "Vary": ", ".join(filter(None, ["Accept-Encoding", head.get("Vary")])),
    }
    return Response(b"".join(_gzipped(parts)), headers=head, media_type=media_type)


def conditional_response(
    request: Request,
    state: object,
    parts: Iterable[bytes],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Give an answer with a tag, or 304 to a client that has it already.

    ``state`` changes with the answer, and has the same `repr` when it is the same. The parts are
    only taken where the answer is sent. A tag is strong: it is that of one content coding.
    """
    digest = blake2b(repr((__version__, media_type, state)).encode(), digest_size=12).hexdigest()
    tag = f"{digest}-gzip" if _accepts_gzip(request) else digest
    head = {**(headers or {}), **KEPT, "ETag": f'"{tag}"', "Vary": "Authorization"}
    if matches(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=head)
    return coded_response(request, parts, media_type, head)


def static_response(request: Request, body: bytes, media_type: str) -> Response:
    """Give an answer that is the same as long as this version runs."""
    if len(body) < MIN_GZIP_BYTES:
        request = Request({**request.scope, "headers": _without_coding(request)})
    return conditional_response(request, body, [body], media_type)


def matches(headers: Iterable[str], tag: str) -> bool:
    """Whether `If-None-Match` headers name the tag, or are a star (RFC 9110, section 13.1.2)."""
    given = ", ".join(headers)
    return given.strip() == "*" or tag in ENTITY_TAG.findall(given)


def _without_coding(request: Request) -> list[tuple[bytes, bytes]]:
    return [pair for pair in request.headers.raw if pair[0] != b"accept-encoding"]


def _accepts_gzip(request: Request) -> bool:
    """The guard has left nothing in this header but one coding."""
    return request.headers.get("accept-encoding") == "gzip"


def _gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    compressor = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, GZIP_WINDOW_BITS)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()
