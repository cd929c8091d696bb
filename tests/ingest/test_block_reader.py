"""The columns of a block equal the reader of a line, line by line, on hostile input."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from donkeywatch.ingest.and_chains import MAX_LEAVES
from donkeywatch.ingest.block_reader import MIN_COLUMNAR_LINES, BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.ingest.timestamps import TimestampParser

LEXICON = Lexicon.model_validate(
    {
        "topics": {
            "one": {
                "groups": {
                    "plain": ["zqorv", "Qv\u00e9lt"],
                    "child": ["xkuzq", "vzqat"],
                    "other": ["xkuzq", "\u03be\u03c8\u03be\u03b1", "12"],
                },
                "ages": {"minimum": 1, "maximum": 15, "suffixes": ["zqu", "\u00fdz"]},
                "categories": [
                    {"id": "plain", "all": ["plain"]},
                    {"id": "both", "all": ["child", "other"]},
                    {"id": "age", "all": ["age", "other|child"]},
                ],
            },
            "two": {
                "groups": {"terms": ["sex", "porno", "anal", "xxx", "porn"]},
                "categories": [{"id": "terms", "all": ["terms"]}],
            },
        }
    }
)
NUMBERLESS = LEXICON.model_copy(deep=True)
NUMBERLESS.topics["one"].groups["other"] = ("xkuzq", "\u03be\u03c8\u03be\u03b1")
"""The same without a number among the words; it is read with the other matcher."""
LIMIT = 120
READER = LineReader(
    Tsv(), TimestampParser(ZoneInfo("Europe/Paris")), "plain", "cp1252", LIMIT, Detector(LEXICON)
)
APART = replace(READER, detector=Detector(NUMBERLESS, "pyahocorasick"))
STAMP = "2026-11-23T10:44:36.285Z"


def line(query: str | bytes, stamp: str = STAMP, address: str = "192.0.2.7") -> bytes:
    """A line of the log."""
    raw = query.encode() if isinstance(query, str) else query
    return f"{stamp}\t{address}\t".encode() + raw


def assert_columns_equal_lines(
    lines: list[bytes], *, ended: bool = True, reader: LineReader = READER
) -> None:
    """Time, alternative, address, codes, order and tally of a block are those of its lines."""
    lines = lines + [line("ordinary words")] * (MIN_COLUMNAR_LINES + 1 - len(lines))
    block = b"\n".join(lines) + (b"\n" if ended else b"")
    assert block.count(b"\n") >= MIN_COLUMNAR_LINES, "the columns are not taken"
    if not ended and not lines[-1]:
        lines = lines[:-1]
    single = [reader.read(item) for item in lines]
    observed = [item for item in single if isinstance(item, ParsedQuery)]
    lines_read = BlockReader(reader).read(block)
    assert lines_read.outcomes == Counter(item for item in single if isinstance(item, str))
    rows = zip(
        lines_read.time.tolist(),
        lines_read.alternative.tolist(),
        [row.tobytes() for row in lines_read.address],
        zip(*lines_read.codes.tolist(), strict=True),
        strict=True,
    )
    assert [ParsedQuery(*row) for row in rows] == observed
    assert lines_read.codes.shape == (len(reader.detector.topics), len(observed))
    assert lines_read.address.shape == (len(observed), 16)
    assert lines_read.address.dtype == lines_read.codes.dtype == np.uint8
    assert lines_read.time.dtype == lines_read.alternative.dtype == np.int64


stamps = st.sampled_from(
    (STAMP,) * 6
    + ("2026-11-23T10:44:36.285+0100", "2026-11-23T10:44:36Z", "2026-11-23 10:44:36.285Z",
       "1795430676.285", "1795430676285", "1795430676285123", "1795430676285123456",
       "2026-10-25T02:30:00.000", "2026-03-29T02:30:00.000",
       "2026-02-29T00:00:00.000Z",
       "2024-02-29T23:59:59.999Z", "2016-12-31T23:59:60.000Z", "1969-12-31T23:59:59.999Z",
       "0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-00-10T00:00:00.000Z",
       "2026-13-10T00:00:00.000Z",
       "2026-04-31T00:00:00.000Z", "2026-11-23T24:00:00.000Z", "2026-11-23T10:44:3\uff16.285Z",
       "2026-11-23T10:44:36.285z", "2026-11-23T10:44:36,285Z", " 026-11-23T10:44:36.285Z", "", "x",
       "\0" + STAMP, "\ufeff" + STAMP, "\0\ufeff" + STAMP, "\ufeff\0" + STAMP, STAMP + " ")
)  # fmt: skip
addresses = st.sampled_from(
    ("192.0.2.7", "198.51.100.255", "203.0.113.0") * 3
    + ("192.0.2.7:4662", "[2001:db8::7]:80", "2001:db8::7", "::ffff:192.0.2.7", "192.0.2.07",
    "192.0.2.256",
       "192.0.2", "192.0.2.",
       "192.0.2.7.", ".192.0.2.7", "192..0.2.7", "192..2.7", ".192.0.2", "192.0..7",
       "192.0.2.7.1", "16777215",
       "124007366", "117571776",
       "4294967296", "123456789012345", "", " 192.0.2.7", "192.0.2.7 ", "19\uff12.0.2.7",
       "192.0.2.7\0", "0192.0.2.7",
       "192.0.2.777", "1920.0.2.7", "192,0,2,7")
)  # fmt: skip
words = st.sampled_from(
    ("zqorv", "ZQORV", "zq\u00f6rv", "zqo\u0308rv", "qvelt", "Qv\u00e9lt", "QV\u00c9LT", "xkuzq",
    "vzqat", "\u03be\u03c8\u03be\u03b1", "\u039e\u03a8\u039e\u0391",
     "7zqu", "7", "zqu", "15yz", "3\u00fdz", "16zqu", "07zqu", "12", "sex", "porno", "xxx",
     "jazz", "zqorvs", "azqorv",
     "related::zqorv", "Related::", "ed2k::zqorv", "ED2K::", "ed2k:/zqorv", "related:zqorv",
     "\ufeffrelated::a",
     '"related::x"', "\u0301", "\uff5aqorv", "\ufb01", "\u212a", "\u0130", "\u00df", "\u2028",
     "\u3400\u3401", "e", "r", "re", "NOT",
     "-", "_", "\u00b2", "x" * 90)
)  # fmt: skip
joiners = st.sampled_from(
    (" ", " ", "-", "_", "\t", "\0", "\r", "  ", ".", "", "\u00a0", "\x1c", "\x85", ":", "::")
)
ends = st.sampled_from(
    (b"", b"", b"", b"\r", b"\r\r", b" ", b"\0", b"\xe9", b"\xc3", b"\x81", b"\t", b"\xef\xbb\xbf")
)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """A query in UTF-8 or in the fallback, with an odd end."""
    text = draw(joiners).join(draw(st.lists(words, max_size=5)))
    codec = draw(st.sampled_from(("utf-8", "utf-8", "cp1252")))
    return text.encode(codec, "replace") + draw(ends)


@st.composite
def valid(draw: st.DrawFn) -> bytes:
    """A line with its three fields, any of them odd."""
    return line(draw(queries()), draw(stamps), draw(addresses))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A line with some bytes replaced, taken out or put in."""
    raw = draw(valid())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        by = draw(st.binary(max_size=3))
        raw = raw[:at] + by + raw[at + draw(st.integers(0, 2)) :]
    return raw.replace(b"\n", b"\t")


