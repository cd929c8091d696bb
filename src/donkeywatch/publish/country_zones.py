"""Time zone and English name of a country, and local hours by a zone."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np

from donkeywatch.counting.calendar import DAY, HOUR, SECOND, utc
from donkeywatch.counting.observations import Times

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


def local_hour_index(place: ZoneInfo, starts: Times) -> Times:
    """Local hours since 1970 of the middles of UTC hours (ms); its remainder by 24 is the clock's.

    The offset from UTC is asked for at both ends of each day, and by the hour only where the two
    differ.
    """
    middles = starts + HOUR // 2
    days, of_day = np.unique(middles // DAY, return_inverse=True)
    first, last = (
        np.array([_offset(place, day * DAY) for day in each.tolist()], np.int64)
        for each in (days, days + 1)
    )
    offsets = first[of_day]
    changing = np.flatnonzero((first != last)[of_day])
    offsets[changing] = [_offset(place, time) for time in middles[changing].tolist()]
    cells: Times = (middles + offsets) // HOUR
    return cells


@lru_cache(maxsize=1 << 16)
def _offset(place: ZoneInfo, time: int) -> int:
    """Ms by which the clocks of a zone are ahead of UTC."""
    ahead = place.utcoffset(utc(time).astimezone(place))
    return 0 if ahead is None else round(ahead.total_seconds()) * SECOND


@cache
def zone_of_country(country: str) -> ZoneInfo:
    """The zone of a country; UTC where the country is not known."""
    if country in MAIN_ZONES:
        return ZoneInfo(MAIN_ZONES[country])
    return ZoneInfo(_first_zones().get(country, "UTC"))


def country_name(code: str) -> str:
    """English name of an ISO 3166 code; the code itself where there is none."""
    return _names().get(code, "unknown" if code == "ZZ" else code)


@cache
def _names() -> dict[str, str]:
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    lines = (line for line in table.splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t", 1) for line in lines)


@cache
def _first_zones() -> dict[str, str]:
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    zones: dict[str, str] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            zones.setdefault(country, name)
    return zones
