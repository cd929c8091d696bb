"""What every contender is asked for, and how far it is from the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from donkeywatch.simulation.truth import TOPICS

Counts: TypeAlias = dict[str, int | None]
"""The figures of a window by column; None is what a tool does not count."""
Figures: TypeAlias = dict[str, Counts]
"""Counts by window, named like `2026-10-05T07` or `2026-W41`, UTC."""
Errors: TypeAlias = dict[str, float | None]
"""By column: the absolute differences over all windows, per true unit; None is not counted."""

COLUMNS = (
    "queries",
    "addresses",
    *(column for topic in TOPICS for column in (topic, f"{topic}_addresses")),
)
"""Queries, distinct addresses, and per topic flagged queries and distinct flagged addresses."""


def errors(result: Mapping[str, Counts], truth: Mapping[str, Counts]) -> Errors:
    """How far figures are from the truth, by column, over all windows of both."""
    return {column: _error(result, truth, column) for column in COLUMNS}


def _error(result: Mapping[str, Counts], truth: Mapping[str, Counts], column: str) -> float | None:
    mine = {window: counts.get(column) for window, counts in result.items()}
    if not mine or any(count is None for count in mine.values()):
        return None
    true = {window: counts[column] or 0 for window, counts in truth.items()}
    separate = sum(abs((mine.get(w) or 0) - true.get(w, 0)) for w in {*mine, *true})
    return separate / max(1, sum(true.values()))


def distance(result: Errors) -> float:
    """One number to compare forms of a tool by: the worst column; infinite if none is counted."""
    counted = [error for error in result.values() if error is not None]
    return max(counted, default=float("inf"))


def verdict(result: Errors) -> str:
    """In words: `exact`, or which columns are not, and by how much."""
    kinds: dict[str, list[float | None]] = {}
    for column, error in result.items():
        kinds.setdefault(_kind(column), []).append(error)
    missing = [kind for kind, worst in kinds.items() if None in worst]
    if len(missing) == len(kinds):
        return "no figures"
    worst = {kind: max((e for e in each if e), default=0) for kind, each in kinds.items()}
    wrong = [f"{kind} off by {error:.2%}" for kind, error in worst.items() if error]
    message = "; ".join(wrong) if wrong else "exact"
    return message + (f"; not counted: {', '.join(missing)}" if missing else "")


def _kind(column: str) -> str:
    topic, _, addresses = column.partition("_")
    return f"flagged {addresses or 'queries'}" if topic in TOPICS else column