noise = st.binary(max_size=150).map(lambda raw: raw.replace(b"\n", b"\0"))
hostile = st.lists(
    valid() | mutated() | noise, min_size=MIN_COLUMNAR_LINES + 1, max_size=MIN_COLUMNAR_LINES + 8
)


@pytest.mark.untraced
@settings(max_examples=150, deadline=None)
@given(hostile, st.booleans())
@example([line("zqu 7"), line("zqu nqzuk"), line("7 zqu xkuzq")] * 20, False)
@example([b""] * 40, False)
@example([b"\t"] * 40, True)
@example([b"\t\t"] * 40, False)
@example([b"\0"] * 40, True)
@example([b"no tab at all"] * 40, False)
@example([line("zqorv")] * 40, False)
@example([line("")] * 40, False)
@example([line("\r")] * 40, True)
@example([line("x" * 80 + " zqorv") + b"\t"] * 40, True)
@example(
    [
        line("xkuzq 12", address="203.0.113.9"),
        *[line("\u00e9 xkuzq \u039e\u03a8\u039e\u0391")] * 40,
    ],
    True,
)
def test_a_block_equals_its_lines(lines: list[bytes], ended: bool) -> None:
    """Valid, mutated and random lines, with a last line feed or without."""
    for reader in (READER, APART):
        assert_columns_equal_lines(lines, ended=ended, reader=reader)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(queries(), min_size=MIN_COLUMNAR_LINES + 1, max_size=MIN_COLUMNAR_LINES + 8),
    st.sampled_from(["cp1252", "cp1251", "shift_jis", "gb18030", "latin-1", "mac_arabic"]),
)
def test_queries_in_any_encoding_have_the_same_codes(raw: list[bytes], encoding: str) -> None:
    """The fallback makes no difference between the two ways, multi-byte or not."""
    lines = [line(item.replace(b"\n", b" ")) for item in raw]
    assert_columns_equal_lines(lines, reader=replace(READER, encoding=encoding))


