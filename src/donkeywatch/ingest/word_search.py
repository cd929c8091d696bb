"""Finding the few places of a text in which a word of the lexicon stands."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import ahocorasick
import numpy as np

from donkeywatch.errors import ConfigError, install_extra
from donkeywatch.ingest.byte_columns import Bytes, Offsets
from donkeywatch.ingest.normalisation import ASCII_FOLD
from donkeywatch.settings.schema import Matcher

WORD_BYTE = np.array([byte >= 0x80 or chr(byte).isalnum() for byte in range(256)])
"""Bytes that go on with a word; those beyond ASCII are part of a letter."""
SHORT_TERM_BYTES = 2
"""Bytes of a word that would be found in too many longer ones."""


class TermHits(NamedTuple):
    """Where words stand in a text, in their order: the byte behind each, and its number."""

    end: Offsets
    word: Offsets


class TermMatcher(Protocol):
    """Finds whole words in UTF-8, whatever the case of its ASCII letters."""

    def hits(self, text: Bytes) -> TermHits:
        """Every word; the text begins and ends with a byte that is no letter."""
        ...


class AhoCorasickMatcher:
    """All words at once by the automaton of Aho and Corasick: the reference.

    It takes text only: the bytes of UTF-8 are letters of Latin-1 to it.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for number, word in enumerate(words):
            self._automaton.add_word(f" {word.encode().decode('latin-1')} ", number)
        self._automaton.make_automaton()
        self._empty = not words

    def hits(self, text: Bytes) -> TermHits:
        """Every word, between two spaces of the folded text."""
        if self._empty:
            return _hits([], [])
        hits = list(self._automaton.iter(text.tobytes().translate(ASCII_FOLD).decode("latin-1")))
        return _hits([end for end, _ in hits], [number for _, number in hits])


class HyperscanMatcher:
    """The same by Hyperscan, which looks at many bytes at once.

    The words are compiled in memory alone; Hyperscan's serialised form is never made. It tells
    where a word's bytes stand, and only then is looked at what stands around them; the shortest
    words are looked for with their surroundings.
    """

    def __init__(self, words: Sequence[str]) -> None:
        hyperscan: Any = importlib.import_module("hyperscan")
        raw = [word.encode() for word in words]
        self._size = np.array([len(word) for word in raw], np.int64)
        self._trailing_context = (self._size <= SHORT_TERM_BYTES).astype(np.int64)
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[_expression(word) for word in raw],
            ids=list(range(len(raw))),
            elements=len(raw),
            flags=hyperscan.HS_FLAG_CASELESS,
        )

    def hits(self, text: Bytes) -> TermHits:
        """Every word, its surroundings looked at."""
        end, word = scan(self._database, text)
        end = end - self._trailing_context[word]
        is_whole_word = ~(WORD_BYTE[text[end - self._size[word] - 1]] | WORD_BYTE[text[end]])
        return TermHits(end[is_whole_word], word[is_whole_word])


def scan(database: Any, text: Bytes) -> TermHits:
    """Every match of a database of Hyperscan, by where it ends."""
    ends: list[int] = []
    numbers: list[int] = []

    def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        ends.append(end)
        numbers.append(number)

    database.scan(text, match_event_handler=on_match)
    return _hits(ends, numbers)


def _expression(word: bytes) -> bytes:
    """A word as it is, or a short one between bytes that are no letters."""
    escaped = re.escape(word)
    return escaped if len(word) > SHORT_TERM_BYTES else rb"[^a-zA-Z0-9]%b[^a-zA-Z0-9]" % escaped


def _hits(ends: Sequence[int], numbers: Sequence[int]) -> TermHits:
    end, word = np.array(ends, np.int64), np.array(numbers, np.int64)
    order = np.argsort(end, kind="stable")
    return TermHits(end[order], word[order])


def is_hyperscan_used(matcher: Matcher) -> bool:
    """Tell whether Hyperscan searches; ConfigError where it is required and not installed."""
    installed = importlib.util.find_spec("hyperscan") is not None
    if matcher == "hyperscan" and not installed:
        raise ConfigError(
            "ingest.matcher: hyperscan is not installed",
            f"{install_extra('fast')}; or leave the setting out",
        )
    return installed and matcher != "pyahocorasick"


def create_matcher(matcher: Matcher, words: Sequence[str]) -> TermMatcher:
    """The sieve for some words; ConfigError where the one that was asked for is not installed."""
    # Hyperscan takes no empty list of words.
    if not is_hyperscan_used(matcher) or not words:
        return AhoCorasickMatcher(words)
    return HyperscanMatcher(words)
