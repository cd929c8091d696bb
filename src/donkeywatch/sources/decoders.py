"""The decoded content of an archive, a bounded piece at a time."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol, cast

import lz4.frame
import zstandard
from isal import igzip_lib

from donkeywatch.sources.file_kinds import Kind, kind_of, may_begin

PIECE = 1 << 16
"""Bytes that a decoder gives out at a time."""
CHUNK = 1 << 14
"""Bytes of an archive that are decoded at a time."""
ZSTD_CHUNK = 1 << 10
"""The same of .zst, whose decoder gives out all: each may stand for 32,768 others."""
MAX_MEMORY = 1 << 28
"""Bytes that the decoder of .xz may use: four times what `xz -9` needs."""
MIN_LOOKAHEAD_BYTES = 64
"""Bytes behind a member that tell whether another one follows."""
DECODER_ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    RuntimeError,  # Of lz4, for all that is wrong.
    lzma.LZMAError,
    zlib.error,
    zstandard.ZstdError,
    cast(type[Exception], igzip_lib.IsalError),  # Its stub has it as an instance.
)
"""What the decoders raise."""


class ByteSource(Protocol):
    """The bytes of the archive itself."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end."""
        ...

    def size(self) -> int:
        """Bytes in it now."""
        ...


class _Decoder(Protocol):
    """One member, as the decoders of the standard library have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Stream(Protocol):
    """The decoders of zlib and zstandard."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Unlimited:
    """A decoder that has no limit to what it gives out at once."""

    needs_input = True

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        return self._stream.decompress(data)


_DECODERS: dict[Kind, Callable[[], _Decoder]] = {
    "gzip": lambda: cast(_Decoder, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)),
    "zstd": lambda: _Unlimited(zstandard.ZstdDecompressor().decompressobj()),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY),
    "bzip2": bz2.BZ2Decompressor,
    "lz4": lambda: cast(_Decoder, lz4.frame.LZ4FrameDecompressor()),
}
_CAREFUL = _DECODERS | {"gzip": lambda: _Unlimited(zlib.decompressobj(31))}
"""The quick decoder of gzip keeps the last bytes to itself where the archive is cut short."""


class Members:
    """Members one behind the other, as `cat a.gz b.gz` makes them, each of its own kind.

    What follows the last one and is none is ignored. ``careful`` is the place in the archive from
    which on it is decoded byte by byte, so that all is given out that stands before an error.
    """

    def __init__(self, source: ByteSource, kind: Kind, careful: int | None = None) -> None:
        self.position = 0
        """Bytes of the archive that were read."""
        self.fed = 0
        """Where the last bytes began that the decoder was given."""
        self.ignored = 0
        """Bytes behind the last member."""
        self._source, self._careful = source, careful
        self._ended = False
        self._error: Exception | None = None
        self._begin(kind, b"")

    def _begin(self, kind: Kind, front: bytes) -> None:
        self._decoder = (_DECODERS if self._careful is None else _CAREFUL)[kind]()
        self._chunk = ZSTD_CHUNK if kind == "zstd" else CHUNK
        self._front = front
        """Bytes that were read, and that no decoder was given yet."""

    def read(self, size: int) -> bytes:
        """Up to about ``size`` decoded bytes, none at the end; a decoder's error if it fails."""
        parts: list[bytes] = []
        while size > 0 and not self._ended and self._error is None:
            try:
                parts.append(self._next())
            except DECODER_ERRORS as error:
                self._error = error
                break
            size -= len(parts[-1])
        if self._error is not None and not any(parts):
            raise self._error
        return b"".join(parts)

    def _next(self) -> bytes:
        """A decoded piece, which may be empty."""
        if self._decoder.eof:
            self._follow(self._decoder.unused_data or b"")
            return b""
        return self._decoder.decompress(self._feed() if self._decoder.needs_input else b"", PIECE)

    def _feed(self) -> bytes:
        if not self._front:
            self._front = self._source.read(self.position, CHUNK)
            self.position += len(self._front)
        size, self.fed = self._chunk, self.position - len(self._front)
        if self._careful is not None:
            size = max(1, min(size, self._careful - self.fed))
        data, self._front = self._front[:size], self._front[size:]
        if not data:
            raise EOFError
        return data

    def _follow(self, rest: bytes) -> None:
        """Begin with the next member, or find that there is none."""
        before = self.position - len(rest) - len(self._front)
        rest = (rest + self._front).lstrip(b"\0")
        while len(rest) < MIN_LOOKAHEAD_BYTES and (more := self._source.read(self.position, CHUNK)):
            self.position += len(more)
            rest = (rest + more).lstrip(b"\0")
        kind = kind_of(rest)
        if kind is not None:
            self._begin(kind, rest)
        elif rest and len(rest) < MIN_LOOKAHEAD_BYTES and may_begin(rest):
            raise EOFError
        else:
            self._ended = True
            self.ignored = self._source.size() - before