@pytest.mark.parametrize(
    ("encoding", "link"),
    [
        ("mac_arabic", b"related\xba\xba0123 xkuzq 12"),
        ("mac_farsi", b"\xa0\xa2ed2k\xba:0123 zqorv"),
        ("gb18030", b"\x841\x953related::0123 zqorv"),
    ],
)
def test_a_link_that_only_its_encoding_shows_is_none_to_count(encoding: str, link: bytes) -> None:
    """Bytes beyond ASCII may stand for colons, spaces or a mark in front."""
    reader = replace(READER, encoding=encoding)
    assert reader.read(line(link)) == "keywordless"
    assert_columns_equal_lines([line(link), line("xkuzq 12"), line(b"\xe4 zqorv")], reader=reader)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(max_size=12).map(lambda t: t.encode("utf-8", "ignore").replace(b"\n", b"\r"))
        | queries(),
        min_size=MIN_COLUMNAR_LINES + 1,
        max_size=MIN_COLUMNAR_LINES + 4,
    ),
    st.integers(0, 3),
)
def test_any_text_has_the_same_codes(raw: list[bytes], extra: int) -> None:
    """All of Unicode around the words of the lexicon."""
    lines = [
        line(b"zqorv " * (i % 2) + item + b" sex" * (i % 3 == extra)) for i, item in enumerate(raw)
    ]
    assert_columns_equal_lines([*lines, line("zqorv")])


@settings(max_examples=60, deadline=None)
@given(st.integers(LIMIT - 40, LIMIT + 3), st.booleans())
def test_the_limit_counts_the_bytes_of_the_line(size: int, carriage: bool) -> None:
    """A line of the limit is read, one byte more is too long, return included."""
    text = line("zqorv ") + b"x" * 200
    text = text[: size - carriage] + b"\r" * carriage
    assert_columns_equal_lines([text] * 40)
    expected = "too_long" if size > LIMIT else None
    block = READER.read(text)
    assert (block if isinstance(block, str) else None) == expected


