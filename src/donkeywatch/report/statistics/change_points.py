"""Changes of level that no one recorded, sought in a finished series."""

from __future__ import annotations

import numpy as np

from donkeywatch.report.database_series import FloatArray

MIN_SEGMENT_WEEKS = 4
"""Weeks between two changes, at least."""
YEAR = 365.2425 / 7
"""Weeks."""
PENALTY = 3.0
"""Cost of a change in units of log n times the noise's variance; BIC would be 2."""


def change_points(series: FloatArray, error: float) -> list[int]:
    """Where the level of a series changes: the first place of each new level.

    PELT (Killick, Fearnhead & Eckley 2012, J. Am. Stat. Assoc. 107, 1590-1598) with squared
    error. The noise's deviation is the median absolute difference of neighbours over
    0.6745 sqrt(2), which a change of level does not move, and at least ``error``, the sampling
    error of a value. Gaps have to be left out beforehand.
    """
    if len(series) < 2 * MIN_SEGMENT_WEEKS:
        return []
    import ruptures

    noise_sd = float(np.median(np.abs(np.diff(series)))) / (0.6745 * np.sqrt(2))
    noise_sd = max(noise_sd, error)
    if noise_sd == 0:
        return []
    search = ruptures.Pelt(model="l2", min_size=MIN_SEGMENT_WEEKS, jump=1)
    ends = search.fit(series.reshape(-1, 1)).predict(PENALTY * np.log(len(series)) * noise_sd**2)
    return [int(end) for end in ends[:-1]]


def remove_annual_cycle(series: FloatArray, weeks: FloatArray) -> FloatArray:
    """A series less its yearly cycle: two harmonics, fitted together with a line.

    A seasonal smoother takes each week's noise for season where there are only two or three
    years, and leaves a series that is smoother than it was; five parameters cannot.
    """
    turn = 2 * np.pi * weeks / YEAR
    waves = np.stack([wave(n * turn) for n in (1, 2) for wave in (np.cos, np.sin)], axis=1)
    design = np.column_stack((np.ones(len(weeks)), weeks, waves))
    coefficients, *_ = np.linalg.lstsq(design, series, rcond=None)
    rest: FloatArray = series - waves @ coefficients[2:]
    return rest
