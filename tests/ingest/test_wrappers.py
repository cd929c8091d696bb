"""What stands around the lines of a server is taken off, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.regex import Regex
from donkeywatch.ingest.formats.registry import create_format
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.ingest.timestamps import TimestampParser
from donkeywatch.runtime.followed_source import line_reader, log_of
from donkeywatch.settings.schema import Source, WrapperName
from donkeywatch.sources.wrappers import WRAPPERS, Piece

STAMP = "2026-11-23T10:44:36.285Z"
PATTERN = r"(?P<ts>\S+) <(?P<ip>[^>]*)> (?P<query>.*)"
DETECTOR = Detector(
    Lexicon.model_validate(
        {"topics": {"one": {"groups": {"a": ["zqorv"]}, "categories": [{"id": "a", "all": ["a"]}]}}}
    )
)
LATER = "2026-11-23T11:00:00.123456789Z"
BASE = 1_795_430_676_285
"""The stamp of the inner lines, ms."""


def docker(text: str, stamp: str = LATER, stream: str = "stdout") -> bytes:
    """A record of json-file; ``text`` ends with a line feed where the line ends."""
    return json.dumps({"log": text, "stream": stream, "time": stamp}).encode()


def wrapped(name: WrapperName, line: str) -> bytes:
    """A line in one of the wrappers."""
    if name == "docker":
        return docker(line + "\n")
    if name == "cri":
        return f"{LATER} stdout F {line}".encode()
    return f"<134>1 {LATER} host enode 12 - - {line}".encode()


def source(name: WrapperName | None, **more: object) -> Source:
    """Settings of a source."""
    return Source.model_validate({"path": "a.log", "format": "tsv", "wrapper": name} | more)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"<13>Nov 29 01:02:03 host enode[12]: a b", b"a b"),
        (b"Nov  9 01:02:03 host enode: a b", b"a b"),
        (b"Nov  9 01:02:03 2001:db8::1 enode: a: b", b"a: b"),
        (b"Nov  9 01:02:03 enode: a b", b"a b"),
        (b"Nov  9 01:02:03 host user.notice enode[1]: a b", b"a b"),
        (b"2026-11-29T01:02:03.123456+00:00 host enode[12]:  a", b" a"),
        (b"Nov  9 01:02:03 host enode:", b""),
        (b"Nov  9 01:02:03 host enode: a#011b", b"a\tb"),
        (b"<165>1 2026-11-29T01:02:03Z host app - ID47 - a b", b"a b"),
        (b'1 2026-11-29T01:02:03Z - - - - [x@1 a="1" b="]\\"\\\\"][y] a b', b"a b"),
        (b'<1>1 2026-11-29T01:02:03Z h a 1 - [x@1 a="\\] - "] \xef\xbb\xbfa', b"\xef\xbb\xbfa"),
        (b"<1>1 2026-11-29T01:02:03Z h a 1 - -", b""),
        (b"a b", None),
        (b"Nov 29 01:02:03 host a b", None),
        (b"<165>1 2026-11-29T01:02:03Z host app - ID47 [x a b", None),
    ],
)
def test_syslog(line: bytes, text: bytes | None) -> None:
    """RFC 3164 as it is written to files, with the forms of rsyslog and BusyBox, and RFC 5424."""
    piece = WRAPPERS["syslog"].unwrap(line)
    assert (piece.text if piece else None) == text
    assert piece is None or piece.ends


@pytest.mark.parametrize(
    ("name", "line", "piece"),
    [
        ("docker", docker("a\tb\n", "T"), Piece(b"a\tb", b"T", b"stdout")),
        ("docker", docker("a", "T", "stderr"), Piece(b"a", b"T", b"stderr", False)),
        ("docker", docker("\n\n", "T"), Piece(b"\n", b"T", b"stdout")),
        ("docker", b'{"log":"a\\n","attrs":{"x":"y"}}', Piece(b"a", b"")),
        ("docker", b'{"log":"\\ud800\xff\\n"}', Piece(b"??", b"")),
        ("docker", b'{"log":"\xff\\n"}', Piece(b"\xff", b"")),
        ("docker", b'{"log":1}', None),
        ("docker", b'["log"]', None),
        ("docker", b"a b", None),
        ("cri", b"T stdout F a b", Piece(b"a b", b"T", b"stdout")),
        ("cri", b"T stderr P a b", Piece(b"a b", b"T", b"stderr", False)),
        ("cri", b"T stdout P:x  a", Piece(b" a", b"T", b"stdout", False)),
        ("cri", b"T stdout F", Piece(b"", b"T", b"stdout")),
        ("cri", b"T stdout X a", None),
    ],
)
def test_engines(name: WrapperName, line: bytes, piece: Piece | None) -> None:
    """Docker's json-file, and what containerd and CRI-O write."""
    assert WRAPPERS[name].unwrap(line) == piece


