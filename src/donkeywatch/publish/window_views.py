"""Windows as they are shown, read from the database many at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.window_aggregates import THRESHOLDS
from donkeywatch.estimation.correction import Accuracy, corrected
from donkeywatch.estimation.intervals import (
    Estimate,
    TopicColumns,
    plain_fractions,
    query_fractions,
)
from donkeywatch.store.series_changes import changes_of_series

NO_FRACTIONS: tuple[Estimate | None, ...] = (None,) * len(THRESHOLDS)

WindowRow = tuple[int, ...]
"""Start, end, queries, addresses, sum_qq, late, covered seconds and closed."""
TopicRow = tuple[int | None, ...]
"""Flagged queries, addresses with 1, 2 and 3 of them or more, sum_qk, sum_kk; then its key."""
TOPIC_FIGURES = 6
"""Columns of such a row before its key."""
NO_TOPIC_ROW: TopicRow = (None,) * TOPIC_FIGURES


class TopicView(NamedTuple):
    """One topic in one window; address figures are None until the window closes."""

    topic: str
    queries: int
    addresses: tuple[int, int, int] | None
    query_fraction: Estimate | None
    address_fractions: tuple[Estimate | None, ...]
    """For addresses with at least 1, 2 and 3 flagged queries."""
    categories: dict[str, int]
    corrected: Estimate | None = None
    """The query fraction corrected for errors of the detector, where they are known."""


class WindowView(NamedTuple):
    """One window as it is shown; times in ms UTC, coverage from 0 to 1."""

    kind: str
    start: int
    end: int
    closed: bool
    queries: int
    addresses: int | None
    late: int
    coverage: float
    topics: tuple[TopicView, ...]


class WindowReader:
    """Reads windows with their topics, within the transaction of a connection."""

    def __init__(
        self, db: sqlite3.Connection, topics: Sequence[str], accuracies: Mapping[str, Accuracy]
    ) -> None:
        self._db, self._topics, self._accuracies = db, tuple(topics), accuracies

    def read(
        self,
        kind: str,
        condition: str,
        values: tuple[int, ...],
        *,
        limit: int,
        newest: bool = False,
    ) -> list[WindowView]:
        """Windows that meet a condition of ours, oldest or newest first."""
        rows: list[WindowRow] = self._db.execute(
            "select start, until, queries, addresses, sum_qq, late, covered_seconds, closed"  # noqa: S608 - conditions are ours
            f" from windows where kind = ? and {condition}"
            f" order by start {'desc' if newest else 'asc'} limit ?",
            (kind, *values, limit),
        ).fetchall()
        return self._views(kind, rows) if rows else []

    def _views(self, kind: str, rows: Sequence[WindowRow]) -> list[WindowView]:
        starts = [row[0] for row in rows]
        bounds = (kind, min(starts), max(starts))
        topic_rows: dict[tuple[int, str], TopicRow] = {
            (row[-2], row[-1]): row
            for row in self._db.execute(
                "select queries, addresses_1, addresses_2, addresses_3, sum_qk, sum_kk, start,"
                " topic from window_topics where kind = ? and start between ? and ?",
                bounds,
            )
        }
        categories: dict[tuple[int, str], dict[str, int]] = {}
        for start, topic, category, n in self._db.execute(
            "select start, topic, category, queries from window_categories"
            " where kind = ? and start between ? and ?",
            bounds,
        ):
            categories.setdefault((start, topic), {})[category] = n or 0
        by_topic = [
            self._topic_views(
                topic,
                rows,
                [topic_rows.get((start, topic), NO_TOPIC_ROW) for start in starts],
                [categories.get((start, topic), {}) for start in starts],
            )
            for topic in self._topics
        ]
        topics = zip(*by_topic, strict=True) if by_topic else [()] * len(rows)
        return [
            WindowView(
                kind, start, end, bool(closed), queries, addresses if closed else None, late,
                min(1.0, covered * SECOND / (end - start)), views,
            )
            for (start, end, queries, addresses, _sum_qq, late, covered, closed), views
            in zip(rows, topics, strict=True)
        ]  # fmt: skip

    def _topic_views(
        self,
        topic: str,
        windows: Sequence[WindowRow],
        stored: Sequence[TopicRow],
        categories: Sequence[dict[str, int]],
    ) -> list[TopicView]:
        """One topic in each of the windows."""
        _, _, queries, addresses, sum_qq, *_ = _columns(windows)
        flagged, *thresholds, sum_qk, sum_kk = _columns([row[:TOPIC_FIGURES] for row in stored])
        of_queries = query_fractions(
            TopicColumns(queries, addresses, sum_qq, flagged, thresholds[0], sum_qk, sum_kk)
        )
        of_addresses = zip(
            *(plain_fractions(column, addresses) for column in thresholds), strict=True
        )
        changes = changes_of_series(self._db, topic)
        views = [
            TopicView(
                topic, row[0] or 0, (row[1] or 0, row[2] or 0, row[3] or 0), of_all, shares, named
            )
            if window[-1]
            and row[0] is not None
            and not any(window[0] < time < window[1] for time in changes)
            else TopicView(topic, sum(named.values()), None, None, NO_FRACTIONS, named)
            for window, row, of_all, shares, named in zip(
                windows, stored, of_queries, of_addresses, categories, strict=True
            )
        ]
        accuracy = self._accuracies.get(topic)
        return views if accuracy is None else self._correct(views, windows, accuracy)

    def _correct(
        self, views: list[TopicView], windows: Sequence[WindowRow], accuracy: Accuracy
    ) -> list[TopicView]:
        """Add the corrected fraction where the lexicon is that of the accuracy."""
        return [
            view._replace(corrected=corrected(view.query_fraction, window[2], accuracy))
            if window[0] >= self.comparable_since and view.query_fraction is not None
            else view
            for view, window in zip(views, windows, strict=True)
        ]

    @cached_property
    def comparable_since(self) -> int:
        """Since when the lexicon and its comparison are those of now, ms UTC."""
        row = self._db.execute(
            "select coalesce(max(time), 0) from breaks where kind in ('lexicon', 'normalisation')"
        )
        return int(row.fetchone()[0])


def _columns(rows: Sequence[tuple[float | None, ...]]) -> npt.NDArray[np.float64]:
    """The columns of rows as floats, 0 where there is nothing."""
    return np.nan_to_num(np.array(rows, np.float64).T)
