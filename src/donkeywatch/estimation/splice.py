"""The factor between two series of one topic that were counted on the same queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from donkeywatch.estimation.intervals import Estimate, Z

Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpliceFactor:
    """By how much a series grows when another word list takes over, with its 95 % interval.

    ``old`` and ``new`` are the flagged queries of the time in which both lists were compared with
    the same queries, ``addresses`` the distinct addresses behind them.
    """

    factor: Estimate
    old: int
    new: int
    addresses: int


def spliced(estimate: Estimate, factors: Sequence[Estimate]) -> Estimate:
    """Rescale an estimate from before some changes of the word list to the level of the newest.

    The errors of the estimate and of the factors are independent: their squared widths on the
    logarithm add up. An estimate of 0 stays 0; its upper limit alone is scaled.
    """
    product = math.prod(factor.value for factor in factors)
    doubt = sum(math.log(factor.upper / factor.value) ** 2 for factor in factors)
    value, lower, upper, effect = estimate
    if value <= 0 or lower <= 0:
        return Estimate(value * product, 0.0, min(1.0, upper * product), effect)
    down = math.exp(-math.hypot(math.log(value / lower), math.sqrt(doubt)))
    up = math.exp(math.hypot(math.log(upper / value), math.sqrt(doubt)))
    return Estimate(value * product, value * product * down, min(1.0, value * product * up), effect)


def splice_factor(old: Counts, new: Counts) -> SpliceFactor | None:
    """Estimate the ratio of two lists' flagged queries, given each address's by both.

    A query is flagged by both lists or by one, and an address asks for the same again and again: so
    the counts are paired, and addresses are the clusters. The variance of the ratio is linearised
    (Cochran 1977, Sampling Techniques, eq. 6.13), and the interval symmetric in its logarithm. None
    where one of the lists flagged nothing.
    """
    flagged = (old + new) > 0
    old, new = old[flagged].astype(np.float64), new[flagged].astype(np.float64)
    total_old, total_new, clusters = old.sum(), new.sum(), len(old)
    if not total_old or not total_new or clusters < 2:
        return None
    ratio = total_new / total_old
    residuals = new - ratio * old
    variance = clusters / (clusters - 1) * (residuals @ residuals) / total_old**2
    spread = math.exp(Z * math.sqrt(variance) / ratio)
    return SpliceFactor(
        Estimate(float(ratio), float(ratio / spread), float(ratio * spread)),
        int(total_old),
        int(total_new),
        clusters,
    )
