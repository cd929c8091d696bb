"""A planned sample has the intervals that the estimators give a real one."""

from __future__ import annotations

import pytest

from donkeywatch.evaluation.evaluate import ScoredQuery, evaluate
from donkeywatch.evaluation.sample_plan import Assumptions, plan

ASSUMED = Assumptions(12_000, 4_000_000, 0.98, 0.8)


@pytest.mark.untraced
def test_what_is_assumed_is_what_the_sample_shows() -> None:
    """Where the sample is large enough for its rows to be whole numbers."""
    largest = list(plan(ASSUMED))[-1]
    assert (largest.flagged_rows, largest.unflagged_rows) == (5_000, 200_000)
    assert largest.precision is not None
    assert largest.recall is not None
    assert largest.precision.value == pytest.approx(0.98, abs=1e-3)
    assert largest.recall.value == pytest.approx(0.8, abs=0.01)
    assert largest.precision.lower < 0.98 < largest.precision.upper


@pytest.mark.untraced
def test_more_rows_give_narrower_intervals() -> None:
    """Flagged ones of the precision, unflagged ones of the recall."""
    samples = {(s.flagged_rows, s.unflagged_rows): s for s in plan(ASSUMED)}

    def width(size: tuple[int, int], name: str) -> float:
        estimate = getattr(samples[size], name)
        return float(estimate.upper - estimate.lower)

    assert width((5_000, 10_000), "precision") < width((500, 10_000), "precision") / 2
    assert width((1_000, 200_000), "recall") < width((1_000, 5_000), "recall")


def test_no_sample_is_larger_than_what_it_is_drawn_from() -> None:
    """Or there is none."""
    samples = list(plan(Assumptions(600, 7_000, 0.98, 0.8)))
    assert {s.flagged_rows for s in samples} == {200, 500}
    assert {s.unflagged_rows for s in samples} == {1_000, 5_000}
    assert list(plan(Assumptions(100, 7_000, 0.98, 0.8))) == []


def test_missed_queries_follow_from_recall() -> None:
    """12,000 flagged, 98 % of them relevant, are 80 % of what there is to find."""
    assert ASSUMED.missed_fraction == pytest.approx(12_000 * 0.98 * 0.25 / 4_000_000)


def test_the_intervals_are_those_of_an_evaluation() -> None:
    """The same rows, labelled, give the same figures."""
    sample = next(plan(ASSUMED))
    weights = 12_000 / sample.flagged_rows, 4_000_000 / sample.unflagged_rows
    hits = round(sample.flagged_rows * 0.98)
    misses = round(sample.unflagged_rows * ASSUMED.missed_fraction)
    counts = (
        (hits, True, "flagged"),
        (sample.flagged_rows - hits, False, "flagged"),
        (misses, True, None),
        (sample.unflagged_rows - misses, False, None),
    )
    rows = [
        ScoredQuery(relevant, category, "und", str(category), weights[category is None], False)
        for count, relevant, category in counts
        for _ in range(count)
    ]
    whole = evaluate("topic", rows).whole
    assert (sample.precision, sample.recall) == (whole.precision, whole.recall)
