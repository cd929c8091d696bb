"""The moving-block bootstrap over days: uncertainty of what is made of sums over days."""

from __future__ import annotations

import math

import numpy as np

from donkeywatch.report.database_series import BoolArray, FloatArray

BLOCK = 7
"""Days in a block: a whole week, so that its rhythm stays inside."""
REPLICATES = 2000
SEED = 2015
MIN_BLOCKS = 4
"""With fewer blocks than this there is nothing to resample."""


def block_bootstrap(
    days: FloatArray, block: int = BLOCK, replicates: int = REPLICATES
) -> FloatArray:
    """Sums over days of resampled series, shape (replicates, ...) for days of shape (n, ...).

    Moving-block bootstrap (Kuensch 1989, Annals of Statistics 17, 1217-1241): ceil(n / block)
    of the n - block + 1 overlapping blocks, drawn with replacement, make one replicate; its
    sums are scaled to n days. The same seed serves every call, so that what is resampled from
    the same days is paired. A day that is missing has to be 0 in every column, its count
    included. No rows come back for fewer than four blocks.
    """
    size = len(days)
    if size < MIN_BLOCKS * block:
        return np.empty((0, *days.shape[1:]))
    flat = days.reshape(size, -1)
    sums = np.cumsum(np.concatenate((np.zeros((1, flat.shape[1])), flat)), axis=0)
    blocks = sums[block:] - sums[:-block]
    count = -(-size // block)
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(blocks), size=(replicates, count))
    drawn += np.arange(replicates)[:, None] * len(blocks)
    weights = np.bincount(drawn.ravel(), minlength=replicates * len(blocks))
    block_sums = weights.reshape(replicates, len(blocks)).astype(np.float64) @ blocks
    scaled: FloatArray = block_sums.reshape(replicates, *days.shape[1:]) * (size / (count * block))
    return scaled


def interval_quantiles(days: int, block: int = BLOCK) -> tuple[float, float]:
    """Quantiles that make a 95 % percentile interval of replicates from so many days.

    The expanded percentile interval (Hesterberg 2015, Am. Statistician 69, 371-386): of n
    blocks, Phi(-sqrt(n / (n - 1)) t) in place of 2.5 %, since few blocks vary too little.
    """
    from scipy import special  # stats would take a second to import.

    blocks = max(2.0, days / block)
    reach = math.sqrt(blocks / (blocks - 1)) * float(special.stdtrit(blocks - 1, 0.975))
    low = float(special.ndtr(-reach))
    return low, 1 - low


def interval(replicates: FloatArray, ends: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Percentile interval along the first axis (Efron 1979); NaN without replicates."""
    bounds = np.full((2, *replicates.shape[1:]), np.nan)
    known: BoolArray = np.zeros(bounds.shape[1:], bool)
    if len(replicates):
        known = np.asarray(~np.isnan(replicates).all(axis=0))
    if known.any():
        bounds[:, known] = np.nanquantile(replicates[:, known], ends, axis=0)
    return bounds[0], bounds[1]
