"""What many windows say together: derived from whole windows of one stretch, and remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from donkeywatch.counting.calendar import HOUR, WEEK, to_ms
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.estimation.level_shift import level_shifts, logit_point
from donkeywatch.publish import trends
from donkeywatch.publish.snapshot import CountryView, Snapshots
from donkeywatch.publish.trends import (
    MAX_COUNTRIES,
    OTHER,
    CountryTotal,
    TrendCache,
    Trends,
)
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import Store
from support.stored_windows import followed

MONDAY = to_ms(datetime(2026, 1, 5, tzinfo=UTC))
TOPICS = ("one", "two")
QUERIES, FLAGGED = 20_000, 400


class Weeks:
    """A database that is filled week by week, each in one hour that stands for all."""

    def __init__(self, state: Path) -> None:
        ensure_state_directory(state)
        self.store = Store(state, TOPICS)
        self.snapshots = Snapshots(state, TOPICS)
        self.tendencies = TrendCache()
        self.number = 0

    def add(self, *flagged: int, coverage: float = 1.0) -> None:
        """Closed weeks with so many flagged queries of the first topic."""
        for result in flagged:
            start = MONDAY + self.number * WEEK
            self.number += 1
            seconds = {start + i * HOUR: 3600 * coverage for i in range(168)}
            counts = HourCounts(QUERIES, 0, Counter({("one", "first"): result}))
            progress = [SourceProgress("main", start + WEEK - 1, 0, 0, start + WEEK)]
            self.store.checkpoint(
                Batch([], {start: counts}, Counter()), [], progress, followed(seconds), start + WEEK
            )
            topics = (
                TopicAggregate(result, (result, 0, 0), result, result),
                TopicAggregate(0, (0,) * 3, 0, 0),
            )
            figures = WindowAggregate(QUERIES, QUERIES, QUERIES, topics, {
                "FR": CountryAggregate(QUERIES, QUERIES, ((result, result), (0, 0)))
            })  # fmt: skip
            assert self.store.close_hour(start, None, figures)
            assert self.store.close_week(start, figures)

    def broken(self, digest: str, time: int) -> None:
        """A break at a time; the first value of a kind is none."""
        self.store.record_break("lexicon", digest, time)

    @property
    def now(self) -> Trends:
        """As a scrape sees it."""
        with self.snapshots.open() as snapshot:
            return self.tendencies.of(snapshot, TOPICS)

    def score(self) -> tuple[float, float]:
        """Both statistics of the first topic."""
        result = self.now.scores["one"]
        assert result is not None
        return result.up, result.down


@pytest.fixture
def weeks(tmp_path: Path) -> Iterator[Weeks]:
    """No week yet."""
    made = Weeks(tmp_path)
    yield made
    made.store.close()


def test_without_a_week_there_is_nothing_to_say(weeks: Weeks) -> None:
    """No score, no profile, no country, and no error."""
    assert weeks.now == Trends([], 0, dict.fromkeys(TOPICS), {}, dict.fromkeys(TOPICS, ()), [])


def test_the_score_is_the_cusum_of_the_closed_weeks(weeks: Weeks) -> None:
    """It equals what the pure function says of the same counts, whose design effect is 1."""
    flagged = [FLAGGED + 40 * (i % 3) for i in range(12)]
    weeks.add(*flagged)
    points = [logit_point(i, k, QUERIES, 1.0) for i, k in enumerate(flagged)]
    expected = level_shifts(result for result in points if result is not None)[-1]
    assert expected.residual
    assert weeks.score() == pytest.approx((expected.up, expected.down))
    assert weeks.now.weeks == 12


def test_a_doubling_raises_the_score_above_one(weeks: Weeks) -> None:
    """Before it the score is low, three weeks later it is an alarm upwards, for its topic alone."""
    weeks.add(*[FLAGGED] * 12)
    assert max(weeks.score()) < 0.5
    weeks.add(*[2 * FLAGGED] * 2)
    assert weeks.score()[0] > 1
    other = weeks.now.scores["two"]
    assert other is not None
    assert max(other.up, other.down) < 0.5


def test_below_nine_weeks_the_score_is_zero(weeks: Weeks) -> None:
    """Eight weeks are a reference, whatever is in them; the ninth is the first with a score."""
    weeks.add(*[FLAGGED] * 7, 5 * FLAGGED)
    assert weeks.score() == (0, 0)
    assert weeks.now.weeks == 8


def test_no_score_reaches_across_a_break(weeks: Weeks) -> None:
    """What a new lexicon changes is no change of level; its first, divided week belongs nowhere."""
    weeks.broken("a", MONDAY)
    weeks.add(*[FLAGGED] * 12)
    weeks.broken("b", MONDAY + 12 * WEEK + HOUR)
    weeks.add(*[3 * FLAGGED] * 9)
    assert weeks.now.weeks == 8
    assert weeks.score() == (0, 0)
    weeks.add(*[3 * FLAGGED] * 6)
    assert max(weeks.score()) < 0.5


def test_weeks_that_were_not_followed_are_left_out(weeks: Weeks) -> None:
    """A week covered to 90 % is no evidence, whatever was counted in it."""
    weeks.add(*[FLAGGED] * 12)
    before = weeks.score()
    weeks.add(*[3 * FLAGGED] * 4, coverage=0.9)
    assert weeks.score() == before
    assert weeks.now.weeks == 12


def test_it_is_derived_anew_only_when_a_window_changes(
    weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scrape after scrape gives the same answer unasked, until a week closes or a break comes."""
    derived: list[Trends] = []
    real = trends.compute_trends

    def noted(*given: Any) -> Trends:
        derived.append(real(*given))
        return derived[-1]

    monkeypatch.setattr(trends, "compute_trends", noted)
    weeks.add(*[FLAGGED] * 9)
    assert weeks.now is weeks.now
    assert len(derived) == 1
    weeks.add(FLAGGED)
    assert weeks.now.weeks == 10
    weeks.broken("a", 0)
    weeks.broken("b", MONDAY)
    assert len(weeks.now.breaks) == 1
    assert len(derived) == 3


