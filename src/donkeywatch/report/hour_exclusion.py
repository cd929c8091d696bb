"""Which hours count: a rule says which are left out of every figure."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from donkeywatch.report.database_series import BoolArray, FloatArray, Windows

Rule = Literal["coverage", "paper2pct", "none"]
RULES: tuple[Rule, ...] = get_args(Rule)
COVERED = 0.95
"""A window covered less than this is a gap."""
OUTAGE_SHARE = 0.25
"""An hour with less than this part of its usual queries counts as an outage of the server."""
NEIGHBOUR_WEEKS = 4
"""Weeks before and after from which the usual queries of an hour of the week are taken."""
WEEK_HOURS = 168
PAPER_SHARE = 0.02


def select_hours(hours: Windows, rule: Rule) -> BoolArray:
    """Tell which hours the rule leaves in; hours without any coverage and query never count.

    `coverage`: covered for 95 % or more, and at least 25 % of the median of the same hour of
    the week over four weeks before and after. `paper2pct`: all but the 2 % with fewest queries,
    as the study did (it takes away normal early mornings). `none`: all that were followed.
    """
    followed = hours.stored & ((hours.coverage > 0) | (hours.queries > 0))
    if rule == "none":
        return followed
    if rule == "paper2pct":
        return followed & _drop_quietest(hours, followed)
    full = followed & (hours.coverage >= COVERED)
    usual = _typical_queries(np.where(full, hours.queries, np.nan))
    return full & ~(hours.queries < OUTAGE_SHARE * usual)


def _drop_quietest(hours: Windows, followed: BoolArray) -> BoolArray:
    """Leave out `PAPER_SHARE` of the hours, those with the fewest queries; ties stay."""
    queries = np.sort(hours.queries[followed])
    dropped = int(PAPER_SHARE * len(queries))
    least = queries[dropped] if len(queries) else 0
    keep: BoolArray = hours.queries >= least
    return keep


def _typical_queries(queries: FloatArray) -> FloatArray:
    """Median of the same hour of the week over the weeks around; NaN where none is known."""
    weeks = -(-len(queries) // WEEK_HOURS)
    padded = np.full(weeks * WEEK_HOURS, np.nan)
    padded[: len(queries)] = queries
    table = padded.reshape(weeks, WEEK_HOURS)
    edge = np.full((NEIGHBOUR_WEEKS, WEEK_HOURS), np.nan)
    shifted = np.lib.stride_tricks.sliding_window_view(
        np.concatenate((edge, table, edge)), 2 * NEIGHBOUR_WEEKS + 1, axis=0
    )
    has_any = ~np.isnan(shifted).all(axis=2)
    usual = np.full(table.shape, np.nan)
    usual[has_any] = np.nanmedian(shifted[has_any], axis=1)
    return usual.reshape(-1)[: len(queries)]
