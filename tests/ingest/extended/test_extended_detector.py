"""What `extended` sees through, and what it never takes for an entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.extended.search_patterns import LONG_TEXT
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.ingest.normalisation import tokenise
from donkeywatch.ingest.timestamps import TimestampParser
from support.extended_lexicon import DETECTOR, LEXICON, categories_of, level

BACKGROUND = ("gjvok", "kamo", "tegf", "19", "1080p", "mp3", "\u0436\u0444\u0445\u043e", "x264")
ENTRIES = ("zqorv", "qvlop", "xkoll", "xkarno", "orvzq", "kvezq", "ezqat", "minxk", "zqel", "12zqy")
words = st.lists(st.sampled_from((*BACKGROUND, *ENTRIES)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("query", "evidence"),
    [
        ("xkarno", "exact"), ("XKARNO kamo", "exact"), ("xk\u00e1rn\u00f6", "exact"),
        ("xkar\u200bno", "folded"), ("\u202exkarno\u00ad", "exact"), ("x\u00adkarno", "folded"),
        ("xk4rn0", "confusable"), ("xk@rno", "confusable"), ("\u0445k\u0430rn\u043e", "confusable"),
        ("xkarrrno", "squeezed"), ("xkaaarnooo gjvok", "squeezed"), ("xxkarno", "squeezed"),
        ("x k a r n o", "joined"), ("x.k.a.r.n.o", "joined"), ("kamo xk-arno", "joined"),
        ("x_k_4_r_n_0", "joined"), ("xkarno12", "border"), ("7xkarno", "border"),
        ("minxk zqel", "phrase"), ("minxk-zqel", "phrase"), ("minxkzqel", "joined"),
        ("kvezqen", "affix"), ("kvezq", "folded"), ("gjezqatok", "affix"), ("fooezqat", "affix"),
        ("zqorvxkarno", "joined"), ("qvlopzqorvxkarno", "joined"),
        ("azqen 12 xkarno", "exact"), ("qv\u00e9xk xkarno", "exact"),
        ("qvexk xk4rno", "confusable"),
        ("\u3402\u3403\u3410 xkarno", "exact"), ("12 zqy zqorv", "exact"),
    ],
)  # fmt: skip
def test_evidence(query: str, evidence: str) -> None:
    """The plainest level at which a category is met."""
    assert level(query) == evidence


@pytest.mark.parametrize(
    "query",
    [
        "xkarn", "xkarnos", "axkarno", "xkarno123456789", "xka rno", "x k a r", "xkar no",
        "zqel minxk", "minxk kamo zqel", "akvezq", "zqorv", "zqorv kamo", "foxkarnoo",
        "zqorvkamo", "xkano", "xkrno", "kvez", "12zqy", "12 zqy kamo", "1080p xkarn0x",
    ],
)  # fmt: skip
def test_no_evidence(query: str) -> None:
    """Parts of words, words in another order, words apart, and half of a rule."""
    assert categories_of(query) == (None, None)


def test_a_rule_is_met_by_the_category_of_paper_where_paper_finds_one() -> None:
    """A disguise elsewhere in the query does not change what is plain."""
    assert categories_of("xkarno z0rv zq0rv") == ("only_sex", "only_sex.exact")
    assert categories_of("zq0rv xkarno") == ("only_sex", "only_sex.exact")
    assert categories_of("zq0rv xk4rno") == (None, "both.confusable")


def test_one_token_never_meets_two_parts() -> None:
    """`orvzq` and `zqorv` overlap in one word: it is one of them."""
    assert level("zqorvzq") is None
    assert categories_of("zqorv xkarno")[1] == "both.exact"
    assert categories_of("zqorv")[1] is None


def test_short_words_are_compared_as_they_are_written() -> None:
    """Three letters of which one is left without repetitions are nothing to look for."""
    assert categories_of("xxx", 1) == ("terms", "terms.exact")
    assert categories_of("x x x", 1) == (None, None)
    assert categories_of("x", 1) == (None, None)
    assert categories_of("xx\u200bx", 1) == (None, "terms.folded")
    assert categories_of("s3x", 1) == (None, "terms.confusable")
    assert categories_of("s e x", 1) == (None, None)
    assert categories_of("essex canal", 1) == (None, None)


def test_transliterated_entries_are_found() -> None:
    """An entry of another script, as it is written in Latin letters."""
    assert categories_of("12zqy ykto") == (None, "aged.transliterated")
    assert categories_of("12zqy y-kto kamo") == (None, "aged.transliterated")
    assert categories_of("12zqy yktop") == (None, None)


def test_a_word_of_an_exception_is_no_entry() -> None:
    """And a query with one of scope `query` is not flagged by `extended`; `paper` goes on."""
    assert level("zq0rv xk4rno") == "confusable"
    assert categories_of("sazqen xkarno") == ("only_sex", None)
    assert categories_of("sazqen s3x", 1) == (None, "terms.confusable")


@given(words, st.sampled_from(BACKGROUND), st.integers(0, 6))
def test_an_unrelated_word_never_removes_a_match(query: list[str], word: str, at: int) -> None:
    """Wherever it is put."""
    before = level(" ".join(query))
    at = min(at, len(query))
    if before is not None and not (query[at - 1 : at] == ["12"] or word.isdecimal()):
        assert level(" ".join((*query[:at], word, *query[at:]))) is not None or (
            0 < at < len(query) and query[at - 1 : at + 1] == ["minxk", "zqel"]
        )


@given(words)
def test_paper_is_a_part_of_extended(query: list[str]) -> None:
    """With the same category, as `exact`."""
    for topic in (0, 1):
        paper, extended = categories_of(" ".join(query), topic)
        assert paper is None or extended == f"{paper}.exact"


@given(words, st.sampled_from([" ", "-", ", "]))
def test_an_and_needs_two_places(query: list[str], joiner: str) -> None:
    """Of the words of a query that meets `both`, no single one does."""
    text = joiner.join(query)
    category = categories_of(text)[1]
    if category and category.startswith("both"):
        assert len(query) > 1
        assert not any((categories_of(word)[1] or "").startswith("both") for word in query)


def test_words_that_the_client_excluded_never_match() -> None:
    """They are not a part of what was searched for."""
    reader = LineReader(Tsv(), TimestampParser(None), "boolean", "cp1252", 4096, DETECTOR)
    for query in ("kamo NOT xk4rno", "kamo -xk4rno", 'kamo NOT "x k a r n o"', "kamo -(xkarno12)"):
        read = reader.read(f"2026-11-02T10:00:00.000Z\t192.0.2.7\t{query}".encode())
        assert isinstance(read, ParsedQuery)
        assert not any(read.codes)


@given(st.lists(st.text(max_size=30), max_size=8))
def test_many_texts_are_classified_as_one_by_one(texts: list[str]) -> None:
    """Any Unicode, and never an exception."""
    assert DETECTOR.classify_texts(texts) == [DETECTOR.classify_text(text) for text in texts]


@given(st.text(min_size=1, max_size=8), st.sampled_from(["", "xk4rn\u00f3", "x\u200bkarno"]))
def test_long_texts_are_checked_as_short_ones(text: str, hidden: str) -> None:
    """By a table, which must not miss what looking up one by one finds."""
    long = f"{text} " * (LONG_TEXT // len(text) + 1) + "\u00e9 " + hidden
    codes = DETECTOR.classify_text(long)
    assert codes == DETECTOR.classify_texts([long])[0]
    assert codes is not None
    assert bool(hidden) <= bool(codes[len(LEXICON.topics)])


@given(st.text(max_size=40))
def test_paper_goes_on_as_it_was(text: str) -> None:
    """The codes of `paper` do not depend on the other profile."""
    tokens = tokenise(text)
    codes = DETECTOR.classify_text(text)
    assert (codes is None) == (not tokens)
    if codes is not None:
        assert codes[: len(LEXICON.topics)] == DETECTOR.classify(tokens)