def test_the_profile_covers_four_weeks(weeks: Weeks) -> None:
    """The one hour a week that has queries is seen in the last four weeks, in French time."""
    weeks.add(*[FLAGGED] * 6)
    items = [hour for hour in weeks.now.profiles["one"] if hour.days]
    assert [(hour.hour, hour.queries, hour.ratio_of_sums) for hour in items] == [
        (1, QUERIES, FLAGGED / QUERIES)
    ]
    assert items[0].days == 4


def test_the_profile_begins_at_a_break(weeks: Weeks) -> None:
    """Hours before it, and hours that were not followed, are not averaged with those after."""
    weeks.broken("a", MONDAY)
    weeks.add(*[FLAGGED] * 4)
    weeks.broken("b", MONDAY + 2 * WEEK)
    (items,) = [hour for hour in weeks.now.profiles["one"] if hour.days]
    assert items.days == 2
    weeks.add(FLAGGED, coverage=0.9)
    (items,) = [hour for hour in weeks.now.profiles["one"] if hour.days]
    assert items.days == 2


def test_the_profile_of_the_first_week_is_in_utc(weeks: Weeks) -> None:
    """Until a week has closed, no scrape beside the one before tells of an hour of one country."""
    hour = WindowAggregate(QUERIES, QUERIES, QUERIES, (TopicAggregate(0, (0,) * 3, 0, 0),) * 2, {
        "FR": CountryAggregate(QUERIES, QUERIES, ((0, 0), (0, 0)))
    })  # fmt: skip
    counts = {MONDAY: HourCounts(QUERIES, 0, Counter())}
    progress = [SourceProgress("main", MONDAY + HOUR, 0, 0, MONDAY + HOUR)]
    weeks.store.checkpoint(
        Batch([], counts, Counter()), [], progress, followed({MONDAY: 3600.0}), MONDAY + HOUR
    )
    assert weeks.store.close_hour(MONDAY, None, hour)
    (items,) = [hour for hour in weeks.now.profiles["one"] if hour.days]
    assert (items.hour, items.queries) == (0, QUERIES)


def test_small_countries_are_put_together() -> None:
    """Ten have names; the others' sum keeps totals whole."""
    views = [
        CountryView(f"A{c}", 100 - i, 150, {"one": (i, 1), "two": (1, 1)})
        for i, c in enumerate("ABCDEFGHIJKLM")
    ]
    result = trends._largest(views)
    assert [share.country for share in result] == [
        *(v.country for v in views[:MAX_COUNTRIES]),
        OTHER,
    ]
    assert sum(share.queries for share in result) == sum(view.queries for view in views)
    assert result[-1].flagged == {"one": 10 + 11 + 12, "two": 3}


def test_a_country_of_few_addresses_has_no_name_of_its_own() -> None:
    """However many queries it has; the sum of the others keeps them."""
    views = [
        CountryView("AA", 900, 99, {"one": (7, 1)}),
        CountryView("BB", 800, 100, {"one": (5, 1)}),
        CountryView("CC", 700, 300, {"one": (3, 1)}),
    ]
    assert trends._largest(views) == [
        CountryTotal("CC", 700, {"one": 3}), CountryTotal(OTHER, 1700, {"one": 12})
    ]  # fmt: skip


def test_coverage_that_comes_later_is_noticed(weeks: Weeks) -> None:
    """An hour of silence that an archive accounts for afterwards makes a week whole."""
    weeks.add(*[FLAGGED] * 3)
    weeks.add(FLAGGED, coverage=0.9)
    assert weeks.now.weeks == 3
    start = MONDAY + 3 * WEEK
    seconds = {start + i * HOUR: 360.0 for i in range(168)}
    progress = [SourceProgress("main", start + WEEK - 1, 0, 0, start + WEEK)]
    weeks.store.checkpoint(Batch([], {}, Counter()), [], progress, followed(seconds), start + WEEK)
    assert weeks.now.weeks == 4


def test_other_is_there_even_if_empty(weeks: Weeks) -> None:
    """A label does not come and go with the eleventh country."""
    weeks.add(FLAGGED)
    expected = [
        CountryTotal("FR", QUERIES, {"one": FLAGGED, "two": 0}),
        CountryTotal(OTHER, 0, {"one": 0, "two": 0}),
    ]
    assert weeks.now.countries == expected
