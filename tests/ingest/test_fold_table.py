"""Folding by table is folding by rule, for every character there is."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.fold_table import FoldTable, code_points, to_text
from donkeywatch.ingest.normalisation import fold_spaced

TABLE = FoldTable()


@pytest.mark.untraced
def test_every_character_alone() -> None:
    """All 1,114,112 of them, between letters."""
    for start in range(0, sys.maxunicode + 1, 4096):
        text = "a".join(map(chr, range(start, start + 4096)))
        assert to_text(TABLE.fold(code_points(text))) == fold_spaced(text)


def test_what_normalisation_reorders_is_removed() -> None:
    """Only marks have a combining class, so that no character depends on its neighbours."""
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        assert not unicodedata.combining(letter) or unicodedata.category(letter)[0] == "M"


letters = st.characters() | st.sampled_from("ǅßﬁﷺ각ſKİı\u0345\u0301\u00adΣσς½\ufeff_\n ")


@given(st.text(letters, max_size=60))
def test_texts(text: str) -> None:
    """Any text, expansions and removals beside one another."""
    assert to_text(TABLE.fold(code_points(text))) == fold_spaced(text)
