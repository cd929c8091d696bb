"""Rolling windows equal a plain count of the queries between their bounds, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from donkeywatch.counting import rolling_windows
from donkeywatch.counting.calendar import (
    DAY,
    HOUR,
    MINUTE,
    WEEK,
    floor_to,
    week_of,
    week_start,
)
from donkeywatch.counting.observations import Observations
from donkeywatch.counting.rolling_windows import REBUILD_AFTER, ROLLING_LENGTHS, RollingWindows
from donkeywatch.counting.tick_counts import Rows, group_observations, split_by_hour
from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate

MONDAY = week_start("2026-W40")
Query = tuple[int, int, int, int]
"""Time, address, and a code for each of two topics."""


def pseudonym(address: int, week: int) -> int:
    """Another number in each week, as under another key."""
    return int.from_bytes(blake2b(f"{address} {week}".encode(), digest_size=8).digest(), "big")


def grouped(queries: list[Query]) -> list[Rows]:
    """Rows as one checkpoint commits them."""
    weeks = [week_of(q[0]) for q in queries]
    now = [pseudonym(q[1], w) for q, w in zip(queries, weeks, strict=True)]
    before = [pseudonym(q[1], w - WEEK) for q, w in zip(queries, weeks, strict=True)]
    observed = Observations(
        time=np.array([q[0] for q in queries], np.int64),
        pseudonym=np.array(now, np.uint64),
        previous_pseudonym=np.array(before, np.uint64),
        country=np.zeros(len(queries), np.uint16),
        categories=np.array([q[2:] for q in queries], np.uint8).reshape(-1, 2).T,
        is_late=np.zeros(len(queries), bool),
    )
    return list(group_observations(observed, split_by_hour(observed.time)))


@dataclass
class Store:
    """Committed segments by hour; what the schedule destroys is not given out."""

    rows: list[Rows] = field(default_factory=list)
    watermark: int = 0

    def load(self, start: int, end: int) -> Iterator[Rows]:
        """Rows of the minutes in [start, end), the oldest hour first."""
        for rows in sorted(self.rows, key=lambda rows: rows.hour):
            inside = rows.between(start, end)
            if len(inside):
                ended = week_of(rows.hour) < week_of(self.watermark)
                yield replace(inside, previous=None) if ended else inside


def brute(queries: list[Query], start: int, end: int) -> WindowAggregate:
    """The figures by plain counters."""
    inside = [q for q in queries if start <= q[0] < end]
    request = Counter(q[1] for q in inside)
    topics = []
    for t in (2, 3):
        ks = Counter(q[1] for q in inside if q[t])
        first, two, three = (sum(k >= least for k in ks.values()) for least in (1, 2, 3))
        topics.append(
            TopicAggregate(
                ks.total(), (first, two, three), sum(request[a] * k for a, k in ks.items()),
                sum(k * k for k in ks.values()),
            )
        )  # fmt: skip
    return WindowAggregate(
        request.total(), len(request), sum(q * q for q in request.values()), tuple(topics)
    )


@dataclass
class World:
    """A rolling ledger beside a plain list of queries."""

    now: int
    store: Store = field(default_factory=Store)
    queries: list[Query] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rolling = RollingWindows(2, self.store.load)

    def commit(self, queries: list[Query]) -> None:
        """One checkpoint; whether a shown window changed is told truly."""
        rows = grouped(queries)
        self.store.rows += rows
        self.queries += queries
        changed = self.rolling.record(rows)
        end = self.rolling.end
        inside = end is not None and any(end - WEEK <= q[0] < end for q in queries)
        assert changed == inside
        self.check()

    def advance(self, by: int) -> None:
        """Move the watermark."""
        self.now += by
        self.store.watermark = self.now
        end = floor_to(self.now, MINUTE)
        moves = self.rolling.end is None or end > self.rolling.end
        moved = self.rolling.advance(self.now)
        while self.rolling.is_building:
            assert not moved
            assert self.rolling.figures() == {}
            moved = self.rolling.advance(self.now + WEEK)
        assert moved == moves
        assert self.rolling.end == end
        self.check()

    def check(self) -> None:
        """Each window has the figures of the queries between its bounds."""
        end = self.rolling.end
        result = self.rolling.figures()
        if end is None:
            assert result == {}
            return
        assert {name: item[:2] for name, item in result.items()} == {
            name: (end - length, end) for name, length in ROLLING_LENGTHS.items()
        }
        for start, until, figures in result.values():
            assert figures == brute(self.queries, start, until)


spans = st.sampled_from(
    [0, 1, MINUTE - 1, MINUTE, 2 * MINUTE, 59 * MINUTE, HOUR, 89 * MINUTE, REBUILD_AFTER,
     REBUILD_AFTER + MINUTE,
     5 * HOUR, DAY, 3 * DAY, WEEK]
) | st.integers(0, 2 * HOUR)  # fmt: skip
offsets = (
    st.integers(-10 * MINUTE, 8 * MINUTE)
    | st.integers(-2 * HOUR, HOUR)
    | st.integers(-WEEK, 0)
    | st.sampled_from(
        [-HOUR, -HOUR - 1, -HOUR + 1, -DAY, -DAY - 1, -DAY + MINUTE, -WEEK, -WEEK + MINUTE]
    )
)
drawn = st.lists(
    st.tuples(offsets, st.integers(0, 5), st.integers(0, 2), st.integers(0, 1)), max_size=8
)
actions = st.lists(
    st.tuples(st.just("commit"), drawn)
    | st.tuples(st.just("advance"), spans)
    | st.tuples(st.just("forget"), st.none()),
    max_size=25,
)


@pytest.mark.untraced
@settings(max_examples=120, deadline=None)
@given(st.sampled_from([-90 * MINUTE, -5 * MINUTE, 0, 3 * DAY, -DAY, WEEK - HOUR]), actions)
@example(-5 * MINUTE, [("advance", 0), ("commit", [(MINUTE, 1, 1, 0)]), ("advance", 6 * MINUTE),
                       ("commit", [(-30 * MINUTE, 1, 1, 1)]), ("advance",
                       55 * MINUTE)])  # fmt: skip
def test_windows_equal_a_plain_count(
    start: int, steps: list[tuple[str, list[Query] | int | None]]
) -> None:
    """Rows ahead and late, small steps and leaps, a change of the week, restarts in between."""
    world = World(MONDAY + start)
    for _, step in steps:
        if isinstance(step, int):
            world.advance(step)
        elif step is None:
            world.rolling.reset()
            world.check()
        else:
            world.commit([(world.now + q[0], *q[1:]) for q in step])
    world.advance(MINUTE)


def test_windows_that_are_built_in_pieces_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are committed meanwhile, of hours that were read and of others."""
    world = World(MONDAY + 3 * DAY)
    world.commit([(MONDAY + n * HOUR, n % 9, n % 2, n % 3) for n in range(80)])
    monkeypatch.setattr(rolling_windows, "REBUILD_ROWS_PER_CALL", 5)
    pieces = 0
    while not world.rolling.advance(world.now):
        assert world.rolling.is_building
        pieces += 1
        late = [(world.now - pieces * HOUR, pieces % 4, 1, 0), (world.now + MINUTE, 1, 1, 1)]
        rows = grouped(late)
        world.store.rows += rows
        world.queries += late
        world.rolling.record(rows)
    assert pieces > 5
    world.check()
    world.advance(2 * MINUTE)


