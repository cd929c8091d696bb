"""Rows keep every sum, however they are grouped and joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, MINUTE, floor_to
from donkeywatch.counting.observations import Observations, pack_country, unpack_country
from donkeywatch.counting.tick_counts import (
    TICK_MS,
    Rows,
    group,
    group_observations,
    merge,
    split_by_hour,
)

BASE = floor_to(1_790_000_000_000, HOUR)
Query = tuple[int, int, int, int, int]
"""Time, pseudonym, country and two category codes."""
queries = st.lists(
    st.tuples(
        st.integers(BASE - HOUR, BASE + 2 * HOUR - 1)
        | st.integers(-3, 3).map(lambda n: BASE + n * 10 * MINUTE),
        st.integers(0, 5).map(lambda n: n * 0x2AAAAAAAAAAAAAAA),
        st.sampled_from([pack_country(c) for c in ("FR", "DE", "ZZ")]),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=40,
)


def observations(rows: list[Query]) -> Observations:
    """Observations of some queries; a pseudonym's older form is its complement."""
    pseudonym = np.array([row[1] for row in rows], np.uint64)
    return Observations(
        time=np.array([row[0] for row in rows], np.int64),
        pseudonym=pseudonym,
        previous_pseudonym=~pseudonym,
        country=np.array([row[2] for row in rows], np.uint16),
        categories=np.array([row[3:] for row in rows], np.uint8).reshape(-1, 2).T,
        is_late=np.zeros(len(rows), bool),
    )


Key = tuple[int, int, int, int]


def as_counts(parts: list[Rows]) -> dict[Key, tuple[int, int, int]]:
    """Hour, tick, pseudonym and country -> queries and flagged ones, summed."""
    result: dict[Key, tuple[int, int, int]] = {}
    for rows in parts:
        for i in range(len(rows)):
            key = (rows.hour, int(rows.tick[i]), int(rows.pseudonym[i]), int(rows.country[i]))
            q, a, b = result.get(key, (0, 0, 0))
            result[key] = (
                q + int(rows.queries[i]),
                a + int(rows.flagged[0, i]),
                b + int(rows.flagged[1, i]),
            )
    return result


def grouped(rows: list[Query]) -> Iterator[Rows]:
    """The rows of one checkpoint."""
    observed = observations(rows)
    return group_observations(observed, split_by_hour(observed.time))


def expected(rows: list[Query]) -> dict[Key, tuple[int, int, int]]:
    """The same from the queries, by plain dictionaries."""
    request: Counter[Key] = Counter()
    flagged: tuple[Counter[Key], Counter[Key]] = (Counter(), Counter())
    for time, pseudonym, country, item, two in rows:
        hour = floor_to(time, HOUR)
        key = (hour, (time - hour) // TICK_MS, pseudonym, country)
        request[key] += 1
        flagged[0][key] += item > 0
        flagged[1][key] += two > 0
    return {key: (n, flagged[0][key], flagged[1][key]) for key, n in request.items()}


def assert_sound(rows: Rows) -> None:
    """One row per key, sorted, the older pseudonym still that of its row."""
    keys = list(
        zip(rows.pseudonym.tolist(), rows.country.tolist(), rows.tick.tolist(), strict=True)
    )
    assert keys == sorted(set(keys))
    if rows.previous is not None:
        assert rows.previous.tolist() == (~rows.pseudonym).tolist()
    assert bool((rows.tick < 60_000).all())
    assert bool((rows.flagged <= rows.queries).all())


@given(queries)
def test_rows_hold_exactly_the_queries(rows: list[Query]) -> None:
    """Hour by hour in rising order, every query counted once, with its flags."""
    items = list(grouped(rows))
    assert [part.hour for part in items] == sorted({floor_to(row[0], HOUR) for row in rows})
    for part in items:
        assert_sound(part)
    assert as_counts(items) == expected(rows)
    assert sum(len(part) for part in items) == len(expected(rows))


@given(queries, st.integers(0, 40), st.integers(0, 40))
def test_joining_pieces_gives_the_whole(rows: list[Query], first: int, second: int) -> None:
    """Segments of three checkpoints join to the segment of one."""
    rows = [(BASE + (row[0] - BASE) % HOUR, *row[1:]) for row in rows]
    low, high = sorted((first, second))
    parts = [part for cut in (rows[:low], rows[low:high], rows[high:]) for part in grouped(cut)]
    whole = list(grouped(rows))
    if not parts:
        assert whole == []
        return
    merged = merge(parts)
    assert_sound(merged)
    assert as_counts([merged]) == as_counts(whole)
    assert len(merged) == len(whole[0])
    again = group(merged)
    assert as_counts([again]) == as_counts(whole)
    assert len(again) == len(merged)


@given(queries)
def test_joining_with_a_part_whose_older_key_is_destroyed_has_no_older_pseudonyms(
    rows: list[Query],
) -> None:
    """Zeros or halves never stand in for pseudonyms."""
    parts = [part for part in grouped(rows) if part.hour == BASE]
    if not parts:
        return
    bare = Rows(
        BASE,
        parts[0].pseudonym,
        None,
        parts[0].country,
        parts[0].tick,
        parts[0].queries,
        parts[0].flagged,
    )
    merged = merge([parts[0], bare])
    assert merged.previous is None
    assert int(merged.queries.sum()) == 2 * int(parts[0].queries.sum())
    assert merged.take(np.flatnonzero(merged.tick < 30_000)).previous is None


minutes = st.integers(-3, 3).map(lambda n: 10 * n) | st.integers(-90, 150)


@given(queries, minutes, minutes)
def test_between_takes_whole_minutes(rows: list[Query], first: int, second: int) -> None:
    """Rows whose minute lies in [start, end), and none besides."""
    start, end = BASE + first * MINUTE, BASE + second * MINUTE
    for part in grouped(rows):
        inside = part.between(start, end)
        wanted = [
            row
            for row in rows
            if floor_to(row[0], HOUR) == part.hour and start <= floor_to(row[0], MINUTE) < end
        ]
        assert as_counts([inside]) == expected(wanted)


def test_country_codes_round_trip() -> None:
    """Two letters are one number."""
    for name in ("FR", "ZZ", "AA"):
        assert unpack_country(pack_country(name)) == name
