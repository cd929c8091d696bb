"""What a container engine or a syslog daemon puts around each line of the server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Protocol

from donkeywatch.settings.schema import WrapperName

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""The byte order mark that editors put before the first line of a file."""


def bare(line: bytes) -> bytes:
    """A line without a hole and a mark before it, and without a carriage return behind it."""
    return line.lstrip(b"\0").removesuffix(b"\r").removeprefix(BYTE_ORDER_MARK)


SPLIT_LINE = 1 << 17
"""Bytes of the longest record that container engines write: 16 KiB of text, each byte escaped."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A line of the server, or a part of one: the engines split long ones.

    ``stream`` tells apart what the server writes to its two outputs; the parts of a line come in
    order in its stream, and ``ends`` is true of the last one. ``stamp`` is when it was logged.
    """

    text: bytes
    stamp: bytes
    stream: bytes = b""
    ends: bool = True


class Wrapper(Protocol):
    """Takes the wrapping off."""

    splits: bool
    """May a line of the server come in several pieces?"""

    def unwrap(self, line: bytes) -> Piece | None:
        """The piece that a line of the file holds; None where it is not wrapped like this."""
        ...


class Docker:
    """Docker's ``json-file``: ``{"log":"text\\n","stream":"stdout","time":"..."}``.

    All pieces of a line but the last are without a line feed.
    """

    splits = True

    def unwrap(self, line: bytes) -> Piece | None:
        """The text of the key `log`."""
        try:
            record = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            return None
        if not isinstance(record, dict):
            return None
        text, stream, stamp = (record.get(key) for key in ("log", "stream", "time"))
        if not isinstance(text, str):
            return None
        return Piece(
            _encoded(text.removesuffix("\n")), _encoded(stamp), _encoded(stream),
            text.endswith("\n"),
        )  # fmt: skip


def _encoded(text: object) -> bytes:
    """The bytes of a text of JSON, which may hold half a character."""
    if not isinstance(text, str):
        return b""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


_CRI = re.compile(rb"(\S+) (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?", re.DOTALL)


class Cri:
    """The kubelet's logs, as containerd and CRI-O write them: ``<time> stdout F <text>``.

    All pieces of a line but the last have a ``P`` in place of the ``F``.
    """

    splits = True

    def unwrap(self, line: bytes) -> Piece | None:
        """The text behind the tag."""
        match = _CRI.fullmatch(line)
        return Piece(match[4] or b"", match[1], match[2], match[3] == b"F") if match else None


_SYSLOG_5424 = re.compile(
    rb"(?:<\d{1,3}>)?1 (\S+) \S+ \S+ \S+ \S+ "
    rb'(?:-|(?:\[[^ =\]"]+(?: [^ =\]"]+="(?:[^"\\]|\\.)*")*\])+)(?:  ?(.*))?',
    re.DOTALL,
)
"""The text of rsyslog has a space before it here, too."""
_SYSLOG_3164 = re.compile(
    rb"(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) "
    rb"(?:\S+ ){0,2}?[^\s:\[\]]+(?:\[[^\]\s]*\])?:(?: (.*))?",
    re.DOTALL,
)
_ESCAPED_TAB = b"#011"
"""What rsyslog makes of a tab, unless set otherwise."""


class Syslog:
    """RFC 3164 and RFC 5424, with or without their priority, as they stand in files.

    Of the former also the forms of rsyslog, with an ISO 8601 stamp, and of BusyBox.
    """

    splits = False

    def unwrap(self, line: bytes) -> Piece | None:
        """The text behind the tag, or behind the structured data."""
        match = _SYSLOG_5424.fullmatch(line) or _SYSLOG_3164.fullmatch(line)
        if match is None:
            return None
        return Piece((match[2] or b"").replace(_ESCAPED_TAB, b"\t"), match[1])


WRAPPERS: dict[WrapperName, Wrapper] = {"docker": Docker(), "cri": Cri(), "syslog": Syslog()}


def longest_line(limit: int) -> int:
    """Bytes of the longest line in a file whose wrapped lines have ``limit`` at the most."""
    return max(2 * limit, SPLIT_LINE)


def unwrap(wrapper: Wrapper, line: bytes) -> Piece | None:
    """The piece that a line of the file holds, whatever ends it and stands before it."""
    return wrapper.unwrap(bare(line))
