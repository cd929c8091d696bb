"""Finds patterns anywhere in a stream of bytes, not as whole words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import ahocorasick
import numpy as np

from donkeywatch.ingest.byte_columns import Bytes
from donkeywatch.ingest.word_search import TermHits, is_hyperscan_used, scan
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
        if self._database is not None and len(stream):
            return scan(self._database, np.ascontiguousarray(stream))
        if self._automaton is None:
            return TermHits(np.zeros(0, np.int64), np.zeros(0, np.int64))
        hits = list(self._automaton.iter(stream.tobytes().decode("latin-1")))
        ends, numbers = [last + 1 for last, _ in hits], [number for _, number in hits]
        return TermHits(np.array(ends, np.int64), np.array(numbers, np.int64))
