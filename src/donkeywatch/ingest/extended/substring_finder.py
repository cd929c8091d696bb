"""Finds patterns anywhere in a stream of bytes, not as whole words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import ahocorasick
import numpy as np

from donkeywatch.ingest.byte_columns import Bytes
from donkeywatch.ingest.word_search import TermHits, is_hyperscan_used
from donkeywatch.settings.schema import Matcher


class SubstringFinder:
    """Finds patterns anywhere in a stream, by Hyperscan or the automaton of Aho and Corasick."""

    def __init__(self, patterns: Sequence[str], matcher: Matcher) -> None:
        raw = [pattern.encode() for pattern in patterns]
        self._database: Any = None
        self._automaton: Any = None
        if raw and is_hyperscan_used(matcher):
            hyperscan: Any = importlib.import_module("hyperscan")
            self._database = hyperscan.Database()
            self._database.compile(
                expressions=[re.escape(pattern) for pattern in raw],
                ids=list(range(len(raw))),
                elements=len(raw),
                flags=0,
            )
        elif raw:
            self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
            for number, pattern in enumerate(raw):
                self._automaton.add_word(pattern.decode("latin-1"), number)
            self._automaton.make_automaton()

    def hits(self, stream: Bytes) -> TermHits:
        """Every pattern, with the offset behind its end."""
        ends: list[int] = []
        numbers: list[int] = []

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append(end)
            numbers.append(number)

        if self._database is not None and len(stream):
            self._database.scan(np.ascontiguousarray(stream), match_event_handler=on_match)
        elif self._automaton is not None:
            for last, number in self._automaton.iter(stream.tobytes().decode("latin-1")):
                on_match(number, 0, last + 1, 0, None)
        return TermHits(np.array(ends, np.int64), np.array(numbers, np.int64))
