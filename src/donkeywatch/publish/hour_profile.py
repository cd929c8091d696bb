"""Curves by hour of the day with their uncertainty, and how single hours scatter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from donkeywatch.publish.country_zones import local_hour_index, zone_of_country
from donkeywatch.publish.snapshot import CountryHour

Longs = npt.NDArray[np.int64]
HOUR_DTYPE = np.dtype([("start", "i8"), ("country", "U2"), ("queries", "i8"), ("flagged", "i8")])


@dataclass(frozen=True, slots=True)
class BoxPlot:
    """A box-plot: quartiles, and the last points within 1.5 times their distance (Tukey 1977)."""

    low: float
    q1: float
    median: float
    q3: float
    high: float


@dataclass(frozen=True, slots=True)
class HourProfile:
    """One hour of the day, local time: means over days, and boxes whose points are days.

    ``mean_of_ratios`` and ``ratio_of_sums`` are two estimators of the same fraction; they
    differ where busy and quiet days differ.
    """

    hour: int
    days: int
    queries: float | None
    flagged: float | None
    mean_of_ratios: float | None
    ratio_of_sums: float | None
    query_box: BoxPlot | None
    ratio_box: BoxPlot | None


class ProfileSegment(NamedTuple):
    """Hours in which each country has one and the same time."""

    hours: Iterable[CountryHour]
    """Those with queries, by country, in any order; to be gone through once."""
    closed: Sequence[int]
    """Starts of all closed hours, ms UTC."""


def profile(
    stretches: Iterable[ProfileSegment], countries: Iterable[str] = ()
) -> list[HourProfile]:
    """Sum countries per local day and hour, then average over days.

    A closed hour in which no query came from the asked ``countries`` (none: from those that occur)
    is a day with zeros. A local hour of a day counts where it is one closed hour in the time of
    every country: not at the ends of a stretch, beside a gap, or where a clock is put forward or
    back. A UTC hour belongs to the local hour that holds its middle, so zones of half an hour have
    a place too.
    """
    zones = {zone_of_country(name) for name in countries}
    days = [_sum_local_days(hours, closed, zones) for hours, closed in stretches]
    cells = np.concatenate([np.zeros(0, np.int64), *(cell for cell, _ in days)])
    sums = np.concatenate([np.zeros((0, 2)), *(counts for _, counts in days)])
    return [_hour(hour, sums[cells % 24 == hour]) for hour in range(24)]


def _sum_local_days(
    hours: Iterable[CountryHour], closed: Sequence[int], zones: Iterable[ZoneInfo]
) -> tuple[Longs, npt.NDArray[np.float64]]:
    """Local hours of days, and what was counted in each: queries and flagged queries."""
    rows = np.fromiter(((h.start, h.country, h.queries, h.flagged) for h in hours), HOUR_DTYPE)
    starts = np.unique(np.array(closed, np.int64))
    rows = rows[np.isin(rows["start"], starts)]
    names, of_name = np.unique(rows["country"], return_inverse=True)
    zone_of_row = [zone_of_country(str(name)) for name in names]
    cells = {zone: local_hour_index(zone, starts) for zone in {*zones} or {*zone_of_row}}
    kept = _complete_cells(cells.values())
    sums = np.zeros((kept.size, 2))
    for number, zone in enumerate(zone_of_row):
        here = rows[of_name == number]
        cell = cells[zone][np.searchsorted(starts, here["start"])]
        known = np.isin(cell, kept)
        at = np.searchsorted(kept, cell[known])
        for column, name in enumerate(("queries", "flagged")):
            sums[:, column] += np.bincount(at, here[name][known], kept.size)
    return kept, sums


def _complete_cells(zones: Iterable[Longs]) -> Longs:
    """The local hours of days that are one closed hour in each zone, in order."""
    kept: Longs | None = None
    for cells in zones:
        distinct, hours = np.unique(cells, return_counts=True)
        once = distinct[hours == 1]
        kept = once if kept is None else np.intersect1d(kept, once, assume_unique=True)
    return np.zeros(0, np.int64) if kept is None else kept


def _hour(hour: int, days: npt.NDArray[np.float64]) -> HourProfile:
    """From one row of queries and flagged queries a day."""
    queries, flagged = (float(total) for total in days.sum(axis=0))
    busy = days[days[:, 0] > 0]
    ratios = busy[:, 1] / busy[:, 0]
    return HourProfile(
        hour,
        len(days),
        queries / len(days) if len(days) else None,
        flagged / len(days) if len(days) else None,
        float(ratios.mean()) if len(busy) else None,
        flagged / queries if queries else None,
        box_plot(days[:, 0]),
        box_plot(ratios),
    )


def box_plot(points: npt.NDArray[np.float64]) -> BoxPlot | None:
    """Quartiles are interpolated between neighbouring points; None without points."""
    if not points.size:
        return None
    values = np.sort(points)
    q1, median, q3 = (float(quantile) for quantile in np.quantile(values, (0.25, 0.5, 0.75)))
    reach = 1.5 * (q3 - q1)
    within = values[(values >= q1 - reach) & (values <= q3 + reach)]
    return BoxPlot(float(within[0]), q1, median, q3, float(within[-1]))
