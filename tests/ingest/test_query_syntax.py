"""The words of a query, from plain text, boolean syntax and eNode-go's trees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.normalisation import tokenise
from donkeywatch.ingest.query_syntax import (
    DEPTH,
    MalformedTreeError,
    searched_text,
    searched_words,
    tree_terms,
    unquote_go,
)
from donkeywatch.settings.schema import Syntax

GO_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def quoted(raw: bytes) -> bytes:
    """Go's strconv.Quote of any bytes, without the quotes around."""
    out = []
    text = raw.decode("utf-8", "surrogateescape")
    for c in text:
        code = ord(c)
        if 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif code in GO_ESCAPES:
            out.append("\\" + GO_ESCAPES[code])
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif c.isprintable():
            out.append(c)
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(out).encode()


def leaf(raw: bytes) -> bytes:
    """A TEXT leaf."""
    return b'TEXT("' + quoted(raw) + b'")'


@pytest.mark.untraced
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda t: t.encode("utf-8", "ignore")))
def test_go_quoting_round_trips(raw: bytes) -> None:
    """Whatever bytes were searched for come back out of Go's quoting, on one line."""
    line = leaf(raw)
    assert b"\n" not in line
    assert unquote_go(quoted(raw)) == raw
    assert tree_terms(line) == [raw]


@pytest.mark.parametrize("text", [rb"\q", rb"\x4", rb"\u12", rb"\U0011ffff", rb"\ud800", b"a\\"])
def test_broken_escapes_are_malformed(text: bytes) -> None:
    """An escape that Go never writes is refused, not guessed."""
    with pytest.raises(MalformedTreeError):
        unquote_go(text)


Tree = tuple[bytes, list[bytes]]
"""A tree as written, and its wanted texts."""
leaves = st.binary(max_size=12).map(lambda raw: (leaf(raw), [raw]))
filters = st.sampled_from(
    [b'STRING(tag=0x30001,val="zqorv\\"),TEXT(\\"x")', b"U32(tag=0x2000101,val=12)",
     b"U64(tag=0x2000102,val=5368709120)", b'STRING(tag=0x40001,val="")']
).map(lambda raw: (raw, list[bytes]()))  # fmt: skip


def branch(operator: bytes, left: Tree, right: Tree) -> Tree:
    """Two trees under an operator."""
    kept = left[1] + ([] if operator == b"ANDNOT" else right[1])
    return operator + b"(" + left[0] + b"," + right[0] + b")", kept


trees = st.recursive(
    leaves | filters,
    lambda below: st.builds(branch, st.sampled_from([b"AND", b"OR", b"ANDNOT"]), below, below),
    max_leaves=12,
)


@given(trees)
def test_a_tree_gives_its_wanted_texts_in_order(tree: Tree) -> None:
    """Every shape comes to the leaves in order; exclusions and filters are left out."""
    assert tree_terms(tree[0]) == tree[1]


