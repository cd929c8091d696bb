"""Finding the few lines of a block in which a word of the lexicon may stand."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any, Protocol

import ahocorasick
import numpy as np

from donkeywatch.arrival.columns import Offsets
from donkeywatch.config import Matcher
from donkeywatch.errors import ConfigError


class Sieve(Protocol):
    """Finds words that stand between single spaces."""

    short: bool
    """Its time grows with the text, so that it pays to leave out what is no query."""

    def hits(self, text: bytes) -> Offsets:
        """Where in a folded, spaced ASCII text words end, in rising order."""
        ...


class Automaton:
    """All words at once by the automaton of Aho and Corasick: the reference."""

    short = True

    def __init__(self, words: Sequence[str]) -> None:
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for word in words:
            self._automaton.add_word(f" {word} ", len(word))
        self._automaton.make_automaton()

    def hits(self, text: bytes | str) -> Offsets:
        """A position for every word that ends there."""
        letters = text if isinstance(text, str) else text.decode("ascii")
        return np.array([end for end, _ in self._automaton.iter(letters)], np.int64) - 1


class Hyperscan:
    """The same of ASCII words and texts by Hyperscan, which looks at many bytes at once.

    The words are compiled in memory alone; Hyperscan's serialised form is never made.
    """

    short = False

    def __init__(self, words: Sequence[str]) -> None:
        hyperscan: Any = importlib.import_module("hyperscan")
        expressions = [f" {word} ".encode("ascii") for word in words if word.isascii()]
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=expressions,
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=0,
            literal=True,
        )

    def hits(self, text: bytes) -> Offsets:
        """A position for every word that ends there."""
        ends: list[int] = []

        def note(_word: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append(end)

        self._database.scan(text, match_event_handler=note)
        return np.sort(np.array(ends, np.int64)) - 2


def chosen(matcher: Matcher, words: Sequence[str]) -> Sieve:
    """The sieve for ASCII texts; ConfigError where the one that was asked for is not installed."""
    installed = importlib.util.find_spec("hyperscan") is not None
    if matcher == "hyperscan" and not installed:
        raise ConfigError(
            "ingest.matcher: hyperscan is not installed",
            "run: pip install 'donkeywatch[fast]'; or leave the setting out",
        )
    # Hyperscan takes no empty list of words.
    if matcher == "pyahocorasick" or not installed or not any(word.isascii() for word in words):
        return Automaton(words)
    return Hyperscan(words)
