"""A category that goes silent or runs wild raises an alarm; one that goes on does not."""

from __future__ import annotations

import numpy as np

from donkeywatch.counting.calendar import FIRST_MONDAY, WEEK
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.category_drift import MIN_WEEKLY_QUERIES, category_scores
from donkeywatch.publish.window_views import NO_FRACTIONS, TopicView, WindowView

WEEKS = 20
TOPICS = ("one", "one.extended")


def weeks(counts: list[dict[str, int]]) -> list[WindowView]:
    """Whole weeks of two topics, each with these flagged queries by category."""
    views = []
    for number, categories in enumerate(counts):
        start = FIRST_MONDAY + number * WEEK
        flagged = sum(categories.values())
        fraction = Estimate(flagged / 100_000, 0, 1, 1.5)
        topics = tuple(
            TopicView(name, flagged, (0, 0, 0), fraction, NO_FRACTIONS, categories)
            for name in TOPICS
        )
        views.append(WindowView("week", start, start + WEEK, True, 100_000, 9_000, 0, 1.0, topics))
    return views


def drawn(change_at: int, factor: float) -> list[dict[str, int]]:
    """Random counts of three categories, the first of which changes in a week."""
    rng = np.random.default_rng(5)
    return [
        {
            "first": int(rng.poisson(200 * (factor if week >= change_at else 1))),
            "second": int(rng.poisson(600)),
            "rare": int(rng.poisson(1)),
        }
        for week in range(WEEKS)
    ]


def test_a_category_that_runs_wild_goes_up_and_the_others_down() -> None:
    """Within four weeks, for each topic."""
    for topic in TOPICS:
        for category, direction in (("first", "up"), ("second", "down")):
            alarms = [
                getattr(
                    category_scores(weeks(drawn(WEEKS - 4, 3)[:newest]))[topic, category], direction
                )
                > 1
                for newest in range(WEEKS - 4, WEEKS + 1)
            ]
            assert alarms[0] is False
            assert any(alarms)


def test_a_category_that_goes_silent_goes_down() -> None:
    """Its share is 0 then, which is below the floor, and still has a score."""
    alarms = [
        category_scores(weeks(drawn(WEEKS - 4, 0)[:newest]))["one", "first"].down > 1
        for newest in range(WEEKS - 4, WEEKS + 1)
    ]
    assert alarms[0] is False
    assert any(alarms)


def test_what_goes_on_is_no_alarm_and_what_is_rare_is_not_told() -> None:
    """Fewer than the floor of released figures in every week."""
    scores = category_scores(weeks(drawn(WEEKS, 1)))
    assert not any(score.alarm for score in scores.values())
    assert set(scores) == {(topic, name) for topic in TOPICS for name in ("first", "second")}
    few = [{"first": MIN_WEEKLY_QUERIES - 1, "second": 600}] * WEEKS
    assert ("one", "first") not in category_scores(weeks(few))
    assert category_scores([]) == {}