@pytest.mark.parametrize("name", list(WRAPPERS))
@given(st.binary(max_size=80))
def test_no_bytes_upset_a_wrapper(name: WrapperName, line: bytes) -> None:
    """They are a piece or none."""
    reader = line_reader(source(name), DETECTOR)
    assert WRAPPERS[name].unwrap(line) is None or True
    list(reader.records([(0, line)]))


@pytest.mark.parametrize("name", list(WRAPPERS))
@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, f"{STAMP}\t192.0.2.7\tzqorv plim"),
        ({"format": "jsonl"}, json.dumps({"ts": STAMP, "ip": "192.0.2.7", "query": "zqorv plim"})),
        ({"format": "regex", "pattern": PATTERN}, f"{STAMP} <192.0.2.7> zqorv plim"),
        (
            {"format": "enode-go"},
            f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7"
            ' opcode=OP_SEARCHREQUEST expr=AND(TEXT("zqorv"),TEXT("plim"))',
        ),
    ],
)
def test_any_format_is_read_in_any_wrapper(
    name: WrapperName, more: dict[str, str], line: str
) -> None:
    """As it is without, at the time that the line itself says; by blocks and by lines."""
    single = line_reader(source(None, **more), DETECTOR).read(line.encode())
    assert isinstance(single, ParsedQuery)
    assert single.time == BASE
    reader = line_reader(source(name, **more), DETECTOR)
    ((at, items),) = reader.records([(7, wrapped(name, line))])
    assert (at, items) == (7, single)
    block = BlockReader(reader).read((wrapped(name, line) + b"\r\n") * 50)
    assert block.time.tolist() == [BASE] * 50
    assert not block.outcomes


@pytest.mark.parametrize("name", list(WRAPPERS))
def test_a_pattern_without_a_stamp_takes_that_of_the_wrapper(name: WrapperName) -> None:
    """Only then; and the stamp of RFC 3164 has no year."""
    pattern = r"<(?P<ip>[^>]*)> (?P<query>.*)"
    reader = line_reader(source(name, format="regex", pattern=pattern), DETECTOR)
    ((_, items),) = reader.records([(0, wrapped(name, "<192.0.2.7> zqorv"))])
    assert isinstance(items, ParsedQuery)
    assert items.time == 1_795_431_600_123
    if name == "syslog":
        ((_, items),) = reader.records([(0, b"Nov 23 11:00:00 h enode: <192.0.2.7> zqorv")])
        assert items == "bad_time"


def test_what_settings_say_of_wrappers() -> None:
    """It is part of how a source is read, and what cannot go together is refused."""
    assert source("cri").parse_signature == "tsv;wrapper:cri"
    assert source(None).parse_signature == "tsv"
    pattern = r"<(?P<ip>[^>]*)> (?P<query>.*)"
    with pytest.raises(ValueError, match="lacks the named group ts"):
        source(None, format="regex", pattern=pattern)
    with pytest.raises(ValueError, match="`time_format` goes with the named group ts"):
        source("cri", format="regex", pattern=pattern, time_format="%Y-%m-%d %z")
    assert log_of(source("cri")).max_line_bytes == 2 * source("cri").max_line
    assert log_of(source(None)).max_line_bytes == source(None).max_line


def test_lines_by_outcome_in_a_wrapper() -> None:
    """A line of the server is one line, whatever its pieces; what is not wrapped is malformed."""
    reader = line_reader(source("cri", max_line=256), DETECTOR)
    half = f"{STAMP}\t192.0.2.7\tzq"
    lines = [
        f"T stdout P {half}", "T stderr F banner", "T stdout P or", "T stdout F v plim",
        "no wrapper", "", f"T stdout F {STAMP}\t192.0.2.7\t{'x' * 256}",
        "T stdout P " + "x" * (1 << 17), "T stdout P and the end is missing",
    ]  # fmt: skip
    items = list(reader.records(enumerate(line.encode() for line in lines)))
    assert [(at, item if isinstance(item, str) else item.time) for at, item in items] == [
        (1, "other"), (0, BASE), (4, "malformed"), (5, "other"), (6, "too_long"), (7, "too_long"),
        (8, "other"),
    ]  # fmt: skip
    assert items[1][1] == replace(reader, wrapper=None).read((half + "orv plim").encode())


def test_a_wrapped_log_is_read_line_by_line() -> None:
    """Columns know nothing of wrappers."""
    reader = LineReader(
        Regex(PATTERN, strip_ansi=False), TimestampParser(), "plain", "cp1252", 99, DETECTOR
    )
    assert not BlockReader(reader).has_columns(b"x\n")
    lines = f"{STAMP}\t192.0.2.7\tzqorv\n".encode() * 3
    plain = replace(reader, format=create_format(source(None)))
    assert BlockReader(plain).has_columns(lines)
    assert not BlockReader(replace(plain, wrapper=WRAPPERS["cri"])).has_columns(lines)
    assert not BlockReader(plain).has_columns(b"1795430676\t192.0.2.7\tzqorv\n" * 3)
