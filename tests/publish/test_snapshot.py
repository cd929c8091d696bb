"""Snapshots: one consistent, read-only view, in which what is not known is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, WEEK, week_of
from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.estimation.correction import Accuracy, Rate
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.snapshot import CountryHour, Snapshot, Snapshots
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.store import Store
from support.stored_windows import FIGURES, TEN, TOPICS, count


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    ensure_state_directory(tmp_path)
    opened = Store(tmp_path, TOPICS)
    yield opened
    opened.close()


@pytest.fixture
def snapshots(store: Store) -> Snapshots:
    """Views of that database."""
    return Snapshots(store.path.parent, TOPICS)


def test_a_view_does_not_move_while_it_is_open(store: Store, snapshots: Snapshots) -> None:
    """What is committed after the first read is seen by the next snapshot only."""
    count(store, TEN)
    with snapshots.open() as snapshot:
        before = snapshot.total_queries(), list(snapshot.windows_between("hour", 0, 1 << 52, 9))
        count(store, TEN)
        count(store, TEN + HOUR)
        assert (
            snapshot.total_queries(),
            list(snapshot.windows_between("hour", 0, 1 << 52, 9)),
        ) == before
        assert snapshot.counters()["lines", "main", "query"] == 8
    with snapshots.open() as snapshot:
        assert snapshot.total_queries() == 24
        assert [view.queries for view in snapshot.windows_between("hour", 0, 1 << 52, 9)] == [
            16,
            8,
        ]


def test_a_view_cannot_write(snapshots: Snapshots) -> None:
    """The connection is read only, whatever is tried on it."""
    with (
        snapshots.open() as snapshot,
        pytest.raises(sqlite3.OperationalError, match="readonly database"),
    ):
        snapshot._db.execute("delete from counters")


def test_a_view_does_not_make_a_database(tmp_path: Path) -> None:
    """Where there is none it fails, and none is there afterwards."""
    with (
        pytest.raises(sqlite3.OperationalError),
        Snapshots(tmp_path / "nothing", TOPICS).open() as snapshot,
    ):
        snapshot.total_queries()
    assert list(tmp_path.iterdir()) == []


def test_a_view_holds_up_no_writer(store: Store, snapshots: Snapshots) -> None:
    """The engine commits while many views are open."""
    count(store, TEN)
    with snapshots.open() as first, snapshots.open() as two:
        assert first.total_queries() == two.total_queries() == 8
        count(store, TEN)
    with snapshots.open() as three:
        assert three.total_queries() == 16


def test_an_empty_database_has_nothing_to_show(snapshots: Snapshots) -> None:
    """No window, no source, no total, no break."""
    with snapshots.open() as snapshot:
        assert snapshot.current() == []
        assert list(snapshot.windows_between("hour", 0, 1 << 52, 9)) == []
        assert (snapshot.total_queries(), snapshot.counters(), snapshot.sources()) == (0, {}, {})
        assert not [*snapshot.country_hours("one", (), 0, 1 << 52, "ZZ")]
        assert snapshot.breaks(0, 1 << 52) == []


def test_an_open_window_has_queries_but_no_fraction(store: Store, snapshots: Snapshots) -> None:
    """Until it closes there are counts of queries by category, and nothing by address."""
    count(store, TEN, seconds=1800.0)
    with snapshots.open() as snapshot:
        (view,) = snapshot.windows_between("hour", TEN, TEN + 1, 9)
        assert snapshot.current() == []
    assert (view.closed, view.queries, view.addresses, view.coverage) == (False, 8, None, 0.5)
    first, two = view.topics
    assert (first.queries, first.categories, first.addresses) == (2, {"first": 2}, None)
    assert (two.queries, two.categories) == (0, {})
    for topic in view.topics:
        assert topic.query_fraction is None
        assert topic.address_fractions == (None, None, None)


def test_a_closed_window_has_all_figures(store: Store, snapshots: Snapshots) -> None:
    """Fractions are exact quotients, for each topic and threshold."""
    count(store, TEN)
    assert store.close_hour(TEN, None, FIGURES)
    with snapshots.open() as snapshot:
        (view,) = snapshot.current()
    assert (view.kind, view.start, view.end) == ("hour", TEN, TEN + HOUR)
    assert (view.closed, view.queries, view.addresses, view.coverage) == (True, 8, 4, 1.0)
    first, two = view.topics
    assert (first.queries, first.addresses, first.categories) == (2, (1, 1, 0), {"first": 2})
    assert first.query_fraction
    assert first.query_fraction.value == 0.25
    # u_i = k_i - q_i / 4 of the four: 1.25, -0.5, -0.5, -0.25; sum of squares 2.125.
    assert first.query_fraction.design_effect == pytest.approx(4 / 3 * 2.125 / 8 / (0.25 * 0.75))
    assert [e.value if e else None for e in first.address_fractions] == [0.25, 0.25, 0.0]
    assert two.query_fraction
    assert (two.query_fraction.value, two.query_fraction.lower) == (0.0, 0.0)
    assert two.query_fraction.upper > 0


def test_a_late_line_opens_its_window_again(store: Store, snapshots: Snapshots) -> None:
    """A window with a line that its figures do not hold yet shows no fraction."""
    count(store, TEN)
    store.close_hour(TEN, None, FIGURES)
    count(store, TEN, 1, 0.0)
    with snapshots.open() as snapshot:
        (view,) = snapshot.windows_between("hour", TEN, TEN + 1, 9)
        assert snapshot.current() == []
    assert (view.closed, view.queries, view.addresses) == (False, 9, None)
    assert view.topics[0].query_fraction is None


def test_a_followed_hour_without_queries_has_no_fraction(
    store: Store, snapshots: Snapshots
) -> None:
    """Nothing over nothing is missing, not zero."""
    count(store, TEN, 0)
    nothing = TopicAggregate(0, (0, 0, 0), 0, 0)
    store.close_hour(TEN, None, WindowAggregate(0, 0, 0, (nothing, nothing)))
    with snapshots.open() as snapshot:
        (view,) = snapshot.current()
    assert (view.queries, view.addresses, view.coverage) == (0, 0, 1.0)
    for topic in view.topics:
        assert topic.query_fraction is None
        assert topic.address_fractions == (None, None, None)


def test_a_topic_that_was_not_there_has_no_fraction(store: Store) -> None:
    """A topic that the lexicon got later shows nothing, not zero, in older windows."""
    count(store, TEN)
    store.close_hour(TEN, None, FIGURES)
    with Snapshots(store.path.parent, ("one", "new")).open() as snapshot:
        (view,) = snapshot.current()
    assert [topic.topic for topic in view.topics] == ["one", "new"]
    assert view.topics[1].query_fraction is None
    assert view.topics[1].addresses is None


def test_the_newest_of_each_kind_is_current(store: Store, snapshots: Snapshots) -> None:
    """Rolling windows first, by length, then the last closed hour and the last closed week."""
    for i in range(3):
        count(store, TEN + i * HOUR)
        if i < 2:
            store.close_hour(TEN + i * HOUR, None, FIGURES)
    store.close_week(week_of(TEN), FIGURES)
    end = TEN + 2 * HOUR + 5 * MINUTE
    lengths = {"7d": WEEK, "1h": HOUR, "24h": DAY}
    store.replace_rolling({kind: (end - length, end, FIGURES) for kind, length in lengths.items()})
    with snapshots.open() as snapshot:
        current = snapshot.current()
    assert [view.kind for view in current] == ["1h", "24h", "7d", "hour", "week"]
    assert {view.end for view in current[:3]} == {end}
    assert current[3].start == TEN + HOUR
    assert current[4].start == week_of(TEN)
    assert all(view.topics[0].categories == {} for view in current[:3])


def test_a_span_is_half_open_and_limited(store: Store, snapshots: Snapshots) -> None:
    """Start is in, end is out, oldest first; the newest come first only when asked for."""
    for i in range(5):
        count(store, TEN + i * HOUR)
    with snapshots.open() as snapshot:
        result = list(snapshot.windows_between("hour", TEN + HOUR, TEN + 4 * HOUR, 9))
        assert [view.start for view in result] == [TEN + i * HOUR for i in (1, 2, 3)]
        assert list(snapshot.windows_between("hour", TEN + HOUR, TEN + 4 * HOUR, 2)) == result[:2]
        newest = snapshot.windows("hour", "closed = 0", (), limit=2, newest=True)
    assert [view.start for view in newest] == [TEN + 4 * HOUR, TEN + 3 * HOUR]


def test_coverage_is_never_above_one(store: Store, snapshots: Snapshots) -> None:
    """Rounding of seconds does not make more than the whole."""
    for _ in range(3):
        count(store, TEN, 0, 1200.4)
    with snapshots.open() as snapshot:
        (view,) = snapshot.windows_between("hour", TEN, TEN + 1, 9)
    assert view.coverage == 1.0


def by_country(snapshot: Snapshot, *countries: str) -> list[CountryHour]:
    """The hours of topic `one`; without countries, of all together."""
    rest = None if countries else "ZZ"
    result = snapshot.country_hours("one", countries, 0, 1 << 52, rest)
    return sorted(result, key=lambda hour: (hour.start, hour.country))


def test_hours_of_the_day_are_by_country(store: Store, snapshots: Snapshots) -> None:
    """Those asked for, or all together; a topic without a flagged query counts zero."""
    count(store, TEN)
    store.close_hour(TEN, None, FIGURES)
    france, unknown = CountryHour(TEN, "FR", 6, 2), CountryHour(TEN, "ZZ", 2, 0)
    with snapshots.open() as snapshot:
        assert by_country(snapshot) == [CountryHour(TEN, "ZZ", 8, 2)]
        several = snapshot.country_hours("one", ["FR"], 0, 1 << 52, "ZZ")
        assert sorted(several, key=lambda hour: hour.country) == [france, unknown]
        assert by_country(snapshot, "FR") == [france]
        assert by_country(snapshot, "FR", "ZZ", "AR") == [france, unknown]
        assert by_country(snapshot, "AR") == []
        assert not [*snapshot.country_hours("one", (), TEN + 1, 1 << 52, "ZZ")]
        assert not [*snapshot.country_hours("one", (), 0, TEN, "ZZ")]
        missing = list(snapshot.country_hours("no topic", ["FR"], 0, 1 << 52))
    assert missing == [CountryHour(TEN, "FR", 6, 0)]


def test_an_hour_that_was_opened_again_is_in_no_profile(store: Store, snapshots: Snapshots) -> None:
    """Its country figures are older than its queries, and it says that only closed hours count."""
    count(store, TEN)
    store.close_hour(TEN, None, FIGURES)
    count(store, TEN, 1, 0.0)
    with snapshots.open() as snapshot:
        assert by_country(snapshot) == []


def test_breaks_are_told_in_order(store: Store, snapshots: Snapshots) -> None:
    """The first value of each kind is no break; every change is, with its time."""
    store.record_break("lexicon", "aa", TEN)
    store.record_break("format", "main=tsv", TEN)
    store.record_break("format", "main=jsonl", TEN + 2)
    store.record_break("lexicon", "bb", TEN + 1)
    store.record_break("lexicon", "bb", TEN + 3)
    with snapshots.open() as snapshot:
        assert snapshot.breaks(0, 1 << 52) == [(TEN + 1, "lexicon"), (TEN + 2, "format")]
        assert snapshot.breaks(TEN + 2, TEN + 2) == []


def test_totals_outlive_a_prune(store: Store, snapshots: Snapshots) -> None:
    """Windows that are forgotten stay in the totals."""
    count(store, TEN)
    store.close_hour(TEN, None, FIGURES)
    store.prune("hour", TEN + DAY)
    with snapshots.open() as snapshot:
        assert list(snapshot.windows_between("hour", 0, 1 << 52, 9)) == []
        assert by_country(snapshot) == []
        assert snapshot.total_queries() == 8
        assert snapshot.sources() == {"main": TEN + HOUR - 1}


def test_windows_are_corrected_back_to_the_last_change_of_the_lexicon(store: Store) -> None:
    """A window that an older lexicon had a part in stays as it was observed; so do other topics."""
    accuracy = Accuracy(Rate(0.8, 100), Rate(0.05, 1000))
    for hour in (TEN, TEN + HOUR):
        count(store, hour)
        store.close_hour(hour, None, FIGURES)
    views = Snapshots(store.path.parent, TOPICS, {"one": accuracy, "three": accuracy})

    def shown() -> list[list[Estimate | None]]:
        with views.open() as snapshot:
            hours = list(snapshot.windows_between("hour", 0, 1 << 52, 9))
        return [[topic.corrected for topic in hour.topics] for hour in hours]

    both = shown()
    assert [[value is not None for value in hour] for hour in both] == [[True, False]] * 2
    assert both[0][0] is not None
    assert both[0][0].value == pytest.approx((2 / 8 - 0.05) / (0.8 - 0.05))
    store.record_break("lexicon", "a", TEN)
    store.record_break("lexicon", "b", TEN + 1)
    assert shown() == [[None, None], both[1]]
    store.record_break("countries", "a", TEN)
    store.record_break("countries", "b", TEN + 2 * HOUR)
    assert shown() == [[None, None], both[1]], "who asked has nothing to do with it"
    store.record_break("normalisation", "a", TEN)
    store.record_break("normalisation", "b", TEN + HOUR + 1)
    assert shown() == [[None, None]] * 2
