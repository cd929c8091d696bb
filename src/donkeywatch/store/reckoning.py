"""The figures of windows, reckoned from the segments of a database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from donkeywatch.counting.figures import Figures, Span, nothing
from donkeywatch.machine import cores
from donkeywatch.store import segments
from donkeywatch.store.store import Store, connect

T = TypeVar("T")
APART = 1 << 20
"""Rows of a window above which its parts are counted by several threads."""


class Reckoner:
    """Reads what a store has committed; changes nothing."""

    def __init__(self, store: Store) -> None:
        self._path, self._connection, self._topics = store.path, store.connection, store.topics
        self._aside = ThreadPoolExecutor(1)

    def later(self, span: Span) -> Future[Figures]:
        """The figures of a window, reckoned in a thread of its own from what is committed now."""

        def reckoned() -> Figures:
            with contextlib.closing(connect(self._path, read_only=True)) as own:
                (found,) = segments.figures(own, [span], None, self._topics)
            return found

        return self._aside.submit(reckoned)

    def write_back(self) -> None:
        """Copy the write-ahead log into the database, in that thread, and wait for nobody."""

        def copied() -> None:
            with contextlib.closing(connect(self._path)) as own:
                own.execute("pragma wal_checkpoint(passive)").fetchall()

        self._aside.submit(copied)

    def figures(self, *spans: Span) -> list[Figures]:
        """The figures of some windows, which are to lie in one week."""
        start, end = min(span.start for span in spans), max(span.end for span in spans)

        def of(db: sqlite3.Connection, part: int | None) -> list[Figures]:
            return segments.figures(db, spans, part, self._topics)

        each = zip(*self._each_part(start, end, of), strict=True)
        return [sum(parts, nothing(len(self._topics))) for parts in each]

    def _each_part(
        self, start: int, end: int, count: Callable[[sqlite3.Connection, int | None], T]
    ) -> Iterator[T]:
        """What is counted in each part of some minutes; of many rows some parts at a time."""
        if segments.count(self._connection, start, end) < APART:
            for part in self._chosen(start, end):
                yield count(self._connection, part)
            return

        def apart(part: int) -> T:
            with contextlib.closing(connect(self._path, read_only=True)) as own:
                return count(own, part)

        with ThreadPoolExecutor(cores()) as pool:
            yield from pool.map(apart, range(segments.PARTS))

    def _chosen(self, start: int, end: int) -> Sequence[int | None]:
        """The parts to count some minutes by; what is short is one."""
        short = segments.count(self._connection, start, end) <= segments.MUCH
        return (None,) if short else range(segments.PARTS)

    def parts(self, start: int, end: int) -> Iterator[Figures]:
        """The figures of the minutes in [start, end) ms, each part when it is asked for."""
        for part in self._chosen(start, end):
            yield segments.figures(self._connection, [Span(start, end)], part, self._topics)[0]

    def is_short(self, hour: int) -> bool:
        """Has an hour so few segments that joining them would not pay?"""
        return segments.is_short(self._connection, hour)

    def begins(self, start: int, end: int) -> int | None:
        """The first hour that reaches into [start, end) ms and has rows."""
        return segments.begins(self._connection, start, end)