def test_the_columns_are_really_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A regular line never meets the line reader, unless it has no word, or an odd age.

    All of them are odd when a number is a word itself.
    """
    request: list[bytes] = []
    for name in ("read_search", "text_of_query"):
        way = getattr(LineReader, name)

        def noted(self: LineReader, first: bytes, way: Any = way) -> Any:
            request.append(first)
            return way(self, first)

        monkeypatch.setattr(LineReader, name, noted)
    queries = ["ordinary words", "zqorv", "x\u00e9", "7 zqu", "x\u00e9 7 zqu", "7  zqu", ""]
    lines = [line(query) for query in queries] * 10
    BlockReader(APART).read(b"\n".join(lines))
    assert sorted(set(request)) == [b"", b"7  zqu"]
    request.clear()
    BlockReader(READER).read(b"\n".join(lines))
    assert sorted(set(request)) == [b"", b"7  zqu", b"7 zqu", "x\u00e9 7 zqu".encode()]


@pytest.mark.parametrize(
    "count", [0, 1, MIN_COLUMNAR_LINES - 1, MIN_COLUMNAR_LINES, MIN_COLUMNAR_LINES + 1]
)
def test_few_lines_and_many_are_read_alike(count: int) -> None:
    """The size of a block changes nothing, and an empty one has empty columns."""
    lines = [line("zqorv"), line("xkuzq 12", address="2001:db8::7"), b"banner"] * count
    block = BlockReader(READER).read(b"".join(item + b"\n" for item in lines))
    assert len(block.time) == 2 * count
    assert block.codes.tolist() == [[1, 2] * count, [0, 0] * count]
    assert block.outcomes == Counter({"other": count})
    assert block.address.shape == (2 * count, 16)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"", "other"), (b"\r", "other"), (b"banner", "other"), (b"\xef\xbb\xbf", "other"),
        (b"x" * (LIMIT + 1), "too_long"), (line("zqorv", stamp="x"), "bad_time"),
        (line("", stamp="x"), "bad_time"), (line("zqorv", stamp="2026-03-29T02:30:00"),
        "impossible_time"),
        (line("zqorv", address="17"), "bad_address"), (line("", address="17"), "bad_address"),
        (line(""), "keywordless"), (line("\0"), "keywordless"), (line("related::0123"),
        "keywordless"),
        (line("ed2k::0123"), "keywordless"), (line("_ - \u0301"), "keywordless"),
    ],
)  # fmt: skip
def test_outcomes(raw: bytes, outcome: str) -> None:
    """What a line is that is no sighting, by either way."""
    assert READER.read(raw) == outcome
    assert BlockReader(READER).read((raw + b"\n") * (MIN_COLUMNAR_LINES + 1)).outcomes == Counter(
        {outcome: MIN_COLUMNAR_LINES + 1}
    )


def test_a_hole_and_a_byte_order_mark_before_a_line_are_nothing() -> None:
    """NULs of a truncated file and an editor's mark are skipped, and carriage returns."""
    expected = READER.read(line("zqorv"))
    assert isinstance(expected, ParsedQuery)
    for lead in (b"\0" * 9, b"\xef\xbb\xbf", b"\0\xef\xbb\xbf"):
        assert READER.read(lead + line("zqorv") + b"\r") == expected


def test_a_link_with_a_kelvin_sign_is_the_same_both_ways() -> None:
    """Both ways must agree whether `ed2` + U+212A + `::` is a link."""
    assert_columns_equal_lines([line("ed2\u212a::zqorv")] * 40)


@pytest.mark.parametrize("layout", ["%Y-%m-%dT%H:%M:%S.%fZ", "%d/%m/%Y %H:%M:%S"])
def test_a_layout_is_obeyed_by_the_columns(layout: str) -> None:
    """With `time_format` set, the same block has the same times whatever its size."""
    clock = TimestampParser(ZoneInfo("Europe/Paris"), layout)
    assert_columns_equal_lines([line("zqorv")] * 40, reader=replace(READER, clock=clock))


@settings(max_examples=20, deadline=None)
@given(hostile)
def test_trees_in_a_tsv_log_are_read_line_by_line(lines: list[bytes]) -> None:
    """They never take the columns."""
    assert_columns_equal_lines(lines, reader=replace(READER, syntax="enode-go"))


OPERATORS = ("AND", "OR", "NOT", "-", '"', "(", ")", "-(", "NOTE", "android", "zqORv", "-zqorv")
operated = st.lists(st.sampled_from(OPERATORS) | words, max_size=8).map(" ".join)


