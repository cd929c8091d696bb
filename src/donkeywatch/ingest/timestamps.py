"""Stamps to UTC: zones, the repeated and the skipped DST hour, leap seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from donkeywatch.counting.calendar import HOUR, MINUTE

ISO = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    rb"(?:Z|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
UNIX = re.compile(rb"(\d{1,11}|\d{13}|\d{16}|\d{19})(?:\.(\d{1,9}))?", re.ASCII)
UNITS = {13: 1, 16: 1_000, 19: 1_000_000}
"""By the number of digits of a Unix time, its units in a millisecond: ms, µs or ns. With fewer
digits it is in seconds."""

EARLIEST = 946_684_800_000
"""2000-01-01: no log is older than eDonkey itself (ms)."""
BAD_TIME, IMPOSSIBLE_TIME = "bad_time", "impossible_time"


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Event time in ms UTC; ``fold_time`` differs only in the repeated DST hour."""

    time: int
    fold_time: int


@dataclass(frozen=True, slots=True)
class TimestampParser:
    """Reads the stamps of one source.

    ``zone`` is for stamps without one; ``strptime_format`` is None for ISO 8601 and
    unix times in seconds, ms, µs or ns.
    """

    zone: ZoneInfo | None = None
    strptime_format: str | None = None

    def read(self, stamp: bytes) -> Timestamp | str:
        """The moment of a stamp, or the outcome `bad_time` or `impossible_time`."""
        try:
            if self.strptime_format is not None:
                read = self._resolve_zone(
                    datetime.strptime(stamp.decode("ascii"), self.strptime_format)
                )
            else:
                read = self._standard(stamp)
        except (ValueError, OverflowError):
            return BAD_TIME
        return BAD_TIME if isinstance(read, Timestamp) and read.time < EARLIEST else read

    def _standard(self, stamp: bytes) -> Timestamp | str:
        unix = UNIX.fullmatch(stamp)
        if unix:
            unit = UNITS.get(len(unix[1]))
            fraction = int((unix[2] or b"").ljust(3, b"0")[:3])
            time = int(unix[1]) // unit if unit else int(unix[1]) * 1000 + fraction
            return Timestamp(time, time)
        iso = ISO.fullmatch(stamp)
        if not iso:
            return BAD_TIME
        year, month, day, hour, minute, second = (int(part) for part in iso.groups()[:6])
        # A leap second has no number of its own in Unix time: it is the end of the one before.
        leap = second == 60
        fraction = 999 if leap else int((iso[7] or b"").ljust(3, b"0")[:3])
        naive = datetime(year, month, day, hour, minute, 59 if leap else second, fraction * 1000)
        if iso[8]:
            if int(iso[10]) > 59:
                return BAD_TIME
            offset = timedelta(hours=int(iso[9]), minutes=int(iso[10]))
            naive = naive.replace(tzinfo=timezone(-offset if iso[8] == b"-" else offset))
        elif stamp.endswith(b"Z"):
            naive = naive.replace(tzinfo=UTC)
        placed = self._resolve_zone(naive)
        if leap and isinstance(placed, Timestamp) and placed.time % HOUR // MINUTE != 59:
            return BAD_TIME
        return placed

    def _resolve_zone(self, moment: datetime) -> Timestamp | str:
        if moment.tzinfo is not None:
            time = _ms(moment)
            return Timestamp(time, time)
        if self.zone is None:
            return BAD_TIME
        first = _ms(moment.replace(tzinfo=self.zone, fold=0))
        second = _ms(moment.replace(tzinfo=self.zone, fold=1))
        round_trip = datetime.fromtimestamp(first / 1000, self.zone).replace(tzinfo=None)
        if abs(round_trip - moment) > timedelta(seconds=1):
            return IMPOSSIBLE_TIME
        return Timestamp(first, second)


def _ms(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
