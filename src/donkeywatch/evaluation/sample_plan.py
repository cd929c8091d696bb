"""Which sizes of a labelled sample give which intervals, before anybody has labelled a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from donkeywatch.estimation.intervals import Estimate
from donkeywatch.evaluation.evaluate import ScoredQuery, precision_and_recall

FLAGGED_SIZES = (200, 500, 1_000, 2_000, 5_000)
UNFLAGGED_SIZES = (1_000, 5_000, 10_000, 50_000, 200_000)
"""Rows of a stratum, as far as there are so many queries."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is known or supposed of the weeks to draw from.

    ``flagged`` and ``unflagged`` are the queries of each stratum, ``precision`` and ``recall`` what
    the sample is expected to show.
    """

    flagged: int
    unflagged: int
    precision: float
    recall: float

    @property
    def missed_fraction(self) -> float:
        """The share of unflagged queries that are relevant, as it follows from the others."""
        missed = self.flagged * self.precision * (1 / self.recall - 1)
        return min(1.0, missed / self.unflagged)


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One choice of sizes, and the 95 % intervals expected of it; None where there is none."""

    flagged_rows: int
    unflagged_rows: int
    precision: Estimate | None
    recall: Estimate | None


def plan(assumptions: Assumptions) -> Iterator[PlannedSample]:
    """Samples of every size; intervals by the estimators that a real sample is evaluated with.

    Each has the rows that are expected of it, rounded: a real sample may have a few more or fewer.
    """
    for flagged_rows in FLAGGED_SIZES:
        for unflagged_rows in UNFLAGGED_SIZES:
            if flagged_rows <= assumptions.flagged and unflagged_rows <= assumptions.unflagged:
                yield _planned(assumptions, flagged_rows, unflagged_rows)


def _planned(assumptions: Assumptions, flagged_rows: int, unflagged_rows: int) -> PlannedSample:
    hits = round(flagged_rows * assumptions.precision)
    misses = round(unflagged_rows * assumptions.missed_fraction)
    weights = assumptions.flagged / flagged_rows, assumptions.unflagged / unflagged_rows
    rows = [
        *_rows(hits, True, "flagged", weights[0]),
        *_rows(flagged_rows - hits, False, "flagged", weights[0]),
        *_rows(misses, True, "unflagged", weights[1]),
        *_rows(unflagged_rows - misses, False, "unflagged", weights[1]),
    ]
    return PlannedSample(flagged_rows, unflagged_rows, *precision_and_recall(rows))


def _rows(count: int, relevant: bool, stratum: str, weight: float) -> list[ScoredQuery]:
    category = "flagged" if stratum == "flagged" else None
    return [ScoredQuery(relevant, category, "und", stratum, weight, False)] * count
