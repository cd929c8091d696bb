"""The ledger collects what is seen between two checkpoints, once."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, floor_to
from donkeywatch.counting.checkpoint_batch import Batch, BatchBuilder, TopicInfo
from donkeywatch.counting.observations import OUTCOMES, Observations

BASE = floor_to(1_790_000_000_000, HOUR)
TOPICS = (TopicInfo("one", ("first", "second")), TopicInfo("two", ("only",)))
Query = tuple[int, int, int, int, bool]
"""Time, pseudonym, two codes, late."""
blocks = st.lists(
    st.tuples(
        st.sampled_from(["main", "spare"]),
        st.lists(
            st.tuples(
                st.integers(BASE, BASE + 3 * HOUR - 1), st.integers(0, 3), st.integers(0, 2),
                st.integers(0, 1), st.booleans(),
            ),
            max_size=12,
        ),
        st.dictionaries(st.sampled_from(OUTCOMES[1:]), st.integers(1, 9), max_size=3),
    ),
    max_size=6,
)  # fmt: skip


def observations(rows: list[Query], tally: dict[str, int]) -> Observations:
    """Observations whose tally counts the queries too."""
    pseudonym = np.array([row[1] for row in rows], np.uint64)
    return Observations(
        time=np.array([row[0] for row in rows], np.int64),
        pseudonym=pseudonym,
        previous_pseudonym=pseudonym,
        country=np.zeros(len(rows), np.uint16),
        categories=np.array([row[2:4] for row in rows], np.uint8).reshape(-1, 2).T,
        is_late=np.array([row[4] for row in rows], bool),
        tally=+Counter({**tally, "query": len(rows)}),
    )


@given(blocks)
def test_a_batch_holds_every_block_once(
    parts: list[tuple[str, list[Query], dict[str, int]]],
) -> None:
    """Hours, categories, outcomes and rows are the sums of the blocks."""
    ledger = BatchBuilder(TOPICS)
    for source, rows, tally in parts:
        ledger.record(source, observations(rows, tally))
    batch = ledger.take_batch()
    every = [row for _, rows, _ in parts for row in rows]
    assert batch.queries == len(every) == sum(int(rows.queries.sum()) for rows in batch.rows)
    hours = {floor_to(row[0], HOUR) for row in every}
    assert set(batch.hours) == hours
    for hour in hours:
        ours = [row for row in every if floor_to(row[0], HOUR) == hour]
        counts = batch.hours[hour]
        assert (counts.queries, counts.late) == (len(ours), sum(row[4] for row in ours))
        expected = Counter(("one", TOPICS[0].categories[row[2] - 1]) for row in ours if row[2])
        expected += Counter(("two", "only") for row in ours if row[3])
        assert counts.categories == expected
        single = {"one": sum(bool(row[2]) > row[3] for row in ours)}
        single["two"] = sum(row[3] > bool(row[2]) for row in ours)
        assert counts.exclusive == Counter(single)
    flagged = Counter[tuple[str, str]]()
    for counts in batch.hours.values():
        flagged += counts.categories
    totals = Counter({(t, c): n for (name, t, c), n in batch.counters.items() if name == "flagged"})
    assert totals == flagged
    for source in ("main", "spare"):
        lines = Counter[str]()
        for name, rows, tally in parts:
            if name == source:
                lines += Counter({**tally, "query": len(rows)})
        counted = {o: n for (k, s, o), n in batch.counters.items() if k == "lines" and s == source}
        assert Counter(counted) == lines
        late = sum(row[4] for name, rows, _ in parts if name == source for row in rows)
        assert batch.counters["late_lines", source, ""] == late


def test_a_taken_batch_is_gone() -> None:
    """The next batch starts empty, and the taken one is not touched again."""
    ledger = BatchBuilder(TOPICS)
    ledger.record("main", observations([(BASE, 1, 1, 1, False)], {}))
    taken = ledger.take_batch()
    assert ledger.take_batch() == Batch()
    ledger.record("main", observations([(BASE, 1, 0, 0, False)], {}))
    assert taken.queries == 1
    assert ledger.take_batch().queries == 1


def test_what_never_happened_is_not_counted() -> None:
    """No counter of zero is made, so that no label appears before its time."""
    ledger = BatchBuilder(TOPICS)
    ledger.record_too_long("main", 0)
    ledger.count("rotations", "main", 0)
    ledger.record("main", observations([], {}))
    assert ledger.batch == Batch()
    ledger.record_too_long("main", 2)
    ledger.count("rotations", "main")
    ledger.count("rotations", "main", 3)
    assert ledger.batch.counters == Counter(
        {("lines", "main", "too_long"): 2, ("rotations", "main", ""): 4}
    )
