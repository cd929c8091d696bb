"""Both matchers find the same words in the same places."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.errors import ConfigError
from donkeywatch.ingest.word_search import (
    WORD_BYTE,
    AhoCorasickMatcher,
    HyperscanMatcher,
    create_matcher,
)

LETTERS = "zqZQ12\u03be\u03c8 _-\t\n"
words = st.lists(
    st.text("zq12\u03be", min_size=1, max_size=4), min_size=1, max_size=12, unique=True
)


def whole_words(listed: list[str], text: bytes) -> list[tuple[int, int]]:
    """The byte behind each word and its number, found one by one."""
    lower = text.lower()
    return sorted(
        (at + len(raw), number)
        for number, raw in enumerate(word.encode() for word in listed)
        for at in range(len(lower))
        if lower.startswith(raw, at) and not WORD_BYTE[[lower[at - 1], lower[at + len(raw)]]].any()
    )


@settings(deadline=None)
@given(words, st.text(LETTERS, max_size=80))
def test_both_matchers_find_whole_words(listed: list[str], text: str) -> None:
    """Words of any length that overlap, stand at the ends, share their spaces or have capitals."""
    raw = f" {text} ".encode()
    expected = whole_words(listed, raw)
    data = np.frombuffer(raw, np.uint8)
    for sieve in (AhoCorasickMatcher(listed), HyperscanMatcher(listed)):
        assert list(zip(*(column.tolist() for column in sieve.hits(data)), strict=True)) == expected


def test_no_word_is_never_found() -> None:
    """A lexicon may have no word at all."""
    assert not len(create_matcher("auto", []).hits(np.frombuffer(b" zqorv ", np.uint8)).end)


def test_the_matcher_is_chosen_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster one where it is installed, the reference where it is asked for."""
    assert isinstance(create_matcher("auto", ["zqorv"]), HyperscanMatcher)
    assert isinstance(create_matcher("hyperscan", ["zqorv"]), HyperscanMatcher)
    assert isinstance(create_matcher("pyahocorasick", ["zqorv"]), AhoCorasickMatcher)
    assert isinstance(create_matcher("auto", ["\u03be\u03c8"]), HyperscanMatcher)
    assert isinstance(create_matcher("auto", []), AhoCorasickMatcher)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert isinstance(create_matcher("auto", ["zqorv"]), AhoCorasickMatcher)
    with pytest.raises(ConfigError, match="not installed"):
        create_matcher("hyperscan", ["zqorv"])
