"""Hours, weeks and countries as the database has them, by local time, with gaps and breaks."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, to_ms
from donkeywatch.errors import StateError
from donkeywatch.publish.country_zones import local_hour_index
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.database_series import (
    BoolArray,
    Break,
    CountryHours,
    IntArray,
    Windows,
    open_database,
)
from donkeywatch.report.hour_exclusion import select_hours
from donkeywatch.report.local_hours import EPOCH_ORDINAL, local_hours
from donkeywatch.report.weekly_series import rolling_mean, segments_between_breaks, weekly
from donkeywatch.simulation.three_years import Years

MONDAY = to_ms(datetime(2026, 3, 2, tzinfo=UTC))


def windows(kind: str, queries: list[int] | IntArray, coverage: float = 1.0) -> Windows:
    """Windows with these queries, of which a hundredth is flagged."""
    request = np.asarray(queries, np.int64)
    length = HOUR if kind == "hour" else WEEK
    several = request // 100
    three = np.stack((several, several * 0, several * 0))
    return Windows(
        kind, MONDAY + np.arange(len(request)) * length, np.ones(len(request), bool),
        np.full(len(request), coverage), request, request, request, several, three,
        several, several, several, several, several,
    )  # fmt: skip


def country_hours(**queries: list[int]) -> CountryHours:
    """Queries of some countries; addresses and flags are the same."""
    table = np.array(list(queries.values()), np.int32)
    return CountryHours(tuple(queries), table, table, table, table)


def test_the_series_are_what_the_tables_hold(archive: Path, years: Years) -> None:
    """Every stored hour in its place, what is missing marked, the topic's counts beside."""
    db = sqlite3.connect(archive)
    rows = db.execute(
        "select w.start, w.queries, w.addresses, w.sum_qq, t.queries, t.addresses_3, t.sum_kk"
        " from windows w join window_topics t on t.kind = w.kind and t.start = w.start"
        " where w.kind = 'hour' and t.topic = 'pedophile' order by w.start"
    ).fetchall()
    db.close()
    with open_database(archive) as database:
        result = database.windows("hour", "pedophile", 0, 1 << 62)
        assert database.topics() == ["pedophile", "pornographic"]
        assert database.breaks("pedophile", 0, 1 << 62) == [
            Break(years.start_ms + years.change * HOUR, "lexicon")
        ]
        assert len(database.windows("week", "pedophile", 0, years.start_ms)) == 0
    assert len(result) == years.hours
    assert result.stored.sum() == len(rows) == years.hours - 83
    columns = [result.start, result.queries, result.addresses, result.sum_qq, result.flagged]
    columns += [result.flagged_addresses[2], result.sum_kk]
    for at, column in enumerate(columns):
        assert column[result.stored].tolist() == [row[at] for row in rows]


def test_what_cannot_be_read_is_told(tmp_path: Path, archive: Path) -> None:
    """No file, no database, no hour, no such topic: each with its remedy."""
    with pytest.raises(StateError, match="there is no database"):
        analyse_database(tmp_path / "none.db", Options())
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(StateError, match="cannot be read"):
        analyse_database(tmp_path / "text.db", Options())
    with pytest.raises(StateError, match="no closed hour"):
        analyse_database(archive, Options(until=10))
    with pytest.raises(StateError, match="use one of: pedophile, pornographic"):
        analyse_database(archive, Options(topic="other"))


def test_databases_of_older_versions_are_read(archive: Path, tmp_path: Path) -> None:
    """Without the newer columns their figures are not known, and nothing else differs."""
    old = tmp_path / "old.db"
    source, copy = sqlite3.connect(archive), sqlite3.connect(old)
    source.backup(copy)
    source.close()
    for column in ("exclusive_queries", "top_1", "top_10"):
        copy.execute(f"alter table window_topics drop column {column}")
    copy.commit()
    copy.close()
    analysis = analyse_database(old, Options())
    assert analysis.compared_alone is None
    assert analysis.concentration.top_1 is None
    assert analysis.whole_compared is not None


def test_the_default_rule_takes_away_gaps_and_outages_alone(
    analysis: Analysis, years: Years
) -> None:
    """Exactly the hours that are not whole by plan; the study's rule takes quiet nights."""
    assert analysis.keep.tolist() == years.up.tolist()
    paper = select_hours(analysis.hours, "paper2pct")
    stored = int(analysis.hours.stored.sum())
    assert (stored - paper.sum()) / stored == pytest.approx(0.02, abs=0.002)
    nights = np.flatnonzero(analysis.hours.stored & years.up & ~paper)
    assert len(nights) > 50
    assert select_hours(analysis.hours, "none").sum() == stored


