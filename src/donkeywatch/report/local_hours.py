"""The hours of a group of countries by local day and hour of day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from donkeywatch.counting.calendar import DAY
from donkeywatch.publish.country_zones import local_hour_index, zone_of_country
from donkeywatch.report.database_series import BoolArray, CountryHours, FloatArray, IntArray

MIN_ZONE_SHARE = 0.95
"""A local hour counts when the zones that are known in it usually have this share of queries."""
EPOCH_ORDINAL = 719163
"""Ordinal of 1970-01-01."""


@dataclass(frozen=True, slots=True)
class LocalHourTable:
    """Counts of a group of countries by local day and hour, shape (days, 24) each.

    NaN where the hour is not known in full: left out by the rule, skipped or doubled by a
    change to or from summer time, or before the first and after the last. ``first`` is the
    ordinal of the first day (proleptic Gregorian).
    """

    first: int
    queries: FloatArray
    flagged: FloatArray
    addresses: FloatArray
    flagged_addresses: FloatArray


def local_hours(
    hours: CountryHours, grid: IntArray, keep: BoolArray, names: Sequence[str]
) -> LocalHourTable:
    """Sum the countries per local day and hour, each in its own zone.

    A UTC hour belongs to the local hour that holds its middle, so zones of half an hour have a
    place too. ``names`` empty means all countries.
    """
    counts = (hours.queries, hours.flagged, hours.addresses, hours.flagged_addresses)
    zones: dict[ZoneInfo, list[int]] = {}
    for row in hours.rows(names):
        zones.setdefault(zone_of_country(hours.names[row]), []).append(row)
    places = {place: local_hour_index(place, grid) + EPOCH_ORDINAL * 24 for place in zones}
    if not places or not len(grid):
        return LocalHourTable(0, *(np.full((0, 24), np.nan) for _ in counts))
    # The same days for every group, so that resampled days are those of all.
    first, last = (
        int(grid[0]) // DAY + EPOCH_ORDINAL - 1,
        int(grid[-1]) // DAY + EPOCH_ORDINAL + 1,
    )
    size = (last - first + 1) * 24
    sums, known, total = np.zeros((len(counts), size)), np.zeros(size), 0.0
    for place, rows in zones.items():
        cells = places[place] - first * 24
        whole = np.bincount(cells[keep], minlength=size) == 1
        whole &= np.bincount(cells, minlength=size) == 1
        weight = float(hours.queries[rows].sum(dtype=np.int64))
        known += weight * whole
        total += weight
        for column, count in zip(sums, counts, strict=True):
            of_zone = count[rows].sum(axis=0, dtype=np.float64)
            column += np.bincount(cells[keep], of_zone[keep], size) * whole
    sums[:, known < MIN_ZONE_SHARE * max(total, 1.0)] = np.nan
    return LocalHourTable(first, *sums.reshape(len(counts), -1, 24))