@pytest.mark.untraced
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        operated | st.just("xkuzq 12"),
        min_size=MIN_COLUMNAR_LINES + 1,
        max_size=MIN_COLUMNAR_LINES + 8,
    ),
    hostile,
    st.sampled_from(["cp1252", "mac_arabic", "gb18030"]),
)
def test_operators_are_left_to_the_line_reader(
    texts: list[str], others: list[bytes], encoding: str
) -> None:
    """What they exclude was not searched for; queries without any are read by columns."""
    lines = [line(text.encode("utf-8", "replace")) for text in texts] + others
    lines.append(line(b"\xa8zqorv\xa9 \xe4 \xadxkuzq 12"))  # Brackets and a minus in Arabic.
    boolean = replace(READER, syntax="boolean", encoding=encoding)
    assert_columns_equal_lines(lines, reader=boolean)
    assert_columns_equal_lines(lines, reader=replace(boolean, format=Jsonl({})))


JSONL = replace(READER, format=Jsonl({}), max_line_bytes=400)
OBJECTS = (
    b'{"ts":"%b","ip":"%b","query":"%b"}',
    b'{"ts": "%b", "ip": "%b", "query": "%b"}',
    b'{"level":"info","n":[1,{"a":2}],"ts":"%b","ip":"%b","query":"%b","took":7} ',
    b'{"ts":"%b","ip":"%b","query":"%b","query":"zqorv"}',
    b'{"query":"xkuzq","ts":"%b","ip":"%b","query":"%b"}',
    b'{"ts":"%b","ip":"%b","a":{"query":"%b"},"query":"12"}',
    b'{"ts":"%b","ip":"%b","query":"%b","again":"zqorv"}',
    b'{"ts":"%b","ip":"%b","query":"%b","' + b"x" * 90 + b'":1}',
    b'{"ts":"%b","ip":"%b","query":"%b"}}',
)
"""With the three keys in their order; what stands where may still be another thing."""


@st.composite
def records(draw: st.DrawFn, form: bytes) -> bytes:
    """An object of the form, or of another, with its texts escaped or as they are."""
    used = draw(st.sampled_from((form,) * 8 + OBJECTS))
    query = draw(queries())
    if draw(st.integers(0, 2)):
        plain = draw(st.booleans())
        query = json.dumps(query.decode("utf-8", "replace"), ensure_ascii=plain)[1:-1].encode()
    made: bytes = used % (draw(stamps).encode(), draw(addresses).encode(), query)
    return made


@st.composite
def documents(draw: st.DrawFn) -> list[bytes]:
    """A log of one form, more or less."""
    form = draw(st.sampled_from(OBJECTS))
    result = draw(
        st.lists(records(form), min_size=MIN_COLUMNAR_LINES + 1, max_size=MIN_COLUMNAR_LINES + 8)
    )
    at = draw(st.integers(0, 40))
    by = draw(st.sampled_from((b'"', b"\\", b" ", b"\xf4", b"\t", b"")))
    place = draw(st.integers(0, len(result) - 1))
    result[place] = result[place][:at] + by + result[place][at + 1 :]
    return [item.replace(b"\n", b" ") for item in result]


@pytest.mark.untraced
@settings(max_examples=150, deadline=None)
@given(documents(), st.booleans())
@example([OBJECTS[0] % (STAMP.encode(), b"192.0.2.7", b"\xf4\x8f\xbf\x8f zqorv")] * 40, True)
@example([OBJECTS[0] % (STAMP.encode(), b"192.0.2.7", b"")] * 40, False)
@example([OBJECTS[0] % (STAMP.encode(), b"192.0.2.7", b"zq\\u006frv")] * 40, False)
@example([b'{"ts":"","ip":"","query":""}'] * 40, True)
@example(
    [b'{"ts":"%b","ip":"192.0.2.7","op":"query","query":"query"}' % STAMP.encode()]
    + [b'{"ts":"%b","ip":"192.0.2.7","op":"zqorv","query":"query"}' % STAMP.encode()] * 40,
    True,
)
@example(
    [b'{"ts":"%b","ip":"192.0.2.7","query":"query"}' % STAMP.encode()]
    + [b'{"ts":"%b","ip":"192.0.2.7","zqorv":"query"}' % STAMP.encode()] * 40,
    True,
)
def test_a_block_of_json_equals_its_lines(lines: list[bytes], ended: bool) -> None:
    """Escapes, other keys, keys that stand twice, and bytes that are no UTF-8."""
    assert_columns_equal_lines(lines, ended=ended, reader=JSONL)


