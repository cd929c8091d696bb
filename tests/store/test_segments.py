"""Segments: what goes in comes out, in whatever order of topics, and is destroyed by hours."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from donkeywatch.counting.rows import Rows
from donkeywatch.counting.windows import HOUR
from donkeywatch.store import segments
from donkeywatch.store.schema import migrate

TOPICS = ("zqorv", "vroqz")


def database() -> sqlite3.Connection:
    """An empty database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(Database(connection))
    return connection


def rows(hour: int, count: int, *, largest: int = 9, bridged: bool = True, seed: int = 1) -> Rows:
    """Random rows of an hour."""
    rng = np.random.default_rng(seed)
    return Rows(
        hour,
        rng.integers(0, 1 << 64, count, np.uint64),
        rng.integers(0, 1 << 64, count, np.uint64) if bridged else None,
        rng.integers(0, 1 << 16, count).astype(np.uint16),
        rng.integers(0, 60, count).astype(np.uint8),
        rng.integers(1, largest + 1, count),
        rng.integers(0, largest + 1, (len(TOPICS), count)),
    )


def same(one: Rows, other: Rows) -> bool:
    """Every column equal."""
    previous = (
        one.previous is other.previous
        if one.previous is None or other.previous is None
        else np.array_equal(one.previous, other.previous)
    )
    return (
        one.hour == other.hour
        and previous
        and np.array_equal(one.pseudonym, other.pseudonym)
        and np.array_equal(one.country, other.country)
        and np.array_equal(one.minute, other.minute)
        and np.array_equal(one.queries, other.queries)
        and np.array_equal(one.flagged, other.flagged)
    )


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=50))
def test_counts_of_any_width_come_back(counts: list[int]) -> None:
    """Packed into the narrowest width and unpacked again."""
    column = np.array(counts, np.int64)
    blob = segments.packed(column)
    assert segments.unpacked(blob, len(counts)).tolist() == counts
    width = len(blob) // max(len(counts), 1)
    assert not counts or max(counts) >= 256 ** (width // 2) or width == 1


@pytest.mark.parametrize("largest", [1, 255, 256, 65_535, 65_536])
@pytest.mark.parametrize("bridged", [True, False])
def test_rows_come_back_as_they_were(largest: int, bridged: bool) -> None:
    """All columns of several segments, oldest hour first."""
    db = database()
    made = [rows(n * HOUR, 40, largest=largest, bridged=bridged, seed=n) for n in (3, 1, 2)]
    for one in made:
        segments.insert(db, one, TOPICS)
    found = list(segments.load(db, 0, 10 * HOUR, TOPICS))
    assert [one.hour for one in found] == [HOUR, 2 * HOUR, 3 * HOUR]
    for one in made:
        assert any(same(one, other) for other in found)
    db.close()


def test_hours_that_touch_the_span_are_loaded() -> None:
    """The span is half open and given in ms; hours are loaded whole."""
    db = database()
    for n in range(5):
        segments.insert(db, rows(n * HOUR, 3), TOPICS)

    def hours(start: int, end: int) -> list[int]:
        return [one.hour // HOUR for one in segments.load(db, start, end, TOPICS)]

    assert hours(HOUR, 3 * HOUR) == [1, 2]
    assert hours(HOUR + 1, 3 * HOUR + 1) == [1, 2, 3]
    assert hours(2 * HOUR - 1, 2 * HOUR) == [1]
    assert hours(2 * HOUR, 2 * HOUR) in ([], [1])
    db.close()


def test_a_changed_lexicon_finds_its_own_columns() -> None:
    """Topics in another order, one that is new and one that is gone."""
    db = database()
    made = rows(0, 20)
    segments.insert(db, made, TOPICS)
    found = next(segments.load(db, 0, HOUR, ("vroqz", "orvzq", "zqorv")))
    assert np.array_equal(found.flagged[0], made.flagged[1])
    assert not found.flagged[1].any()
    assert np.array_equal(found.flagged[2], made.flagged[0])
    only = next(segments.load(db, 0, HOUR, ("vroqz",)))
    assert np.array_equal(only.flagged, made.flagged[1:])
    db.close()


def test_burning_bridges_leaves_the_rows() -> None:
    """The older pseudonyms go, the rows stay; removing takes both."""
    db = database()
    for n in range(3):
        segments.insert(db, rows(n * HOUR, 5, seed=n), TOPICS)
    segments.burn_bridges(db, HOUR, 2 * HOUR)
    found = list(segments.load(db, 0, 3 * HOUR, TOPICS))
    assert [one.previous is None for one in found] == [False, True, False]
    segments.remove(db, 0, 2 * HOUR)
    assert [one.hour for one in segments.load(db, 0, 3 * HOUR, TOPICS)] == [2 * HOUR]
    assert db.execute("select count(*) from bridges").fetchone() == (1,)
    db.close()
