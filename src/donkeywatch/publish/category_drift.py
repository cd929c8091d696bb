"""Which categories, and levels of evidence, take another share of a topic than they used to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from donkeywatch.counting.calendar import WEEK
from donkeywatch.estimation.level_shift import Point, Score, level_shifts, logit_point
from donkeywatch.publish.window_views import TopicView, WindowView

MIN_WEEKLY_QUERIES = 10
"""Flagged queries that a category has had in some week, before its share is shown: the floor of
released figures."""


def category_scores(weeks: Sequence[WindowView]) -> Mapping[tuple[str, str], Score]:
    """CUSUM of the share of each category among the flagged queries of its topic, by both names.

    ``weeks`` are whole weeks since the last break, oldest first. A category that goes silent has a
    score, too; one that never had `MIN_WEEKLY_QUERIES` in a week has none.
    """
    scores = {}
    for topic, views in _by_topic(weeks).items():
        largest: dict[str, int] = {}
        for _, view in views:
            for category, queries in view.categories.items():
                largest[category] = max(largest.get(category, 0), queries)
        for category, queries in sorted(largest.items()):
            points = list(_points(views, category))
            if queries >= MIN_WEEKLY_QUERIES and points:
                scores[topic, category] = level_shifts(points)[-1]
    return scores


def _by_topic(weeks: Sequence[WindowView]) -> dict[str, list[tuple[int, TopicView]]]:
    """Week numbers and views of each topic."""
    views: dict[str, list[tuple[int, TopicView]]] = {}
    for week in weeks:
        for view in week.topics:
            views.setdefault(view.topic, []).append((week.start // WEEK, view))
    return views


def _points(views: Sequence[tuple[int, TopicView]], category: str) -> Iterator[Point]:
    """The share of a category in each week; addresses repeat themselves as in the whole topic."""
    for week, view in views:
        if view.query_fraction is not None:
            effect = view.query_fraction.design_effect
            point = logit_point(week, view.categories.get(category, 0), view.queries, effect)
            if point is not None:
                yield point
