"""How much of what is flagged comes from few addresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.report.database_series import BoolArray, IntArray, Windows


@dataclass(frozen=True, slots=True)
class Concentration:
    """Fractions over some windows; the shares of the busiest addresses are None if not recorded.

    ``capped`` counts an address at most once an hour; ``top_1`` and ``top_10`` are the mean
    shares of flagged queries that come from the one and the ten busiest flagged addresses of a
    window, weighted by its flagged queries.
    """

    observed: float
    capped: float
    top_1: float | None
    top_10: float | None


def capped_fraction(hours: Windows, keep: BoolArray) -> float:
    """Flagged queries over queries when an address counts at most one flagged query an hour.

    That number is the sum over hours of the addresses with a flagged query; NaN without queries.
    """
    queries = int(hours.queries[keep].sum())
    return int(hours.flagged_addresses[0, keep].sum()) / queries if queries else float("nan")


def concentration(
    hours: Windows, keep: BoolArray, weeks: Windows, whole: BoolArray
) -> Concentration:
    """Compute the concentration over the hours that are kept and the weeks that are whole."""
    queries = int(hours.queries[keep].sum())
    observed = int(hours.flagged[keep].sum()) / queries if queries else float("nan")
    shares = [_share(column, weeks.flagged, whole) for column in (weeks.top_1, weeks.top_10)]
    return Concentration(observed, capped_fraction(hours, keep), *shares)


def _share(top: IntArray, flagged: IntArray, whole: BoolArray) -> float | None:
    known = whole & (top >= 0) & (flagged > 0)
    if not known.any():
        return None
    return float(np.sum(top[known]) / np.sum(flagged[known]))
