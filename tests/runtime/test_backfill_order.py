"""Archives are counted from the oldest on, in whatever order they are named."""

from __future__ import annotations

import itertools
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from donkeywatch.runtime.backfill import backfill
from donkeywatch.sources.log_paths import age_order
from support.settings_files import write_settings
from support.simulated_server import NOW, engine

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 10, 24, 23, tzinfo=UTC)
"""The hour before the one that comes twice there: 02:00 to 03:00."""
SEARCHES = {0: 40, 1: 70, 2: 110, 3: 50}
"""By the hours from then on."""


def write_archives(directory: Path, minutes: int) -> list[Path]:
    """A log whose stamps tell no zone, rotated every so many minutes; the oldest file first."""
    stamps = sorted(
        FIRST + timedelta(hours=hour, seconds=second)
        for hour, count in SEARCHES.items()
        for second in random.Random(hour).sample(range(3600), count)
    )
    parts: dict[int, list[str]] = {}
    for number, stamp in enumerate(stamps):
        part = int((stamp - FIRST) / timedelta(minutes=minutes))
        local = stamp.astimezone(BERLIN).strftime("%Y-%m-%dT%H:%M:%S")
        parts.setdefault(part, []).append(f"{local}\t192.0.2.{number % 250}\tzqorv {number}\n")
    made = []
    for part, lines in parts.items():
        path = directory / f"search.log.{len(parts) - part}"
        path.write_text("".join(lines))
        made.append(path)
    return made


@pytest.mark.parametrize("minutes", [20, 30, 60, 120])
@pytest.mark.parametrize("in_reverse", [True, False])
def test_the_hour_that_comes_twice_is_counted_in_the_order_of_rotation(
    tmp_path: Path, minutes: int, in_reverse: bool
) -> None:
    """The first stamps of files do not tell in which of the two passes they are."""
    settings = write_settings(tmp_path, 'timezone = "Europe/Berlin"\n')
    archives = write_archives(tmp_path, minutes)
    with engine(settings) as opened:
        backfill(opened, archives[::-1] if in_reverse else archives, None, lambda: NOW)
    with closing(sqlite3.connect(tmp_path / "state" / "donkeywatch.db")) as db:
        hours = db.execute("select queries from windows where kind = 'hour' order by start")
        assert [queries for (queries,) in hours] == list(SEARCHES.values())


def test_the_highest_number_is_the_oldest_and_dates_are_in_their_order() -> None:
    """Packed or not, and with the number before or behind the ending."""
    for names in (
        ["search.log.10.gz", "search.log.9.gz", "search.log.2", "search.log.1", "search.log"],
        ["search.2.log", "search.1.log"],
        ["search.log-20261025", "search.log-20261026.gz"],
        ["search-2025.log", "search-2026.log"],
    ):
        for order in itertools.permutations(names):
            assert sorted(order, key=age_order) == names
