"""Folding and letter classes: the same for entries and queries, and stable."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.extended.letter_classes import (
    HIDDEN,
    classify_letters,
    fold_disguised,
    is_invisible,
    squeeze,
)
from donkeywatch.ingest.normalisation import fold


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """What is folded stays as it is."""
    folded = fold_disguised(text)
    assert fold_disguised(folded) == folded


@given(st.text())
def test_every_character_has_one_class(text: str) -> None:
    """So that a place among the classes is a place of the text."""
    folded = fold_disguised(text)
    classes = classify_letters(folded)
    assert len(classes) == len(folded)
    assert HIDDEN not in classes


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_is_folded_as_by_paper(text: str) -> None:
    """Nothing of ASCII is hidden."""
    assert fold_disguised(text) == fold(text)


@given(st.text())
def test_squeezed_text_has_no_letter_twice_in_a_row(text: str) -> None:
    """Whatever stood between them."""
    squeezed = squeeze(classify_letters(fold_disguised(text)))
    assert all(a != b for a, b in pairwise(squeezed))


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        ("zqorv", "ZQ0RV"), ("zqsa", "2q5@"), ("ile", "!1\u20ac"), ("toge", "7\u043e93"),
        ("abc", "\uff41\uff42\uff43"), ("abc", "\U0001d41a\U0001d41b\U0001d41c"),
        ("\u0412\u041d", "bh"), ("paxe", "\u0440\u0430\u0445\u0435"),
    ],
)  # fmt: skip
def test_what_passes_for_a_letter_has_its_class(plain: str, other: str) -> None:
    """Digits, signs, wide forms, and letters of other scripts that look alike."""
    assert classify_letters(fold_disguised(plain)) == classify_letters(fold_disguised(other))


@pytest.mark.parametrize("letter", list("\u200b\u200d\u202e\u00ad\ufeff\u2066\U000e0041\u3164"))
def test_invisible_characters_are_left_out(letter: str) -> None:
    """Joiners, marks of direction, tags and fillers."""
    assert is_invisible(letter)
    assert fold_disguised(f"z{letter}q") == "zq"


@pytest.mark.parametrize(
    "digits",
    ["\u0661\u0662", "\u0967\u0968", "\u0e51\u0e52", "\uff11\uff12", "\U0001d7cf\U0001d7d0"],
)
def test_digits_of_every_script_are_the_same(digits: str) -> None:
    """They are written as ASCII."""
    assert fold_disguised(digits) == "12"
