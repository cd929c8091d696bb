"""Simulated years written into a database at once, without lines, logs or a daemon."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.counting.observations import pack_country
from donkeywatch.counting.window_aggregates import RowColumns, Window, aggregate
from donkeywatch.simulation.three_years import WEEK, Drawn, Years, drawn
from donkeywatch.simulation.truth import COUNTRIES, HOUR
from donkeywatch.store import schema, window_tables

TOPICS = ("pedophile", "pornographic")
CODES = np.array([pack_country(name) for name in COUNTRIES], np.uint16)


def database(years: Years, path: Path) -> Path:
    """A database with every hour and week closed, and the lexicon's break where it is planned."""
    connection = sqlite3.connect(path, isolation_level=None)
    schema.create(connection)
    connection.execute("begin")
    for number in range(-(-years.hours // WEEK)):
        result = drawn(years, number)
        hour = result.time // HOUR
        first, last = number * WEEK, min((number + 1) * WEEK, years.hours)
        edges = np.searchsorted(hour, np.arange(first, last + 1))
        covered = 0.0
        for at in range(first, last):
            seconds = 3600.0 if years.up[at] else 1800.0 * (at in years.halves)
            covered += seconds
            rows = slice(int(edges[at - first]), int(edges[at - first + 1]))
            if seconds:
                _close(connection, "hour", years.start_ms + at * HOUR, HOUR, result, rows, seconds)
        _close(
            connection, "week", years.start_ms + first * HOUR, WEEK * HOUR, result, slice(None),
            covered,
        )  # fmt: skip
    if years.change < years.hours:
        time = years.start_ms + years.change * HOUR
        connection.execute(
            "insert into breaks (time, kind, digest) values (?, 'lexicon', '')", [time]
        )
    connection.execute("commit")
    connection.close()
    return path


def _close(
    connection: sqlite3.Connection,
    kind: str,
    start: int,
    length: int,
    result: Drawn,
    rows: slice,
    covered: float,
) -> None:
    flagged = np.stack((result.flagged[rows], result.compared[rows])).astype(np.uint32)
    single = [int((flagged[at] > flagged[1 - at]).sum()) for at in (0, 1)]
    person = result.person[rows].astype(np.uint64)
    ones = np.ones(len(person), np.uint32)
    columns = RowColumns(person, CODES[result.country[rows]], ones, flagged)
    (figures,) = aggregate(columns, [Window(0, 1)])
    connection.execute(
        "insert into windows values (?, ?, ?, ?, 0, 0, 0, 0, ?, 0)",
        (kind, start, start + length, iso_utc(start), covered),
    )
    window_tables.close(connection, kind, start, figures, TOPICS)
    connection.executemany(
        "update window_topics set exclusive_queries = ? where kind = ? and start = ? and topic = ?",
        [(n, kind, start, topic) for n, topic in zip(single, TOPICS, strict=True)],
    )
