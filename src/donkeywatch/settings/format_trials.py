"""Trying the time format and the pattern of a source on samples, before a log is read with them."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

DIRECTIVE = re.compile(r"%(-?[0-9]*.?)", re.DOTALL)
KNOWN = frozenset("aAbBcdfGHIjmMpSuUVwWxXyYzZ%")
"""Directives that strptime has in every version of Python that is supported."""
INSTEAD = {
    "L": "%f", "N": "%f", "Q": "%f", "q": "%f", "T": "%H:%M:%S", "F": "%Y-%m-%d", "D": "%m/%d/%y",
    "R": "%H:%M", "e": "%d", "k": "%H", "l": "%I", "h": "%b", "P": "%p",
}  # fmt: skip
"""What to write for directives that other tools have."""
SAMPLES = (
    datetime(2024, 2, 29, 23, 59, 8, tzinfo=UTC),
    datetime(2025, 1, 3, 4, 6, 57, tzinfo=UTC),
    datetime(2026, 11, 27, 13, 0, 31, tzinfo=UTC),
)
"""Among them a leap day, one digit and two, the morning and the afternoon."""
LONGEST_SAMPLE = 4096
"""Bytes of the longest line that a pattern is tried on."""
LINE_SECONDS = 0.25
"""Longest time that a pattern may take for one line of a trial."""


def try_time_format(layout: str, zone: ZoneInfo | None) -> None:
    """Write sample stamps in a time format and read them back, to the second.

    ``zone`` is that of stamps without one. ValueError says what is missing.
    """
    for sample in SAMPLES:
        local = sample.astimezone(zone or UTC)
        try:
            is_same = _read_back(local.strftime(layout).encode("ascii").decode(), layout, local)
        except (ValueError, re.error):
            raise ValueError(
                "`time_format` is not one that can be read; two directives may say the same, or"
                " there may be characters that are not ASCII"
            ) from None
        if not is_same:
            raise ValueError(
                "`time_format` does not give back the sample stamps that are written in it: it"
                " needs date, hour, minute and second (%I with %p), and a zone that is read, as %z"
                " is"
            )


def _read_back(stamp: str, layout: str, local: datetime) -> bool:
    """Tell whether a stamp is read as the time it was written of; re.error for a bad layout."""
    try:
        read = datetime.strptime(stamp, layout)
    except (ValueError, OverflowError):
        return False
    return read == (local if read.tzinfo is not None else local.replace(tzinfo=None))


def check_directives(layout: str) -> None:
    """ValueError names a directive that strptime does not have, or that is there twice."""
    directives = DIRECTIVE.findall(layout)
    for directive in directives:
        if directive in KNOWN:
            continue
        if not directive:
            raise ValueError("`time_format` has a lone %; write %% for a percent sign")
        instead = INSTEAD.get(directive[-1])
        remedy = f"write {instead}" if instead else "see strptime in Python's documentation"
        raise ValueError(f"`time_format` has %{directive}, which strptime does not know; {remedy}")
    twice = [name for name, times in Counter(directives).items() if times > 1 and name != "%"]
    if twice:
        raise ValueError(f"`time_format` has %{twice[0]} twice; leave one of them out")


def try_pattern(pattern: str, *, is_stamped: bool = True) -> None:
    """Compile a pattern, look at its groups, and try it on lines that get longer and longer.

    The group ts may be missing where the line itself need not be stamped.

    ValueError says what is wrong: no regular expression, a group that is missing, or a line of
    which it takes too long to say that it does not match. No trial can show that there is no such
    line: this finds the usual ones, nested repetitions of one kind of character.
    """
    try:
        compiled = re.compile(pattern.encode(), re.DOTALL)
    except (ValueError, OverflowError, RecursionError, re.error) as error:
        reason = error.msg if isinstance(error, re.error) else str(error)
        raise ValueError(f"`pattern` is not a regular expression: {reason}") from None
    missing = {"ip", "query", *(("ts",) if is_stamped else ())} - set(compiled.groupindex)
    if missing:
        raise ValueError(f"`pattern` lacks the named group {min(missing)}")
    for line in _lines():
        before = time.thread_time()
        compiled.fullmatch(line)
        if time.thread_time() - before > LINE_SECONDS:
            raise ValueError(
                f"`pattern` takes more than {LINE_SECONDS} s for a line of {len(line)} bytes that"
                " does not match; let no repetition stand in another one"
            )


def _lines() -> Iterator[bytes]:
    """Lines of one kind of character that end in another: each somewhat longer than the last.

    A pattern that takes twice the time for each byte is so found out before it takes for ever.
    """
    length = 8.0
    while length <= LONGEST_SAMPLE:
        for part in (b"a", b"1", b" ", b"a ", b"1.", b"\t", b'"', b","):
            yield (part * int(length))[: int(length)] + b"\n"
        length = max(length + 1, length * 1.15)
