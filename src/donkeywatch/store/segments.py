"""Rows of the ledger as BLOBs of the narrowest width that holds them, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.rows import Counts, Rows
from donkeywatch.counting.windows import HOUR

WIDTHS = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"))
PSEUDONYM = np.dtype("<u8")


def packed(column: Counts) -> bytes:
    """Counts in the narrowest of 1, 2 or 4 bytes an item that holds the largest one."""
    largest = int(column.max()) if column.size else 0
    width = next(width for width in WIDTHS if largest < 256**width.itemsize)
    return column.astype(width).tobytes()


def unpacked(blob: bytes, items: int) -> Counts:
    """The counts of a BLOB with ``items`` items."""
    if not items:
        return np.empty(0, np.int64)
    width = next(width for width in WIDTHS if width.itemsize == len(blob) // items)
    return np.frombuffer(blob, width).astype(np.int64)


def insert(connection: sqlite3.Connection, rows: Rows, topics: Sequence[str]) -> None:
    """Store the rows of one hour as a new segment."""
    cursor = connection.execute(
        "insert into segments (hour, rows, topics, pseudonyms, countries, minutes, queries,"
        " flagged) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            rows.hour,
            len(rows),
            ",".join(topics),
            rows.pseudonym.astype(PSEUDONYM).tobytes(),
            rows.country.astype("<u2").tobytes(),
            rows.minute.tobytes(),
            packed(rows.queries),
            packed(rows.flagged),
        ),
    )
    if rows.previous is not None:
        connection.execute(
            "insert into bridges (segment, previous) values (?, ?)",
            (cursor.lastrowid, rows.previous.astype(PSEUDONYM).tobytes()),
        )


def load(
    connection: sqlite3.Connection, start: int, end: int, topics: Sequence[str]
) -> Iterator[Rows]:
    """The segments of all hours that touch [start, end) ms, oldest first, whole."""
    found = connection.execute(
        "select hour, rows, topics, pseudonyms, countries, minutes, queries, flagged, previous"
        " from segments left join bridges on segment = segments.id"
        " where hour > ? and hour < ? order by hour, segments.id",
        (start - HOUR, end),
    )
    for hour, count, names, pseudonyms, countries, minutes, queries, flagged, previous in found:
        yield Rows(
            hour,
            np.frombuffer(pseudonyms, PSEUDONYM).astype(np.uint64),
            None if previous is None else np.frombuffer(previous, PSEUDONYM).astype(np.uint64),
            np.frombuffer(countries, "<u2").astype(np.uint16),
            np.frombuffer(minutes, np.uint8),
            unpacked(queries, count),
            _by_topic(unpacked(flagged, count * len(names.split(","))), names.split(","), topics),
        )


def _by_topic(flagged: Counts, stored: Sequence[str], wanted: Sequence[str]) -> Counts:
    """Flagged columns in the order of the loaded lexicon, zeros for topics it added."""
    table = flagged.reshape(len(stored), -1)
    columns: list[npt.NDArray[np.int64]] = [
        table[stored.index(topic)] if topic in stored else np.zeros(table.shape[1], np.int64)
        for topic in wanted
    ]
    return np.stack(columns)


def remove(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Destroy the segments of the hours in [start, end) ms, with their bridges."""
    burn_bridges(connection, start, end)
    connection.execute("delete from segments where hour >= ? and hour < ?", (start, end))


def burn_bridges(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Destroy the older pseudonyms of the hours in [start, end) ms."""
    connection.execute(
        "delete from bridges where segment in"
        " (select id from segments where hour >= ? and hour < ?)",
        (start, end),
    )