@given(trees, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_tree_is_malformed_or_another_tree(tree: Tree, at: int, by: bytes) -> None:
    """Damage never raises anything but Malformed, and nothing behind the end is ignored."""
    text = tree[0]
    for damaged in (text[:at] + by + text[at:], text[:at] + text[at + 1 :]):
        try:
            result = tree_terms(damaged)
        except MalformedTreeError:
            continue
        assert all(isinstance(item, bytes) for item in result)
    for tail in (b")", b" ", b",", b"\n", text):
        with pytest.raises(MalformedTreeError):
            tree_terms(text + tail)


def test_depth_is_limited() -> None:
    """A tree nested deeper than the limit is refused without a recursion error."""
    ends = {}
    for depth in (DEPTH, DEPTH + 1, 20_000):
        text = b"AND(" * depth + leaf(b"a") + b',TEXT("b"))' * depth
        try:
            ends[depth] = len(tree_terms(text))
        except MalformedTreeError:
            ends[depth] = 0
    assert ends == {DEPTH: DEPTH + 1, DEPTH + 1: 0, 20_000: 0}


def test_a_query_that_looks_like_a_tree_stays_one_leaf() -> None:
    """A quote inside a query cannot end it."""
    hostile = b'jazz"),TEXT("blues'
    assert tree_terms(leaf(hostile)) == [hostile]


SHAPES = (
    b'TEXT("zqorv qvelt xkuzq")',
    b'AND(AND(TEXT("zqorv"),TEXT("qvelt")),TEXT("xkuzq"))',
    b'AND(TEXT("zqorv"),AND(TEXT("qvelt"),TEXT("xkuzq")))',
    b'TEXT("\\"zqorv qvelt\\" xkuzq")',
    b'AND(TEXT("\\ufeffzqorv-qvelt"),AND(TEXT("xkuzq"),U32(tag=0x2000101,val=7)))',
    b'ANDNOT(TEXT("zqorv qvelt xkuzq"),AND(TEXT("live"),TEXT("live2")))',
)


@pytest.mark.parametrize("tree", SHAPES)
def test_all_shapes_of_a_search_come_to_the_same_words(tree: bytes) -> None:
    """One text, either associativity, quoted or not: one ordered list of words."""
    assert tokenise(searched_text(tree, "enode-go", "cp1252")) == ["zqorv", "qvelt", "xkuzq"]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("zqorv NOT live", ["zqorv"]),
        ("zqorv -live qvelt", ["zqorv", "qvelt"]),
        ('zqorv NOT "live set" qvelt', ["zqorv", "qvelt"]),
        ('zqorv -"live set" qvelt', ["zqorv", "qvelt"]),
        ("zqorv NOT (live OR (set AND more)) qvelt", ["zqorv", "qvelt"]),
        ("zqorv -(live set) qvelt", ["zqorv", "qvelt"]),
        ("(zqorv OR qvelt) AND xkuzq", ["zqorv", "qvelt", "xkuzq"]),
        ("zqorv not live", ["zqorv", "not", "live"]),
        ("zqorv and or", ["zqorv", "and", "or"]),
        ('"zqorv NOT qvelt"', ["zqorv", "not", "qvelt"]),
        ("zqorv-qvelt", ["zqorv", "qvelt"]),
        ("zqorv NOT", ["zqorv"]),
        ("zqorv NOT (live", ["zqorv"]),
        ("NOT live zqorv", ["zqorv"]),
        ("zqorv -", ["zqorv"]),
        ('"zqorv qvelt', ["zqorv", "qvelt"]),
        ("NOTE zqorv", ["note", "zqorv"]),
        (")) zqorv ((", ["zqorv"]),
        ("", []),
    ],
)
def test_excluded_words_were_not_searched_for(query: str, kept: list[str]) -> None:
    """NOT and a leading minus take away the word, phrase or bracket behind them."""
    assert tokenise(searched_words(query)) == kept


def test_a_dash_between_two_words_excludes_nothing() -> None:
    """Only a minus that leads a word excludes; `artist - title` is a search for both."""
    assert tokenise(searched_words("zqorv - qvelt")) == ["zqorv", "qvelt"]


@given(st.text(alphabet='zq -"()ANDORT\t', max_size=40))
def test_boolean_never_invents_words(query: str) -> None:
    """What is kept is a sub-sequence of what was typed."""
    typed = iter(tokenise(query))
    assert all(word in typed for word in tokenise(searched_words(query)))


@pytest.mark.parametrize("syntax", ["plain", "boolean"])
@pytest.mark.parametrize(
    "query",
    [b"related::0123", b"RELATED::zqorv", b"ed2k::0123", b" ed2k::zqorv", b'"related::zqorv"',
     b"\xef\xbb\xbfrelated::zqorv", b"", b"  ", b"--", b"\x00", b"\xb7"],
)  # fmt: skip
def test_links_and_empty_searches_have_no_words(query: bytes, syntax: Syntax) -> None:
    """A search for relatives of a file, for a hash or for nothing is keywordless."""
    assert tokenise(searched_text(query, syntax, "cp1252")) == []
    assert tokenise(searched_text(leaf(query), "enode-go", "cp1252")) == []


def test_a_link_beside_a_text_leaves_the_text() -> None:
    """Only the leaf that is a link is dropped."""
    tree = b'AND(TEXT("related::qvelt"),TEXT("zqorv"))'
    assert tokenise(searched_text(tree, "enode-go", "cp1252")) == ["zqorv"]


def test_bytes_that_are_not_utf8_use_the_fallback() -> None:
    """Each leaf is decoded by itself."""
    tree = b'AND(TEXT("zq\\xe9rv"),TEXT("qv\xc3\xa9lt"))'
    assert searched_text(tree, "enode-go", "cp1252") == "zq\u00e9rv qv\u00e9lt"