def test_a_week_minute_by_minute_over_a_change_of_the_key() -> None:
    """Steps of 7 and 61 minutes, with an address in every hour, through Sunday and Monday."""
    world = World(MONDAY - 8 * HOUR)
    world.commit([(MONDAY - WEEK + n * HOUR, n % 7, n % 3, n % 2) for n in range(160)])
    world.advance(0)
    for n in range(60):
        at = world.now
        world.commit(
            [(at + MINUTE, n % 5, n % 2, 0), (at - 3 * HOUR, 9, 1, 1), (at + 70 * MINUTE, 3, 0, 1)]
        )
        world.advance((7 if n % 2 else 61) * MINUTE)


def test_a_watermark_that_falls_moves_nothing() -> None:
    """Windows never go back."""
    world = World(MONDAY)
    world.commit([(MONDAY - 1, 1, 1, 1)])
    world.advance(0)
    before = world.rolling.figures()
    assert not world.rolling.advance(MONDAY - DAY)
    assert world.rolling.figures() == before


def test_one_address_on_both_sides_of_monday_is_one_address() -> None:
    """The pseudonym under the older key bridges the weeks."""
    world = World(MONDAY + HOUR)
    world.commit([(MONDAY - MINUTE, 1, 1, 0), (MONDAY + MINUTE, 1, 1, 0)])
    world.advance(0)
    for name in ("24h", "7d"):
        figures = world.rolling.figures()[name][2]
        assert (figures.queries, figures.addresses) == (2, 1)
        assert figures.topics[0].addresses == (1, 1, 0)


def test_rows_far_ahead_survive_a_rebuild() -> None:
    """With `future` at three hours and a restart, the row is in its window when it gets there."""
    world = World(MONDAY)
    world.commit([(MONDAY + 3 * HOUR, 1, 1, 0)])
    world.advance(0)
    for _ in range(5):
        world.advance(40 * MINUTE)
