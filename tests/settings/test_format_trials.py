"""Time formats and patterns are tried on samples: what works passes, what cannot is named."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

import pytest

from donkeywatch.settings.format_trials import check_directives, try_pattern, try_time_format

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "layout",
    [
        "%Y-%m-%d %H:%M:%S.%f %z", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%c",
        "%Y%m%d%H%M%S", "%Y-%j %I:%M:%S %p", "%A %d %B %Y %X", "%% %Y-%m-%d %H:%M:%S %%",
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", [ZoneInfo("UTC"), PARIS, ZoneInfo("Asia/Kathmandu")], ids=str)
def test_time_formats_that_work_pass(layout: str, zone: ZoneInfo) -> None:
    """Whatever zone stamps without one are in."""
    check_directives(layout)
    try_time_format(layout, zone)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("%Y-%m-%d %H:%M:%S.%L", "has %L, which strptime does not know; write %f"),
        ("%Y-%m-%d %H:%M:%S.%3N", "has %3N, which strptime does not know; write %f"),
        ("%Y-%m-%d %T", "write %H:%M:%S"),
        ("%F %H:%M:%S", "write %Y-%m-%d"),
        ("%Y-%m-%e %H:%M:%S", "write %d"),
        ("%Y-%m-%-d %H:%M:%S", "has %-d"),
        ("%Q", "write %f"),
        ("%s", "see strptime"),
        ("%Y-%m-%d %H:%M:%S %", "a lone %"),
        ("%Y-%m-%d %Y", "has %Y twice"),
    ],
)
def test_directives_of_other_tools_are_named(layout: str, message: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=message):
        check_directives(layout)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("%Y-%m-%d", "hour, minute and second"),
        ("%Y-%m-%d %H:%M", "hour, minute and second"),
        ("%Y-%m-%d %I:%M:%S", "%I with %p"),
        ("%Y %H:%M:%S", "needs date"),
        ("%c %Y", "two directives"),
        ("%Y-%m-%d %H:%M:%S \u00e9", "not ASCII"),
        ("%Y-%m-%d %H:%M:%S %Z", "a zone that is read"),
    ],
)
def test_time_formats_that_lose_something_are_refused(layout: str, message: str) -> None:
    """What is written in them does not come back."""
    with pytest.raises(ValueError, match=message):
        try_time_format(layout, PARIS)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(a|a|a)*(?P<ts>b)(?P<ip>c)(?P<query>d)", "no repetition stand in another"),
        (r"(?P<ts>(\w+\s?)*)\|(?P<ip>\S+) (?P<query>.*)", "no repetition stand in another"),
        (r"(?P<ts>a)(?P<ip>b)", "lacks the named group query"),
        ("a{99999999999999999999}", "not a regular expression"),
        ("(?u)x", "not a regular expression"),
        ("(" * 5000 + ")" * 5000, "not a regular expression"),
    ],
    ids=range(6),
)
def test_patterns_that_cannot_work_are_refused(pattern: str, message: str) -> None:
    """Within seconds, however long a line would take."""
    before = time.monotonic()
    with pytest.raises(ValueError, match=message):
        try_pattern(pattern)
    assert time.monotonic() - before < 30


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<ts>[^\t]*)\t(?P<ip>[^\t]*)\t(?P<query>.*)",
        r"(?P<ts>\S+ \S+) .*?from (?P<ip>\S+) .*?search (?P<query>.*)",
        r"\[(?P<ts>[^]]+)\] \w+ (?P<ip>[0-9a-f.:]+)\s+\"(?P<query>.*)\"",
    ],
)
def test_usual_patterns_pass(pattern: str) -> None:
    """Those that the documentation shows, and the like."""
    try_pattern(pattern)
