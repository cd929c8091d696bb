"""The columns of a block and the specification give the same codes for both profiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donkeywatch.ingest.block_reader import MIN_COLUMNAR_LINES, BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.line_reader import LineReader
from donkeywatch.ingest.timestamps import TimestampParser
from support.extended_lexicon import DETECTOR, LEXICON, SHADOWED

READER = LineReader(Tsv(), TimestampParser(None), "plain", "cp1252", 4096, DETECTOR)
REFERENCE = replace(READER, detector=Detector(LEXICON, "pyahocorasick", ("paper", "extended")))
SHADOW = replace(READER, detector=SHADOWED)
TREES = replace(READER, format=EnodeGo(), syntax="enode-go")
STAMP = "2026-11-23T10:44:36.285Z"
PIECES = (
    "zqorv", "qvlop", "xkoll", "qv\u00e9xk", "\u044a\u044b\u044a\u043a\u0442\u043e", "ab",
    "\u3402\u3403", "xkarno", "orvzq", "minxk", "zqel", "kvezq", "ezqat", "zqy", "12", "7", "azqen",
    "twelzq", "zqorvian", "sazqen", "sex", "porno", "xxx", "kamo", "1080", "\u0667", "z", "q", "o",
    "r", "v", "0", "xx\u200bx", "a\u200bb", "1\u200b", "@", "xk4rn0", "zz", "a",
    "zqimbalo", "zqimbal", "zqimbxlo", "zzqimbalo", "qimbalo",
    "imbalo", "zqimb",
)  # fmt: skip
JOINERS = ("", "", " ", " ", "-", ".", "_", "\u200b", "\u00ad", "  ", "!")
queries = st.lists(
    st.tuples(st.sampled_from(PIECES), st.sampled_from(JOINERS), st.booleans()), max_size=9
).map(
    lambda parts: "".join(
        (piece.upper() if is_upper else piece) + joiner for piece, joiner, is_upper in parts
    )
)
texts = st.one_of(queries, st.text(st.characters(exclude_characters="\t\r\n"), max_size=40))


def assert_columns_equal_lines(reader: LineReader, lines: list[str]) -> None:
    """A block of these lines, and of so many others that the columns are taken."""
    ordinary = [f"{STAMP}\t192.0.2.7\tkamo"] * MIN_COLUMNAR_LINES
    if reader is TREES:
        ordinary = [tree_line(["kamo"])] * MIN_COLUMNAR_LINES
    block = "".join(line + "\n" for line in (*lines, *ordinary)).encode("utf-8", "surrogatepass")
    by_columns, by_lines = BlockReader(reader).read(block), reader.read_lines(block)
    assert by_columns.codes.tolist() == by_lines.codes.tolist()
    assert by_columns.outcomes == by_lines.outcomes


def tree_line(words: list[str]) -> str:
    """A line of eNode-go, whose clients split what is typed into a tree of words."""
    tree = f'TEXT("{words[0]}")'
    for word in words[1:]:
        tree = f'AND({tree},TEXT("{word}"))'
    head = f"{STAMP}\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode="
    return f"{head}OP_SEARCHREQUEST expr={tree}"


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(texts, min_size=1, max_size=12))
@pytest.mark.parametrize(
    "reader", [READER, REFERENCE, SHADOW], ids=["hyperscan", "pyahocorasick", "shadow"]
)
@pytest.mark.untraced
def test_columns_equal_lines(reader: LineReader, lines: list[str]) -> None:
    """By either matcher."""
    assert_columns_equal_lines(reader, [f"{STAMP}\t192.0.2.7\t{text}" for text in lines])


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8), min_size=1, max_size=8))
def test_columns_of_trees_equal_lines(words: list[list[str]]) -> None:
    """Where letters that are spaced out are a word of the tree each."""
    assert_columns_equal_lines(TREES, [tree_line(each) for each in words])


def test_lines_without_anything_new_are_not_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ordinary searches, plain entries of a rule that is not met, and what `paper` flags."""
    lines = ["kamo tegf", "zqorv kamo", "qv\u00e9xk", "xkarno", "12zqy", "caf\u00e9 zqorv", "canal"]
    requested: list[bytes] = []

    def noted(self: LineReader, query: bytes) -> str:
        requested.append(query)
        return query.decode()

    monkeypatch.setattr(LineReader, "text_of_query", noted)
    block = "".join(f"{STAMP}\t192.0.2.7\t{text}\n" for text in lines * 10 + ["zq0rv"])
    BlockReader(READER).read(block.encode())
    assert requested == [b"zq0rv"]
