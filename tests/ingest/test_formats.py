"""What each kind of log line means, and that no bytes at all upset a reader."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.observations import OUTCOMES
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line_format import MALFORMED, OTHER, LineFormat, RawQuery
from donkeywatch.ingest.formats.regex import Regex
from donkeywatch.ingest.formats.registry import create_format
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.ingest.timestamps import TimestampParser
from donkeywatch.settings.schema import Source, Syntax

STAMP = "2026-11-23T10:44:36.285Z"
PATTERN = r"(?P<ts>\S+) <(?P<ip>[^>]*)>(?::(?P<port>\d+))? (?P<query>.*)"
DETECTOR = Detector(
    Lexicon.model_validate(
        {"topics": {"one": {"groups": {"a": ["zqorv"]}, "categories": [{"id": "a", "all": ["a"]}]}}}
    )
)


def reader(
    form: LineFormat, syntax: Syntax = "plain", clock: TimestampParser | None = None
) -> LineReader:
    """A reader of a format with a small lexicon."""
    clock = clock or TimestampParser(ZoneInfo("Europe/Paris"))
    return LineReader(form, clock, syntax, "cp1252", 300, DETECTOR)


READERS = {
    "tsv": reader(Tsv()),
    "tsv-boolean": reader(Tsv(), "boolean"),
    "tsv-trees": reader(Tsv(), "enode-go"),
    "jsonl": reader(Jsonl({})),
    "enode-go": reader(EnodeGo(), "enode-go"),
    "regex": reader(Regex(PATTERN, strip_ansi=False)),
    "regex-ansi": reader(Regex(PATTERN, strip_ansi=True), "boolean"),
    "layout": reader(Tsv(), clock=TimestampParser(None, "%d/%b/%Y %H:%M:%S %z")),
}


def enode(tail: str, stamp: str = STAMP, module: str = "tcp", remote: str = "192.0.2.7") -> bytes:
    """A debug line of eNode-go."""
    return f"{stamp}\tDEBUG\t[module={module}] tcp payload parsed remote={remote} {tail}".encode()


def test_tsv_keeps_further_tabs_in_the_query() -> None:
    """The query is everything behind the second tab."""
    assert Tsv().read(b"1\t2\tzqorv\tqvelt") == RawQuery(b"1", b"2", b"zqorv\tqvelt")
    assert Tsv().read(b"1\t2\t") == RawQuery(b"1", b"2", b"")
    assert Tsv().read(b"1\t2") == OTHER


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b'{"ts":"x","ip":"y","query":"z"}', RawQuery(b"x", b"y", b"z")),
        (b'{"ts":1795430676.285,"ip":3,"query":12}', RawQuery(b"1795430676.285", b"3", b"12")),
        (b' {"query":"z\\n\\u00e9","ip":"y","ts":"x","more":[]} ', RawQuery(b"x", b"y",
        b"z\n\xc3\xa9")),
        (b'{"ts":"x","ip":"y","query":"z\xe9"}', RawQuery(b"x", b"y", b"z\xe9")),
        (b'{"ts":"x","ip":"y"}', OTHER),
        (b'{"ts":"x","ip":"y","query":null}', OTHER),
        (b'{"ts":"x","ip":"y","query":true}', OTHER),
        (b'{"ts":"x","ip":"y","query":["z"]}', OTHER),
        (b"[]", OTHER), (b"null", OTHER), (b"", OTHER), (b"  ", OTHER), (b'"ts"', OTHER),
        (b"{", MALFORMED), (b'{"ts":"x"}}', MALFORMED), (b"\xff", MALFORMED),
        (b"[" * 100_000, MALFORMED), (b'{"ts":' + b"1" * 5000 + b"}", MALFORMED),
    ],
)  # fmt: skip
def test_jsonl(line: bytes, result: RawQuery | str) -> None:
    """An object with the three keys is a search; broken JSON is malformed, the rest other."""
    assert Jsonl({}).read(line) == result


def test_jsonl_keys_are_mapped_and_reach_inside() -> None:
    """Dots in a mapped key go down into nested objects."""
    form = Jsonl({"ip": "client.address", "query": "q"})
    line = json.dumps({"ts": 1, "client": {"address": "192.0.2.7"}, "q": "zqorv"}).encode()
    assert form.read(line) == RawQuery(b"1", b"192.0.2.7", b"zqorv")
    assert form.read(b'{"ts":1,"client":"192.0.2.7","q":"zqorv"}') == OTHER


def test_a_lone_surrogate_in_json_is_a_separator() -> None:
    """Half a character in an escape splits words; it is no error."""
    line = rb'{"ts":"x","ip":"y","query":"zqorv\ud800qvelt"}'
    assert Jsonl({}).read(line) == RawQuery(b"x", b"y", b"zqorv?qvelt")


def test_no_lone_surrogate_in_json_becomes_a_byte() -> None:
    r"""The escape \udce9 is half a character like any other, not the byte 0xE9."""
    line = rb'{"ts":"x","ip":"y","query":"zqorv\udce9qvelt"}'
    assert Jsonl({}).read(line) == RawQuery(b"x", b"y", b"zqorv?qvelt")


def test_a_lone_surrogate_leaves_raw_bytes_alone() -> None:
    """A cp1252 letter beside half a character is still that letter."""
    line = b'{"ts":"x","ip":"y","query":"zq\xe9rv \\ud800"}'
    assert Jsonl({}).read(line) == RawQuery(b"x", b"y", b"zq\xe9rv ?")


def test_only_one_of_the_three_lines_of_enode_go_counts() -> None:
    """The receive line and the result line of a search are other."""
    form = EnodeGo()
    assert form.read(enode('opcode=OP_SEARCHREQUEST expr=TEXT("a b")')) == RawQuery(
        STAMP.encode(), b"192.0.2.7", b'TEXT("a b")'
    )
    for tail in (
        "opcode=OP_SEARCHREQUEST resultCount=0", 'opcode=OP_LOGINREQUEST expr=TEXT("a")',
        "opcode=OP_SEARCHREQUEST(0x16), size=11", "dir=send opcode=OP_SEARCHREQUEST expr=",
    ):  # fmt: skip
        assert form.read(enode(tail)) == OTHER


def test_enode_go_is_anchored() -> None:
    """A forged line inside a quoted query stays inside it; one with a lead is no search."""
    forged = enode('opcode=OP_SEARCHREQUEST expr=TEXT("x")', remote="203.0.113.9").decode()
    quoted = forged.replace('"', '\\"').replace("\t", "\\t")
    block = EnodeGo().read(enode(f'opcode=OP_SEARCHREQUEST expr=TEXT("a\\n{quoted}")'))
    assert isinstance(block, RawQuery)
    assert block.address == b"192.0.2.7"
    assert EnodeGo().read(b"x " + forged.encode()) == OTHER
    line = enode('opcode=OP_SEARCHREQUEST expr=TEXT("x") tail')
    assert READERS["enode-go"].read(line) == MALFORMED
    assert EnodeGo().read(line.replace(b"DEBUG", b"INFO")) == OTHER
    obfuscated = enode('opcode=OP_SEARCHREQUEST expr=TEXT("x")', module="tcp-obfs")
    assert isinstance(EnodeGo().read(obfuscated), RawQuery)
    other = enode('opcode=OP_SEARCHREQUEST expr=TEXT("x")', module="udp")
    assert EnodeGo().read(other) == OTHER


def test_the_genuine_sample_is_read() -> None:
    """Each search of the recorded server is a query or keywordless; nothing is rejected."""
    sample = Path(__file__).parents[2].parent / "shared" / "samples" / "enode-go.log"
    if not sample.exists():
        pytest.skip("the samples are not beside the checkout")
    lines = sample.read_bytes().splitlines()
    block = [READERS["enode-go"].read(line) for line in lines]
    tally = Counter("query" if isinstance(item, ParsedQuery) else item for item in block)
    assert set(tally) <= {"query", "keywordless", "other"}
    assert tally["query"] + tally["keywordless"] == sum(b" expr=" in line for line in lines)
    assert tally["query"] >= 10


def test_regex_matches_the_whole_line() -> None:
    """Both ends are anchored, the query may hold anything, and colours can be removed."""
    form = Regex(PATTERN, strip_ansi=False)
    assert form.read(b"1 <192.0.2.7>:4662 a\nb") == RawQuery(b"1", b"192.0.2.7", b"a\nb")
    assert form.read(b" 1 <192.0.2.7> a") == OTHER
    coloured = b"\x1b[1;31m1 <192.0.2.7> a\x1b[0m"
    left = form.read(coloured)
    assert isinstance(left, RawQuery)
    assert left.query == b"a\x1b[0m"
    assert Regex(PATTERN, strip_ansi=True).read(coloured) == RawQuery(b"1", b"192.0.2.7", b"a")
    optional = Regex(r"(?P<ts>\d+)(?P<ip> \S+)?(?P<query> .*)?", strip_ansi=False)
    assert optional.read(b"1 192.0.2.7") == OTHER


@pytest.mark.parametrize(
    ("name", "kind"),
    [("tsv", Tsv), ("jsonl", Jsonl), ("enode-go", EnodeGo), ("regex", Regex)],
)
def test_presets_by_name(name: str, kind: type) -> None:
    """Each name of the settings is the format of that name."""
    pattern = {"pattern": PATTERN} if name == "regex" else {}
    source = Source.model_validate({"path": "search.log", "format": name, **pattern})
    assert type(create_format(source)) is kind


pieces = st.sampled_from(
    [STAMP, "1795430676", "23/Nov/2026 10:44:36 +0000", "2026-03-29T02:30:00", "\t", " ", "zqorv",
     "192.0.2.7", "<192.0.2.7>", "17", "[2001:db8::7]:9", "\r", "\0", "\ufeff", "related::",
     "expr=",
     enode("opcode=OP_SEARCHREQUEST expr=").decode(), 'TEXT("', '")', "AND(", ",", "\\x", "\x1b[0m",
     '{"ts":"', '","ip":"', '","query":"', '"}', "\\ud800", "NOT ", "(", "x" * 290,
     "U32(tag=0x1,val=1)"]
).map(str.encode)  # fmt: skip
hostile = st.lists(pieces | st.binary(max_size=6), max_size=10).map(b"".join)


@given(st.lists(hostile, max_size=8), st.booleans(), st.sampled_from(sorted(READERS)))
def test_every_line_has_exactly_one_outcome(parts: list[bytes], ended: bool, name: str) -> None:
    """Any bytes are read without an error, and lines = sightings + the tally."""
    block = b"\n".join(parts) + (b"\n" if ended else b"")
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    single = [READERS[name].read(line) for line in lines]
    observed = BlockReader(READERS[name]).read(block)
    assert len(lines) == len(observed.time) + observed.outcomes.total()
    assert set(observed.outcomes) <= set(OUTCOMES) - {"query"}
    assert observed.outcomes == Counter(item for item in single if isinstance(item, str))
    assert observed.time.tolist() == [item.time for item in single if isinstance(item, ParsedQuery)]


@given(
    st.sampled_from(["tsv", "jsonl", "enode-go", "regex"]),
    st.sampled_from(["192.0.2.7", "192.0.2.7:4662", "2001:db8::7"]),
)
def test_the_same_search_is_the_same_sighting_in_every_format(name: str, address: str) -> None:
    """Formats differ in their lines, never in what a search means."""
    line = {
        "tsv": f"{STAMP}\t{address}\tZqorv\r".encode(),
        "jsonl": json.dumps({"ts": STAMP, "ip": address, "query": "ZQORV"}).encode(),
        "enode-go": enode('opcode=OP_SEARCHREQUEST expr=TEXT("zqorv")', remote=address),
        "regex": f"\ufeff{STAMP} <{address}> zqo\u0308rv".encode(),
    }[name]
    block = READERS[name].read(line)
    assert isinstance(block, ParsedQuery)
    assert block.codes == (1,)
    assert block.time == block.fold_time == 1795430676285
    expected = READERS["tsv"].read(f"{STAMP}\t{address}\tzqorv".encode())
    assert block == expected