unix_times = st.builds(
    lambda seconds, fraction, digits: f"{seconds}{fraction:09}"[:digits],
    st.integers(946_684_790, 1_795_430_676), st.integers(0, 10**9 - 1),
    st.sampled_from((10, 13, 16, 19, 10, 13, 16, 19, 12, 17)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(unix_times | stamps, min_size=MIN_COLUMNAR_LINES + 1, max_size=MIN_COLUMNAR_LINES + 8)
)
@example(["1795430676285123456"] * 40)
@example([STAMP, "1795430676285123456"] * 20)
@example(["1795430676285123456", STAMP] * 20)
def test_unix_times_of_a_block_equal_those_of_its_lines(times: list[str]) -> None:
    """In seconds, ms, µs and ns, beside other stamps and by themselves."""
    assert_columns_equal_lines([line("zqorv", stamp) for stamp in times])
    objects = [OBJECTS[0] % (stamp.encode(), b"192.0.2.7", b"zqorv") for stamp in times]
    assert_columns_equal_lines(objects, reader=JSONL)


@pytest.mark.parametrize("form", OBJECTS[:3])
def test_ordinary_lines_of_json_are_read_by_columns(
    form: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they come of a program: no line of them is left to the line reader."""
    lines = [form % (STAMP.encode(), b"192.0.2.%d" % i, b"xkuzq 12 %d" % i) for i in range(99)]
    expected = [JSONL.read(line) for line in lines]
    block = BlockReader(JSONL)
    monkeypatch.setattr(LineReader, "read", lambda *_: pytest.fail("a line was read by itself"))
    lines_read = block.read(b"\n".join(lines) + b"\n")
    assert [ParsedQuery(*row) for row in zip(
        lines_read.time.tolist(), lines_read.alternative.tolist(),
        [row.tobytes() for row in lines_read.address], zip(*lines_read.codes.tolist(), strict=True),
        strict=True,
    )] == expected  # fmt: skip


ENODE = replace(READER, format=EnodeGo(), syntax="enode-go", max_line_bytes=400)
texts = st.sampled_from(
    ("zqorv", "ordinary words", "Qv\u00e9lt", "\u03be\u03c8\u03be\u03b1", "12 zqu", "", "-",
     "\u0301",
     "related::0", "ed2k::0", r"\"zqorv\"", r"\xe9t\xe9", r"\\", r"a\tb", "xkuzq", "7", "expr=",
     "\ufeffzqorv", "Qv\udcc3\udca9lt", "caf\udce9", "text and", "(", '"', "TEXT(",
     "\ufeff\ufeffa", "...........zqorv",
     r"\ufeffzqorv", r"zqorv\ufeffxkuzq", r"\ufeff\ufeff related::x", r"\\ufeffzqorv",
     r"\\\ufeffzqorv", r"\ufeff", "  ' \ufeffed2k::zqorv", "          related::zqorv",
     "\"" + "\ufeff" * 12 + "related::x",
     r"zqorv\x00xkuzq", r"zqorv\u2028", r"\u0301zqorv", r"zq\x6frv", r"zqorv\u00ad", r"\xc3\xa9",
     r"\\\"zqorv\\\\", r"\q", r"zqorv\U0001f600", r"\x1brelated::a", r"\"ed2k::zqorv", "\\",
     r"zqorv\ud800", r"\x0", "r\u00e9lated::", "related:", "ed2k:", "relat")
)  # fmt: skip
leaves = texts.map(lambda text: f'TEXT("{text}")')
filters = st.sampled_from(('STRING(tag=0x30001,val="Audio")', "U32(tag=0x2000101,val=7)", "U32("))


def joined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Two trees under an operator."""
    names = st.sampled_from(("AND", "AND", "AND", "OR", "ANDNOT", "XOR"))
    return st.tuples(names, children, children).map("{0[0]}({0[1]},{0[2]})".format)


@st.composite
def chains(draw: st.DrawFn) -> str:
    """Words that lean to one side, as clients send them."""
    tree, *more = draw(st.lists(leaves, min_size=1, max_size=10))
    for leaf in more:
        tree = f"AND({tree},{leaf})" if draw(st.booleans()) else f"AND({leaf},{tree})"
    return tree


trees = leaves | chains() | st.recursive(leaves | filters, joined, max_leaves=6)
modules = st.sampled_from(("tcp", "tcp", "tcp", "tcp-obfs", "udp", "tcp-obfs-obfs", "t"))
tails = st.sampled_from(("", "", "", "", "\r", " ", ")", '"', "x"))


@st.composite
def logged(draw: st.DrawFn) -> bytes:
    """A line of eNode-go: a search, or one of the others that it writes."""
    stamp, address = draw(stamps), draw(addresses)
    if draw(st.integers(0, 3)) == 0:
        rest = draw(st.sampled_from(("proto=tcp, dir=recv", "expr=", "x expr=y", "")))
        return f"{stamp}\tDEBUG\t[module=tcp] {rest} remote={address}".encode()
    head = f"{stamp}\tDEBUG\t[module={draw(modules)}] tcp payload parsed remote={address}"
    return f"{head} opcode=OP_SEARCHREQUEST expr={draw(trees)}{draw(tails)}".encode(
        "utf-8", "surrogateescape"
    )


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Such a line with some bytes replaced, taken out or put in."""
    raw = draw(logged())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 2)) :]
    return raw.replace(b"\n", b"\t")


@pytest.mark.untraced
@settings(max_examples=250, deadline=None)
@given(
    st.lists(
        logged() | logged() | spoilt() | noise,
        min_size=MIN_COLUMNAR_LINES + 1,
        max_size=MIN_COLUMNAR_LINES + 8,
    )
)
def test_trees_by_columns_are_those_of_the_parser(lines: list[bytes]) -> None:
    """Whatever stands between the quotes, and whatever is no tree at all."""
    first = b"2026-11-23T10:44:36.285Z\tDEBUG\tlogin"
    for reader in (ENODE, replace(ENODE, detector=APART.detector)):
        assert_columns_equal_lines([first, *lines], reader=reader)


def test_chains_never_meet_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of one TEXT or of a chain of ANDs, and lines that are no search."""
    request: list[bytes] = []

    def noted(self: LineReader, first: bytes) -> Any:
        request.append(first)
        return "other"

    monkeypatch.setattr(LineReader, "read_search", noted)
    monkeypatch.setattr(LineReader, "text_of_query", noted)
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode="
    items = [
        'TEXT("a")', 'AND(TEXT("a b"),TEXT("c"))', 'AND(AND(TEXT("a"),TEXT("b")),TEXT("\u00e9"))',
        'AND(TEXT("a"),AND(TEXT("b"),TEXT("c")))', 'TEXT("\u03c8 a")',
        'AND(AND(AND(TEXT("a"),TEXT("b")),TEXT("c")),TEXT("d"))',
        'AND(TEXT("a"),AND(TEXT("b"),AND(TEXT("c"),TEXT("d"))))',
        'AND(TEXT("a"),TEXT("zqorv"))',
        'AND(AND(TEXT("xkuzq"),TEXT("b")),TEXT("\u03be\u03c8\u03be\u03b1"))',
    ]  # fmt: skip
    lines = [f"{head}OP_SEARCHREQUEST expr={tree}".encode() for tree in items]
    lines.append(f"{head}OP_LOGINREQUEST hash=0".encode())
    observed = BlockReader(ENODE).read(b"\n".join(lines * 10))
    assert not request
    assert len(observed.time) == 90
    assert observed.codes[0, :9].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 2]
    assert observed.outcomes == Counter(other=10)


@pytest.mark.parametrize("leaves", range(1, MAX_LEAVES + 2))
@pytest.mark.parametrize("left", [True, False])
def test_no_byte_of_a_chain_is_taken_for_granted(leaves: int, left: bool) -> None:
    """With any one of them another, missing or there twice it is what the parser says."""
    tree = 'TEXT("zqorv")'
    for text in "abcdefgh"[: leaves - 1]:
        tree = f'AND({tree},TEXT("{text}"))' if left else f'AND(TEXT("{text}"),{tree})'
    raw = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode=".encode()
    raw += f"OP_SEARCHREQUEST expr={tree}".encode()
    lines = [raw]
    for at in range(len(STAMP), len(raw)):
        lines += [raw[:at] + by + raw[at + 1 :] for by in (b"", b"x", b")", raw[at : at + 1] * 2)]
    assert_columns_equal_lines(lines, reader=ENODE)


@pytest.mark.parametrize(
    "front", [b'"', b'")', b'""', b"\\", b"\\u0020", b"\xff", b"\xc3\xa9", b""]
)
def test_what_follows_a_line_is_no_part_of_its_tree(front: bytes) -> None:
    """Trees that lack their end, before lines that begin with what they lack."""
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode=".encode()
    trees = [b'TEXT("', b'TEXT(")', b'TEXT("a', b'TEXT("zqorv"', b'TEXT("zqorv")', b"TEXT(", b""]
    trees += [b'AND(TEXT("a"),TEXT("zqorv"))'[:size] for size in range(14, 29)]
    lines = [line for tree in trees for line in (head + b"OP_SEARCHREQUEST expr=" + tree, front)]
    assert_columns_equal_lines([*lines * 2, lines[8]], reader=ENODE)


def test_a_link_in_any_text_of_a_chain_is_no_word_of_it() -> None:
    """The first, the last, and the only one that has a letter; beside wide and narrow ones."""
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode="
    trees = [
        f'AND(TEXT("{item}"),TEXT("{other}"))'
        for item in ("related::zqorv", "-", "", "\u00e9", "a", "\u0301")
        for other in ("related::zqorv", "ed2k::zqorv", "ed2k::\u00e9", "zqorv", "-")
    ]
    lines = [f"{head}OP_SEARCHREQUEST expr={tree}".encode() for tree in trees]
    assert_columns_equal_lines(lines * 2, reader=ENODE)


def test_texts_of_one_tree_have_encodings_of_their_own() -> None:
    """A word in UTF-8 is found beside one that is not, whichever comes first."""
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode="
    utf8, other = "Qv\u00e9lt".encode(), b"caf\xe9"
    trees = [
        b'AND(AND(TEXT("a"),TEXT("%s")),TEXT("%s"))' % pair
        for pair in ((utf8, other), (other, utf8))
    ]
    lines = [f"{head}OP_SEARCHREQUEST expr=".encode() + tree for tree in trees] * MIN_COLUMNAR_LINES
    assert_columns_equal_lines(lines, reader=ENODE)
    assert BlockReader(ENODE).read(b"\n".join(lines)).codes[0].all()


def test_a_mark_beside_what_is_no_utf_8_is_read_as_it_was_written() -> None:
    """An escape for which columns find spaces; the fallback encoding makes letters of its bytes."""
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode="
    head += "OP_SEARCHREQUEST expr="
    lines = [
        head.encode() + b'TEXT("\xff %s\\ufeff")' % word for word in (b"zqorv", b"xkuzq 12", b"a")
    ]
    assert_columns_equal_lines(lines * 20, reader=ENODE)
