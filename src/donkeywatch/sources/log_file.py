"""Plain and compressed log files, read at an offset of their content."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Protocol

from donkeywatch.errors import SourceError
from donkeywatch.sources.decoders import DECODER_ERRORS, Members
from donkeywatch.sources.file_kinds import (
    BINARY,
    HEADER,
    SUFFIXES,
    Kind,
    kind_of,
    may_begin,
    refusal,
)

DECODE_BYTES = 1 << 20
"""Bytes to decode at a time."""


class DamagedArchiveError(Exception):
    """A compressed file that ends too early or does not decode; it may still be growing."""


class NotText(Exception):
    """The file is UTF-16, or is no text at all."""


class ContentChangedError(Exception):
    """The file no longer holds what was counted: truncated, or written anew."""


class File(Protocol):
    """Bytes at an offset; ``identity`` is (device, inode), a hint only."""

    identity: tuple[int, int]

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end."""
        ...

    def read_sound(self, offset: int, length: int) -> bytes:
        """The same of a damaged archive as far as it decodes, where `read` raises."""
        ...

    def size(self) -> int | None:
        """Bytes of the content, or None where only reading to the end could tell."""
        ...

    def modified(self) -> int:
        """When it was last written to, in ns since the epoch."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


class PlainFile:
    """An open regular file; keeps its content readable after a rename or a deletion."""

    def __init__(self, path: Path) -> None:
        self.descriptor = _open(path)
        state = os.fstat(self.descriptor)
        self.identity = (state.st_dev, state.st_ino)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``."""
        parts = []
        while length > 0:
            part = os.pread(self.descriptor, length, offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def read_sound(self, offset: int, length: int) -> bytes:
        """The same: a plain file is never damaged."""
        return self.read(offset, length)

    def stat(self) -> os.stat_result:
        """The file's state now."""
        return os.fstat(self.descriptor)

    def size(self) -> int:
        """Bytes in the file now."""
        return self.stat().st_size

    def modified(self) -> int:
        """When it was last written to, in ns since the epoch."""
        return self.stat().st_mtime_ns

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


class CompressedFile:
    """A finished archive; reading goes forward, going back starts again at the front."""

    def __init__(self, raw: PlainFile, kind: Kind) -> None:
        self._raw, self._kind = raw, kind
        self.identity = raw.identity
        self._rewind()

    def _rewind(self, careful: int | None = None) -> None:
        self._stream = Members(self._raw, self._kind, careful)
        self._careful = careful
        self._start = 0
        self._buffer = b""
        self._error: Exception | None = None
        """What ends the content before its end."""
        self._state = self._raw.stat()

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; DamagedArchiveError where that does not decode."""
        data = self.read_sound(offset, length)
        if len(data) < length and self._error is not None:
            raise DamagedArchiveError(type(self._error).__name__)
        return data

    def read_sound(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``, fewer before the end and before damage."""
        if offset < self._start or (self._error is not None and self._has_changed()):
            self._rewind()
        while self._error is None and self._start + len(self._buffer) < offset + length:
            try:
                more = self._stream.read(DECODE_BYTES)
            except DECODER_ERRORS as error:
                self._fail(error)
                continue
            if not more:
                break
            drop = max(0, min(offset - self._start, len(self._buffer)))
            self._buffer, self._start = self._buffer[drop:] + more, self._start + drop
        at = offset - self._start
        return self._buffer[at : at + length]

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno is not None:
            self._rewind()
            raise error  # The disk's own: what is on it may be whole.
        if self._careful is None:
            self._rewind(self._stream.fed)  # What the last bytes gave before the error was lost.
        else:
            self._error = error

    def _has_changed(self) -> bool:
        """Tell whether it was written to since it was found to be damaged."""
        now, then = self._raw.stat(), self._state
        return (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns)

    def size(self) -> None:
        """Unknown before the end."""
        return

    def modified(self) -> int:
        """When the archive was last written to, in ns since the epoch."""
        return self._raw.modified()

    @property
    def ignored(self) -> int:
        """Bytes behind the end of the archive, which are no part of it."""
        return self._stream.ignored

    def compressed_position(self) -> int:
        """Compressed bytes read so far, for a progress bar."""
        return self._stream.position

    def close(self) -> None:
        """Give the descriptor back."""
        self._raw.close()


def open_file(path: Path) -> PlainFile | CompressedFile:
    """Open a log or an archive, recognised by its first bytes, for reading.

    OSError as the system says, SourceError for what is no regular file.
    """
    file = PlainFile(path)
    try:
        kind = _kind(file.read(0, HEADER), path)
    except OSError:
        file.close()
        raise
    return file if kind is None else CompressedFile(file, kind)


def is_compressed(path: Path) -> bool:
    """Tell whether a file is an archive, by its ending where it cannot be looked into."""
    try:
        file = open_file(path)
    except (OSError, SourceError):
        return path.suffix.lower() in SUFFIXES
    file.close()
    return isinstance(file, CompressedFile)


def _kind(front: bytes, path: Path) -> Kind | None:
    """By content alone, unless that has no beginning and the name says what it was to be."""
    kind = kind_of(front)
    if kind is None and front and (may_begin(front) or refusal(front) is BINARY):
        return SUFFIXES.get(path.suffix.lower())
    return kind


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise SourceError(f"{path} is {kind}", "set `path` to the server's log file itself")


def is_missing(error: OSError) -> bool:
    """Tell whether an error says that nothing is there, not that it cannot be read now."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR)
