"""What a file is by its first bytes: text, an archive that can be decoded, or something refused."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["gzip", "zstd", "xz", "bzip2", "lz4"]

KIND_BYTES = 1 << 16
"""Bytes at the front of a file that tell what it is."""
HEADER = 4096
"""Of these, the ones that tell what kind of archive it is."""
NOISE = 0.08
"""Share of control bytes that is more than a log has; one in ten random bytes is one."""
BEGIN = 16
"""Bytes at the front of a line that the server writes itself, before what a client sent."""
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame without content, which decoders of zstd and lz4 step over."""
_MAGICS: dict[bytes, Kind] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
}
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
"""Three letters alone may begin a line."""
SUFFIXES: dict[str, Kind] = {
    ".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2", ".lz4": "lz4",
}  # fmt: skip
"""What archives are usually called; only for those whose first bytes are damaged."""


class Refusal(NamedTuple):
    """What a file is that cannot be read as a log, and what to do about it."""

    kind: str
    remedy: str


_UNPACK = "unpack it, or pack it as gzip, zstd, xz, bzip2 or lz4"
_RECODE = "convert it to UTF-8, with iconv say"
_NAME = "name the server's log, or an archive of it"
_REFUSED: tuple[tuple[re.Pattern[bytes], Refusal], ...] = tuple(
    (re.compile(magic, re.DOTALL), refusal)
    for magic, refusal in (
        (rb"\xff\xfe\0\0|\0\0\xfe\xff", Refusal("UTF-32", _RECODE)),
        (rb"\xff\xfe|\xfe\xff", Refusal("UTF-16", _RECODE)),
        (rb"(?:[\t\r\n\x20-\x7e]\0){4}", Refusal("UTF-16", _RECODE)),
        (rb"(?:\0[\t\r\n\x20-\x7e]){4}", Refusal("UTF-16", _RECODE)),
        (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", Refusal("a zip archive", _UNPACK)),
        (rb"7z\xbc\xaf\x27\x1c", Refusal("a 7z archive", _UNPACK)),
        (rb"Rar!\x1a\x07", Refusal("a rar archive", _UNPACK)),
        (rb"\x1f[\x9d\xa0]", Refusal("packed by compress (.Z)", _UNPACK)),
        (rb"\x5d\0\0..[\0-\xff]{8}\0", Refusal("an lzma archive", _UNPACK)),
        (rb"LZIP\x01", Refusal("an lzip archive", _UNPACK)),
        (rb"\x89LZO\0\r\n\x1a\n", Refusal("an lzop archive", _UNPACK)),
        (rb"\x02\x21\x4c\x18", Refusal("an lz4 archive of the old form", _UNPACK)),
        (rb"\xff\x06\0\0sNaPpY", Refusal("a snappy archive", _UNPACK)),
        # No name in an archive looks like the begin of a line, where a query could hold the rest.
        (rb"(?=[^\s\"'\[{<|,;]{1,100}\0).{257}ustar", Refusal("a tar archive", "unpack it")),
        (rb"!<arch>\n", Refusal("an ar archive", "unpack it")),
        (rb"SQLite format 3\0", Refusal("an SQLite database", _NAME)),
        (rb"\x7fELF", Refusal("a program", _NAME)),
        (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a", Refusal("an image", _NAME)),
        (rb"%PDF-", Refusal("a PDF document", _NAME)),
    )
)
PACKED_TWICE = Refusal("an archive of an archive", "unpack it once")
BINARY = Refusal("binary, and no archive that can be read", _NAME)
_CONTROL = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no server begins a line with; the ESC of a terminal colour is none of them."""


def kind_of(front: bytes) -> Kind | None:
    """The kind of archive that begins with these bytes; None where it is none that is decoded."""
    if _SKIPPABLE.match(front):
        return "zstd"
    kind = next((kind for magic, kind in _MAGICS.items() if front.startswith(magic)), None)
    return None if kind == "bzip2" and not _BZIP2.match(front) else kind


def may_begin(front: bytes) -> bool:
    """Tell whether these few bytes begin the magic bytes of an archive."""
    return any(magic.startswith(front) for magic in _MAGICS)


def refusal(front: bytes) -> Refusal | None:
    """Why a file that begins with ``front`` is no log; None where it may be one.

    NUL bytes in front of lines are a hole, left by a writer that did not notice a truncation.
    Only what stands where the server itself writes is judged: no client can have a log refused.
    """
    for magic, kind in _REFUSED:
        if magic.match(front):
            return kind
    if kind_of(front) is not None:  # Of what is in it, or in a line, the decoder has gone already.
        return PACKED_TWICE
    return BINARY if is_binary(front) else None


def is_binary(front: bytes) -> bool:
    """Tell whether it begins as no line does, and goes on so.

    Where it begins with ASCII letters it is text, whatever stands further on; and among lines there
    may be some noise, the first one included.
    """
    text = front.lstrip(b"\0").removeprefix(b"\xef\xbb\xbf")
    begins_with_control = _CONTROL.search(text[:BEGIN]) is not None
    if not begins_with_control and text[:BEGIN].isascii():
        return False
    lines = text.split(b"\n")
    with_control = sum(_CONTROL.search(line[:BEGIN]) is not None for line in lines)
    dense = len(_CONTROL.findall(text)) > NOISE * len(text)
    return with_control * 2 > len(lines) or (begins_with_control and dense)
