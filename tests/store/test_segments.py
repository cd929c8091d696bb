"""Segments: what goes in comes out, in whatever order of topics, and is destroyed by hours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, MINUTE
from donkeywatch.counting.tick_counts import Rows, group, merge
from donkeywatch.store import segments
from support.segmented import TOPICS, database, rows


def same(first: Rows, other: Rows) -> bool:
    """Every column equal."""
    previous = (
        first.previous is other.previous
        if first.previous is None or other.previous is None
        else np.array_equal(first.previous, other.previous)
    )
    return (
        first.hour == other.hour
        and previous
        and np.array_equal(first.pseudonym, other.pseudonym)
        and np.array_equal(first.country, other.country)
        and np.array_equal(first.tick, other.tick)
        and np.array_equal(first.queries, other.queries)
        and np.array_equal(first.flagged, other.flagged)
    )


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=50))
def test_counts_of_any_width_come_back(counts: list[int]) -> None:
    """Packed into the narrowest width and unpacked again."""
    column = np.array(counts, np.uint32)
    blob = segments.encode_counts(column)
    assert segments.decode_counts(blob, len(counts)).tolist() == counts
    width = len(blob) // max(len(counts), 1)
    assert not counts or max(counts) >= 256 ** (width // 2) or width == 1


@pytest.mark.parametrize("largest", [1, 255, 256, 65_535, 65_536])
@pytest.mark.parametrize("bridged", [True, False])
def test_rows_come_back_as_they_were(largest: int, bridged: bool) -> None:
    """All columns of several segments, oldest hour first."""
    db = database()
    made = [rows(n * HOUR, 40, largest=largest, bridged=bridged, seed=n) for n in (3, 1, 2)]
    for item in made:
        segments.insert(db, item, TOPICS)
    items = list(segments.load(db, 0, 10 * HOUR, TOPICS))
    assert [item.hour for item in items] == [HOUR, 2 * HOUR, 3 * HOUR]
    for item in made:
        assert any(same(item, other) for other in items)
    db.close()


@given(st.integers(-70, 130), st.integers(-70, 130))
def test_the_minutes_of_a_span_are_loaded(first: int, second: int) -> None:
    """The span is half open; nothing outside of it comes along."""
    db = database()
    made = [rows(n * HOUR, 200, seed=n + 1) for n in range(-1, 3)]
    for item in made:
        segments.insert(db, item, TOPICS)
    start, end = first * MINUTE, second * MINUTE
    items = list(segments.load(db, start, end, TOPICS))
    wanted = [item.between(start, end) for item in made]
    assert all(map(same, items, [item for item in wanted if len(item)]))
    assert sum(map(len, items)) == sum(map(len, wanted))
    db.close()


def test_a_long_segment_is_cut_and_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first bits of the pseudonyms, so that every address is in one part."""
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", 100)
    db = database()
    made = rows(0, 1000)
    segments.insert(db, made, TOPICS)
    items = list(segments.load(db, 0, HOUR, TOPICS))
    parts = db.execute("select part from segments order by id").fetchall()
    assert [part for (part,) in parts] == list(range(segments.PARTITIONS))
    for part, item in enumerate(items):
        assert set((item.pseudonym >> np.uint64(60)).tolist()) == {part}
    assert same(merge(items), made)
    for seed in range(segments.MAX_SEGMENTS_UNMERGED - 1):
        segments.insert(db, rows(0, 1000, seed=seed), TOPICS)
    assert segments.has_few_segments(db, 0)
    segments.insert(db, rows(0, 1000, seed=99), TOPICS)
    assert not segments.has_few_segments(db, 0)
    db.close()


def test_many_short_segments_become_one() -> None:
    """Frequent checkpoints leave no pile; other hours and long segments stay as they are."""
    db = database()
    long = rows(0, segments.SMALL_SEGMENT_ROWS + 1, seed=9)
    made = [group(rows(0, 5, seed=n)) for n in range(segments.MERGE_AT_SEGMENTS)]
    for item in (long, *made[1:]):
        segments.insert(db, item, TOPICS)
    segments.insert(db, rows(HOUR, 5), TOPICS)
    segments.merge_small_segments(db, 0, TOPICS)
    assert len(list(segments.load(db, 0, HOUR, TOPICS))) == segments.MERGE_AT_SEGMENTS
    segments.insert(db, made[0], TOPICS)
    segments.merge_small_segments(db, 0, TOPICS)
    items = list(segments.load(db, 0, HOUR, TOPICS))
    assert len(items) == 2
    assert same(items[0], long)
    assert same(items[1], merge(made))
    assert db.execute("select count(*) from previous_pseudonyms").fetchone() == (3,)
    assert len(list(segments.load(db, HOUR, 2 * HOUR, TOPICS))) == 1
    db.close()


def test_a_changed_lexicon_finds_its_own_columns() -> None:
    """Topics in another order, one that is new and one that is gone."""
    db = database()
    made = rows(0, 20)
    segments.insert(db, made, TOPICS)
    result = next(segments.load(db, 0, HOUR, ("vroqz", "orvzq", "zqorv")))
    assert np.array_equal(result.flagged[0], made.flagged[1])
    assert not result.flagged[1].any()
    assert np.array_equal(result.flagged[2], made.flagged[0])
    only = next(segments.load(db, 0, HOUR, ("vroqz",)))
    assert np.array_equal(only.flagged, made.flagged[1:])
    db.close()


def test_burning_bridges_leaves_the_rows() -> None:
    """The older pseudonyms go, the rows stay; removing takes both."""
    db = database()
    for n in range(3):
        segments.insert(db, rows(n * HOUR, 5, seed=n), TOPICS)
    segments.delete_previous_pseudonyms(db, HOUR, 2 * HOUR)
    items = list(segments.load(db, 0, 3 * HOUR, TOPICS))
    assert [item.previous is None for item in items] == [False, True, False]
    segments.delete(db, 0, 2 * HOUR)
    assert [item.hour for item in segments.load(db, 0, 3 * HOUR, TOPICS)] == [2 * HOUR]
    assert db.execute("select count(*) from previous_pseudonyms").fetchone() == (1,)
    db.close()
