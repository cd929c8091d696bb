"""Paired comparisons, and how many of them chance may bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from donkeywatch.report.database_series import FloatArray


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference with its 95 % interval, its p-value, and that corrected by Holm."""

    value: float
    lower: float
    upper: float
    p: float
    p_holm: float


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979, Scand. J. Statistics 6, 65-70)."""
    order = sorted(range(len(p)), key=lambda at: p[at])
    adjusted, running_max = [1.0] * len(p), 0.0
    for rank, at in enumerate(order):
        running_max = max(running_max, min(1.0, (len(p) - rank) * p[at]))
        adjusted[at] = running_max
    return adjusted


def differences(
    value: FloatArray, replicates: FloatArray, ends: tuple[float, float]
) -> list[Difference]:
    """Differences against zero, by the spread of bootstrap replicates, shape (replicates, n).

    Both sides of a difference come from the same resampled days, so days are paired. The
    p-value is that of the normal distribution, two-sided; Holm's correction is over all n.
    ``ends`` are the quantiles of the interval.
    """
    if not len(replicates):
        return []
    error = np.std(replicates, axis=0, ddof=1)
    lower, upper = np.quantile(replicates, ends, axis=0)
    p = [
        math.erfc(abs(v) / e / math.sqrt(2)) if e > 0 else float(v == 0)
        for v, e in zip(value.tolist(), error.tolist(), strict=True)
    ]
    rows = zip(value.tolist(), lower.tolist(), upper.tolist(), p, holm(p), strict=True)
    return [Difference(*row) for row in rows]
