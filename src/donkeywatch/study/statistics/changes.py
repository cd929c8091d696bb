"""Changes of level that no one recorded, sought in a finished series."""

from __future__ import annotations

import numpy as np

from donkeywatch.study.series import Floats

SHORTEST = 4
"""Weeks between two changes, at least."""
PENALTY = 3.0
"""Cost of a change in units of log n times the noise's variance; BIC would be 2."""


def changes(series: Floats) -> list[int]:
    """Where the level of a series changes: the first place of each new level.

    PELT (Killick, Fearnhead & Eckley 2012, J. Am. Stat. Assoc. 107, 1590-1598) with squared
    error. The noise's deviation is the median absolute difference of neighbours over
    0.6745 sqrt(2), which a change of level does not move. Gaps have to be left out beforehand.
    """
    if len(series) < 2 * SHORTEST:
        return []
    import ruptures

    noise = float(np.median(np.abs(np.diff(series)))) / (0.6745 * np.sqrt(2))
    if noise == 0:
        return []
    search = ruptures.Pelt(model="l2", min_size=SHORTEST, jump=1)
    ends = search.fit(series.reshape(-1, 1)).predict(PENALTY * np.log(len(series)) * noise**2)
    return [int(end) for end in ends[:-1]]
