"""Windows gathered part by part are those of all their rows, be they of one week or of two."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from donkeywatch.counting import tick_counts as rows_module
from donkeywatch.counting.calendar import HOUR, MINUTE
from donkeywatch.counting.tick_counts import to_columns
from donkeywatch.counting.window_aggregates import Window, aggregate, empty_aggregate
from donkeywatch.store import partitioned_reads, segments
from support.segmented import TOPICS, database, rows


@pytest.mark.parametrize("long", [1, 100, 10_000])
@pytest.mark.parametrize("piece", [7, 1 << 16])
def test_windows_are_counted_together_as_they_are_alone(
    long: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part by part or all at once, in pieces or not."""
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", long)
    monkeypatch.setattr(rows_module, "CHUNK_ROWS", piece)
    db = database()
    for n in range(8):
        segments.insert(db, rows(n // 2 * HOUR, 40 * n, seed=n % 3), TOPICS)
    spans = [
        Window(0, 4 * HOUR), Window(HOUR + 7 * MINUTE, 4 * HOUR - MINUTE, with_breakdowns=False),
             Window(2 * HOUR, 3 * HOUR), Window(9 * HOUR, 10 * HOUR)]  # fmt: skip
    single = [partitioned_reads.aggregate_partition(db, [span], None, TOPICS)[0] for span in spans]
    assert partitioned_reads.aggregate_partition(db, spans, None, TOPICS) == single
    parts = [
        partitioned_reads.aggregate_partition(db, spans, part, TOPICS)
        for part in range(segments.PARTITIONS)
    ]
    assert [sum(each, empty_aggregate(len(TOPICS))) for each in zip(*parts, strict=True)] == single
    db.close()


@pytest.mark.parametrize("long", [1, 100, 10_000])
def test_figures_part_by_part_are_those_of_all_rows(
    long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut segments and whole ones, several an hour."""
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", long)
    db = database()
    made = [rows(n // 2 * HOUR, 70 * n, seed=n % 3) for n in range(8)]
    for item in made:
        segments.insert(db, item, TOPICS)
    for start, end in ((0, 3 * HOUR), (7 * MINUTE, 2 * HOUR + 30 * MINUTE)):
        inside = [item.between(start, end) for item in made if item.hour < end]
        (whole,) = aggregate(
            to_columns([(item, 0, len(item)) for item in inside], timed=True), [Window(start, end)]
        )
        parts = [
            partitioned_reads.aggregate_partition(db, [Window(start, end)], part, TOPICS)[0]
            for part in range(segments.PARTITIONS)
        ]
        assert sum(parts, empty_aggregate(len(TOPICS))) == whole
        assert partitioned_reads.aggregate_partition(db, [Window(start, end)], None, TOPICS) == [
            whole
        ]
    db.close()


@pytest.mark.parametrize("held", [1, 60, 1 << 21])
@pytest.mark.parametrize("parts", [None, range(segments.PARTITIONS)])
@pytest.mark.parametrize("long", [20, 10_000])
def test_of_two_weeks_the_second_is_taken_under_the_key_of_the_first(
    held: int, parts: partitioned_reads.Partitions, long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts of it are held at a time; an address of both weeks counts once."""
    monkeypatch.setattr(segments, "SPLIT_ABOVE_ROWS", long)
    monkeypatch.setattr(partitioned_reads, "MAX_HELD_ROWS", held)
    db, turn, rng = database(), 2 * HOUR, np.random.default_rng(7)
    request: Counter[int] = Counter()
    known = rows(0, 50).pseudonym
    for n in range(9):
        made = rows(n // 2 * HOUR, 60, seed=n)
        older = np.where(rng.random(60) < 0.4, rng.choice(known, 60), made.pseudonym ^ np.uint64(1))
        made = replace(made, previous=older if made.hour >= turn else None)
        if n == 8:  # No bridge: its own week's key is all there is.
            made = replace(made, previous=None)
        segments.insert(db, made, TOPICS)
        keyed = made.pseudonym if made.previous is None else made.previous
        for pseudonym, queries in zip(keyed.tolist(), made.queries.tolist(), strict=True):
            request[pseudonym] += queries
    spans = [Window(0, 5 * HOUR), Window(HOUR, 3 * HOUR, with_breakdowns=False)]
    pieces = list(partitioned_reads.row_chunks(db, spans, parts, TOPICS, turn))
    items = [empty_aggregate(len(TOPICS))] * 2
    for piece in pieces:
        items = [a + b for a, b in zip(items, aggregate(piece, spans), strict=True)]
    assert items[0].queries == request.total()
    assert items[0].addresses == len(request)
    assert items[0].sum_qq == sum(count**2 for count in request.values())
    every = [set(piece.pseudonym.tolist()) for piece in pieces]
    assert len(set().union(*every)) == sum(map(len, every))
    assert sum(len(piece.pseudonym) for piece in pieces) == 9 * 60
    db.close()
