"""Regular files and compressed ones behind one way of reading: bytes at an offset."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from lzma import LZMAError, LZMAFile
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard
from isal import igzip, igzip_lib

from donkeywatch.errors import SourceError

COMPRESSED = (".gz", ".zst", ".xz")
"""Endings of the archives that can be read."""
STEP = 1 << 20
"""Bytes to decode at a time."""
BITE = 1 << 10
"""Bytes of a .zst to decode at a time: each may stand for 32,768 others."""
BROKEN: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    LZMAError,
    zlib.error,
    zstandard.ZstdError,
    cast(type[Exception], igzip_lib.IsalError),  # Its stub has it as an instance.
)
"""What the decoders raise."""


class Damaged(Exception):
    """A compressed file that ends too early or does not decode; it may still be growing."""


class File(Protocol):
    """Bytes at an offset; ``identity`` is (device, inode), a hint only."""

    identity: tuple[int, int]

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end."""
        ...

    def size(self) -> int | None:
        """Bytes of the content, or None where only reading to the end could tell."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


class PlainFile:
    """An open regular file; keeps its content readable after a rename or a deletion."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        found = os.fstat(self._descriptor)
        self.identity = (found.st_dev, found.st_ino)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``."""
        parts = []
        while length > 0:
            part = os.pread(self._descriptor, length, offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def stat(self) -> os.stat_result:
        """The file's state now."""
        return os.fstat(self._descriptor)

    def size(self) -> int:
        """Bytes in the file now."""
        return self.stat().st_size

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class CompressedFile:
    """A finished archive; reading goes forward, going back starts again at the front."""

    def __init__(self, path: Path) -> None:
        self._raw = os.fdopen(_open(path), "rb")
        found = os.fstat(self._raw.fileno())
        self.identity = (found.st_dev, found.st_ino)
        self._suffix = path.suffix
        self._rewind()

    def _rewind(self) -> None:
        self._raw.seek(0)
        self._stream = _decoder(self._raw, self._suffix)
        self._start = 0
        self._buffer = b""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; Damaged when the archive is not whole."""
        if offset < self._start:
            self._rewind()
        while self._start + len(self._buffer) < offset + length:
            try:
                more = self._stream.read(STEP)
            except BROKEN as error:
                self._rewind()
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # The disk's own: what is on it may be whole.
                raise Damaged(type(error).__name__) from None
            if not more:
                break
            drop = max(0, min(offset - self._start, len(self._buffer)))
            self._buffer, self._start = self._buffer[drop:] + more, self._start + drop
        at = offset - self._start
        return self._buffer[at : at + length]

    def size(self) -> None:
        """Unknown before the end."""
        return

    def raw_position(self) -> int:
        """Compressed bytes read so far, for a progress bar."""
        return self._raw.tell()

    def close(self) -> None:
        """Give the descriptor back."""
        self._raw.close()


def _decoder(raw: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast(IO[bytes], igzip.IGzipFile(fileobj=raw, mode="rb"))  # type: ignore[no-untyped-call]
    if suffix == ".xz":
        return cast(IO[bytes], LZMAFile(raw))
    return cast(IO[bytes], _Zstd(raw))


class _Zstd:
    """zstandard's own reader takes a stream cut short for a whole one; this one does not."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._fed = False

    def read(self, size: int) -> bytes:
        """The next decoded bytes, about ``size``; EOFError when it stops inside a frame."""
        parts: list[bytes] = []
        while size > 0 and (piece := self._next()) is not None:
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)

    def _next(self) -> bytes | None:
        """A decoded piece, which may be empty; None at the end."""
        piece = (self._frame.unused_data if self._frame.eof else b"") or self._raw.read(BITE)
        if not piece:
            if self._fed and not self._frame.eof:
                raise EOFError
            return None
        if self._frame.eof:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._fed = True
        return self._frame.decompress(piece)


def is_compressed(path: Path) -> bool:
    """By its ending."""
    return path.suffix in COMPRESSED


def open_file(path: Path) -> PlainFile | CompressedFile:
    """Open a log or an archive for reading; OSError as the system says, SourceError otherwise."""
    return CompressedFile(path) if is_compressed(path) else PlainFile(path)


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise SourceError(f"{path} is {kind}", "set `path` to the server's log file itself")


def gone(error: OSError) -> bool:
    """Does the error say that nothing is there, rather than that it cannot be read now?"""
    return error.errno in (errno.ENOENT, errno.ENOTDIR)
