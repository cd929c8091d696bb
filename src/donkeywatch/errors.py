"""Errors for the user: the fact, the remedy and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_PASSING = {
    errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EFBIG, errno.EINTR, errno.EIO, errno.EMFILE,
    errno.ENFILE, errno.ENOLCK, errno.ENOMEM, errno.ENOSPC, errno.EROFS, errno.ESTALE,
    errno.ETIMEDOUT,
}  # fmt: skip
"""What the system reports of a disk, a limit or a network, and may not report later."""


def printable(name: str | Path) -> str:
    """A name as one line of text that forges nothing: what cannot be printed is escaped.

    >>> printable("search.log\\n.1")
    'search.log\\\\n.1'
    """
    text = os.fspath(name)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    """A byte of a name that is not UTF-8 comes as half of a surrogate pair: as the byte it is."""
    byte = ord(letter) - 0xDC00
    if 0x80 <= byte <= 0xFF:
        return f"\\x{byte:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def install_extra(extra: str) -> str:
    """Give the command that adds an extra to this installation, from a clone.

    The project is on no public index: what has its name there is somebody else's.
    """
    return f"run in a clone of the project: {sys.executable} -m pip install '.[{extra}]'"


class DonkeywatchError(Exception):
    """A failure with a remedy; never carries a line, a word or an address."""

    exit_code = 1

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = printable(problem), printable(remedy)
        super().__init__(f"{self.problem} -> {self.remedy}")


class UsageError(DonkeywatchError):
    """The arguments of a command do not go together, or name what is not there."""

    exit_code = 2


class ConfigError(DonkeywatchError):
    """The settings, the lexicon or the keys cannot be used as they are."""

    exit_code = 7


class StateError(DonkeywatchError):
    """The state directory or its database cannot be used as it is."""

    exit_code = 3


class DatabaseUnavailableError(StateError):
    """The disk, the database or a limit forbids it now; a later try may succeed."""

    exit_code = 6


class AddressUnavailable(ConfigError):
    """The address to listen on cannot be taken now; a later try may succeed."""

    exit_code = 6


class StateLockedError(DonkeywatchError):
    """Another process holds the state directory."""

    exit_code = 4


class WarehouseError(DonkeywatchError):
    """The database of a fleet does not answer, or refuses; a later try may succeed."""

    exit_code = 6


class SourceError(DonkeywatchError):
    """A log or an archive cannot be read as it is."""

    exit_code = 5


def may_pass(error: OSError) -> bool:
    """True for an error that a later try may not meet: no space, an I/O error, a limit."""
    return error.errno in _PASSING
