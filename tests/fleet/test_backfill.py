"""Archives of several servers are united under keys that were made for their weeks."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from donkeywatch.counting.calendar import DAY, HOUR, week_name, week_of
from donkeywatch.fleet import tables
from fleet.servers import free_port
from fleet.simulated_fleet import HOURS, SimulatedFleet
from fleet.test_processes import donkeywatch
from fleet.test_union import NAMES
from fleet.union_truth import assert_union_equals

OCTOBER = datetime(2026, 10, 4, 12, tzinfo=UTC)
"""Its keys would be destroyed weeks ago; the stream crosses the end of a week."""


@pytest.fixture
def archived(fleet: SimulatedFleet) -> SimulatedFleet:
    """Three servers with archives of October, and the keys of these weeks."""
    fleet.restart_at(OCTOBER)
    fleet.make(NAMES)
    fleet.init()
    fleet.make_keys()
    return fleet


def test_archives_become_one_union_and_no_key_is_left(archived: SimulatedFleet) -> None:
    """Each hour is shipped before its week's key goes; rows stay for as long as uniting takes."""
    now = time.time_ns() // 10**6
    for name in NAMES:
        here = archived.directory / name
        (here / "search.log").rename(here / "archive.log")
        settings = here / "donkeywatch.toml"
        settings.write_text(
            settings.read_text().replace("[fleet]\n", f"[http]\nport = {free_port()}\n[fleet]\n", 1)
        )
        donkeywatch("backfill", "--fleet", "-c", settings, here / "archive.log")
        assert archived.pending(name) == []
        keys = sorted(path.name for path in (here / "state" / "keys").rglob("*-W*.key"))
        weeks = {week_name(archived.end - HOURS * HOUR), week_name(archived.end)}
        assert not {f"{week}.key" for week in weeks} & set(keys)
    archived.refresh(now)
    assert_union_equals(archived, archived.truth)
    with archived.open() as warehouse:
        assert week_of(archived.end) in tables.weeks_with_rows(warehouse)
        tables.destroy_expired_rows(warehouse, now)
        assert week_of(archived.end) in tables.weeks_with_rows(warehouse)
        (end,) = warehouse.rows(f"select max(expires) from {warehouse.whole('pseudonym_rows')}")[0]
    assert 13 * DAY < end * 1000 - now < 15 * DAY


def test_it_needs_a_fleet(fleet: SimulatedFleet) -> None:
    """A server without one is told what is missing."""
    fleet.make(("first",))
    settings = fleet.directory / "first" / "donkeywatch.toml"
    settings.write_text(settings.read_text().partition("[fleet]")[0])
    with pytest.raises(AssertionError, match="no server of a fleet"):
        donkeywatch("backfill", "--fleet", "-c", settings, fleet.directory / "first" / "search.log")
