"""Both matchers find the same words in the same places."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.arrival.sieve import Automaton, Hyperscan, chosen
from donkeywatch.errors import ConfigError

LETTERS = "zq12 "
words = st.lists(st.text("zq12", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


@given(words, st.text(LETTERS, max_size=80))
def test_hyperscan_finds_what_the_automaton_finds(listed: list[str], text: str) -> None:
    """Words that overlap, that stand at the ends, and that share their spaces."""
    for whole in (text.encode(), f" {text} ".encode()):
        found = sorted(Automaton(listed).hits(whole).tolist())
        assert Hyperscan(listed).hits(whole).tolist() == found
        assert found == sorted(
            at + len(word)
            for word in listed
            for at in range(len(whole))
            if whole.startswith(f" {word} ".encode(), at)
        )


def test_the_matcher_is_chosen_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster one where it is installed, the reference where it is asked for."""
    assert isinstance(chosen("auto", ["zqorv"]), Hyperscan)
    assert isinstance(chosen("hyperscan", ["zqorv"]), Hyperscan)
    assert isinstance(chosen("pyahocorasick", ["zqorv"]), Automaton)
    assert isinstance(chosen("auto", ["\u03be\u03c8"]), Automaton)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert isinstance(chosen("auto", ["zqorv"]), Automaton)
    with pytest.raises(ConfigError, match="not installed"):
        chosen("hyperscan", ["zqorv"])