def test_a_server_that_is_down_while_its_log_is_followed_counts_as_an_outage() -> None:
    """Below a quarter of the same hour of the week, four weeks around; a quiet hour stays."""
    usual = np.tile(np.where(np.arange(168) % 24 < 6, 10, 100), 8)
    usual[200], usual[210], usual[240] = 24, 26, 3
    keep = select_hours(windows("hour", usual), "coverage")
    assert np.flatnonzero(~keep).tolist() == [200]
    assert usual[240 + 1] == 10
    assert not select_hours(windows("hour", usual, 0.9), "coverage").any()
    assert select_hours(windows("hour", usual, 0.9), "none").all()


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Paris", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe"]
)
def test_local_hours_are_those_of_the_zone(name: str) -> None:
    """Two years, hour by hour, changes of summer time included."""
    place, grid = ZoneInfo(name), MONDAY + np.arange(2 * 8766, dtype=np.int64) * HOUR
    result = local_hour_index(place, grid) + EPOCH_ORDINAL * 24
    for at in range(0, len(grid)):
        local = datetime.fromtimestamp((int(grid[at]) + HOUR // 2) / 1000, place)
        assert result[at] == local.toordinal() * 24 + local.hour


def test_skipped_and_doubled_hours_are_in_no_mean() -> None:
    """Paris on 2026-03-29 has no hour 2; in autumn there are two, and neither counts."""
    for day, hours in (
        (datetime(2026, 3, 28, tzinfo=UTC), 23),
        (datetime(2026, 10, 24, tzinfo=UTC), 23),
    ):
        grid = to_ms(day) + np.arange(72, dtype=np.int64) * HOUR
        keep: BoolArray = np.ones(72, bool)
        local = local_hours(country_hours(FR=[5] * 72), grid, keep, ["FR"])
        table = local.queries[2]
        assert np.isnan(table[2])
        assert np.isfinite(table).sum() == hours
        assert np.nanmax(table) == 5


def test_countries_are_summed_by_their_own_clocks() -> None:
    """An hour counts where nearly all that is usually asked is known."""
    grid = MONDAY + np.arange(96, dtype=np.int64) * HOUR
    keep: BoolArray = np.ones(96, bool)
    keep[30] = False
    first, other = list(range(96)), [100 + n for n in range(96)]
    result = country_hours(FR=first, JP=other)
    local = local_hours(result, grid, keep, [])
    day = (MONDAY + DAY) // DAY + 719163 - local.first
    assert local.queries[day, 12] == first[24 + 11] + other[24 + 3]
    assert np.isnan(local.queries[day, 7]), "the hour left out, in Paris"
    assert np.isnan(local.queries[day, 15]), "the hour left out, in Tokyo"
    single = local_hours(result, grid, keep, ["FR"])
    assert np.isnan(single.queries[day, 7])
    assert single.queries[day, 15] == first[24 + 14]
    assert local_hours(result, grid, keep, ["XX"]).queries.shape == (0, 24)


def test_no_trend_goes_across_a_break() -> None:
    """A jump at a break is no growth: each stretch is flat, and each has its own line."""
    rng = np.random.default_rng(1)
    result = windows("week", rng.poisson(100_000, 40))
    level = np.where(np.arange(40) < 20, 0.002, 0.006)
    several = rng.binomial(result.queries, level)
    result = replace(
        result,
        flagged=several,
        flagged_addresses=np.stack((several, several * 0, several * 0)),
        sum_kk=several,
        sum_qk=several,
    )
    middle = int(result.start[20])
    parted = weekly(result, np.ones(40, bool), [Break(middle, "lexicon")])
    assert [(item.first, item.last) for item in parted.trends] == [(0, 20), (20, 40)]
    for item in parted.trends:
        assert item.yearly is not None
        assert item.yearly[1] < 1 < item.yearly[2]
        assert item.growth is None
        assert item.changes == item.alarms == ()
    whole = weekly(result, np.ones(40, bool), [Break(middle, "countries")])
    assert len(whole.trends) == 1, "a country database does not change what is flagged"
    assert whole.trends[0].yearly is not None
    assert whole.trends[0].yearly[1] > 1
    assert whole.trends[0].growth is not None
    assert 20 in whole.trends[0].changes
    assert min(abs(at - 21) for at in whole.trends[0].alarms) <= 2


def test_a_week_with_a_break_inside_is_in_no_stretch() -> None:
    """It was measured in two ways."""
    result = windows("week", [1000] * 10)
    time = int(result.start[4]) + DAY
    assert segments_between_breaks(result, [time]) == [(0, 4), (5, 10)]
    assert segments_between_breaks(result, [int(result.start[0]), int(result.start[9]) + WEEK]) == [
        (0, 10)
    ]
    parted = weekly(result, np.ones(10, bool), [Break(time, "format")])
    assert np.flatnonzero(np.isnan(parted.queries.value)).tolist() == [4]


@pytest.mark.parametrize(("size", "message"), [(7, False), (8, True)])
def test_fewer_than_eight_weeks_have_no_trend(size: int, message: bool) -> None:
    """Not a wide interval: none."""
    result = weekly(windows("week", [1000 + n for n in range(size)]), np.ones(size, bool), [])
    assert (result.trends[0].slope is not None) is message


def test_a_gap_is_no_week_of_zero() -> None:
    """Means over five weeks need all five."""
    series = np.array([1.0, 2, 3, 4, 5, np.nan, 7, 8, 9, 10, 11])
    mean = rolling_mean(series)
    assert np.flatnonzero(np.isfinite(mean)).tolist() == [2, 8]
    assert (mean[2], mean[8]) == (3, 9)
    assert np.isnan(rolling_mean(series[:4])).all()
