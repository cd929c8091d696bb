"""The 24 hours of the day: figures 4 to 8 of the study, in local time, both estimators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from donkeywatch.counting.windows import HOUR, utc
from donkeywatch.publish.snapshot import HourOfDay

MAIN_ZONES = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
}
"""Zone of most inhabitants where the zone table does not name it first."""


@dataclass(frozen=True, slots=True)
class LocalHour:
    """One hour of the day, local time: means over days.

    ``mean_of_ratios`` and ``ratio_of_sums`` are two estimators of the same fraction; they
    differ where busy and quiet days differ.
    """

    hour: int
    days: int
    queries: float | None
    flagged: float | None
    mean_of_ratios: float | None
    ratio_of_sums: float | None


def profile(
    hours: Sequence[HourOfDay], closed: Iterable[int] = (), countries: Iterable[str] = ()
) -> list[LocalHour]:
    """Sum countries per local day and hour, then average over days.

    ``closed`` are the starts of all closed hours: one in which no query came from the asked
    ``countries`` (none: from those that occur) is a day with zeros. A UTC hour belongs to the
    local hour that holds its middle, so zones of half an hour have a place too.
    """
    sums: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    zones = {zone(name) for name in countries or {found.country for found in hours}}
    for start in closed:
        for place in zones:
            sums[_local(place, start)]  # a day with zeros, if nothing is added
    for found in hours:
        local = _local(zone(found.country), found.start)
        sums[local][0] += found.queries
        sums[local][1] += found.flagged
    by_hour: defaultdict[int, list[list[int]]] = defaultdict(list)
    for (_day, hour), pair in sums.items():
        by_hour[hour].append(pair)
    return [_hour(hour, by_hour.get(hour, [])) for hour in range(24)]


def _hour(hour: int, days: list[list[int]]) -> LocalHour:
    queries, flagged = sum(q for q, _ in days), sum(k for _, k in days)
    ratios = [k / q for q, k in days if q]
    return LocalHour(
        hour,
        len(days),
        queries / len(days) if days else None,
        flagged / len(days) if days else None,
        sum(ratios) / len(ratios) if ratios else None,
        flagged / queries if queries else None,
    )


def _local(place: ZoneInfo, start: int) -> tuple[int, int]:
    """Ordinal of the local day, and local hour, of the middle of a UTC hour."""
    local = utc(start + HOUR // 2).astimezone(place)
    return local.toordinal(), local.hour


@cache
def zone(country: str) -> ZoneInfo:
    """The zone of a country; UTC where the country is not known."""
    if country in MAIN_ZONES:
        return ZoneInfo(MAIN_ZONES[country])
    return ZoneInfo(_first_zones().get(country, "UTC"))


@cache
def _first_zones() -> dict[str, str]:
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    found: dict[str, str] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            found.setdefault(country, name)
    return found
