"""Turns a standard output that is closed or full into one clear error."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from donkeywatch.errors import DonkeywatchError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PIPE_EXIT = 141
"""128 and the number of SIGPIPE: what a shell shows for a program whose reader has left."""


class OutputClosed(Exception):
    """The reader of the output has gone."""


class OutputError(DonkeywatchError):
    """The output cannot be written."""


class _Output(io.FileIO):
    """A descriptor whose failures are told apart from those of other files."""

    def write(self, data: ReadableBuffer) -> int:
        """Write it; OutputClosed or OutputError where that fails."""
        try:
            return super().write(data)
        except OSError as error:
            drop()
            if error.errno == errno.EPIPE:
                raise OutputClosed from None
            raise OutputError(
                f"the output cannot be written ({error.strerror})",
                "make room where it goes, or send it elsewhere",
            ) from None


def guard() -> None:
    """Have failures of the standard output raise OutputClosed or OutputError from now on."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper) and stdout is sys.__stdout__:
        stdout.flush()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(stdout.fileno(), "w", closefd=False)),
            stdout.encoding,
            stdout.errors,
            line_buffering=stdout.line_buffering,
        )


def flush() -> None:
    """Write what is left, while its failure can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop() -> None:
    """Discard what is written from now on, such as what the end of the process flushes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
