"""Folding and tokens of the profile `paper`."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.normalisation import ASCII_FOLD, decode, fold, fold_spaced, tokenise

texts = st.text(max_size=60) | st.text(
    "zZqQ1_ -.\u0301\u00e9\u00df\u0130\u212a\ufb01\n", max_size=40
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("ZQORV qvelt", ["zqorv", "qvelt"]),
        ("zq\u00f6rv", ["zqorv"]),
        ("zqo\u0308rv", ["zqorv"]),
        ("ZQ\u00d6RV", ["zqorv"]),
        ("stra\u00dfe STRASSE", ["strasse", "strasse"]),
        ("zqorv_qvelt", ["zqorv", "qvelt"]),
        ("zqorv.qvelt-xkuzq", ["zqorv", "qvelt", "xkuzq"]),
        ("\ufeffzqorv", ["zqorv"]),
        ("\uff3a\uff31\uff2f\uff32\uff36 \uff11\uff12", ["zqorv", "12"]),
        ("zqorv\x00qvelt\x1b[31m", ["zqorv", "qvelt", "31m"]),
        ("12zqorv", ["12zqorv"]),
        ("\u2121", ["tel"]),
        ("\u039b\u038c\u0393\u039f\u03a3 \u03bb\u03cc\u03b3\u03bf\u03c2",
        ["\u03bb\u03bf\u03b3\u03bf\u03c3"] * 2),
        ("\u0451\u0416", ["\u0435\u0436"]),
        ("", []),
        ("___ -- \u0301", []),
    ],
)  # fmt: skip
def test_tokens(text: str, result: list[str]) -> None:
    """Case, accents, width and separators do not make two words of one."""
    assert tokenise(text) == result


@given(texts)
def test_spaced_text_holds_exactly_the_tokens(text: str) -> None:
    """The sieve's view and the specification's cut at the same places."""
    assert fold_spaced(text).split() == tokenise(text)
    assert fold_spaced(text).count("\n") == fold(text).count("\n")


@given(texts)
def test_composed_and_decomposed_texts_are_the_same(text: str) -> None:
    """Normal forms of Unicode never change the tokens."""
    expected = tokenise(unicodedata.normalize("NFC", text))
    assert tokenise(unicodedata.normalize("NFD", text)) == expected


@given(st.lists(texts.map(lambda text: text.replace("\n", " ")), max_size=5))
def test_many_texts_fold_together_as_they_fold_apart(parts: list[str]) -> None:
    """Joining texts by spaced line feeds changes none of them."""
    together = fold_spaced(" " + " \n ".join(parts) + " ")
    if parts:
        assert [line.split() for line in together.split("\n")] == [tokenise(item) for item in parts]


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_the_byte_table_is_the_folding_of_ascii(text: str) -> None:
    """For ASCII the table and the function agree."""
    assert text.encode().translate(ASCII_FOLD).decode().split() == tokenise(text)


@given(st.binary(max_size=60))
def test_any_bytes_are_text(raw: bytes) -> None:
    """UTF-8 where it is that, else the fallback, and never an error."""
    try:
        expected = raw.decode()
    except UnicodeDecodeError:
        expected = raw.decode("cp1252", "replace")
    assert decode(raw, "cp1252") == expected
    for token in tokenise(expected):
        assert token
        assert not any(c.isspace() or c == "_" for c in token)
