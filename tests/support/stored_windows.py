"""Hours in a database, with figures that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from donkeywatch.counting.calendar import HOUR, SECOND, to_ms
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.coverage import CoveredTime
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import Store

TEN = to_ms(datetime(2026, 11, 23, 10, tzinfo=UTC))
TOPICS = ("one", "two")
FIGURES = WindowAggregate(
    8, 4, 18,
    (TopicAggregate(2, (1, 1, 0), 6, 4), TopicAggregate(0, (0, 0, 0), 0, 0)),
    {"FR": CountryAggregate(6, 3, ((2, 1), (0, 0))),
     "ZZ": CountryAggregate(2, 1, ((0, 0), (0, 0)))},
)  # fmt: skip
"""Four addresses with 3, 2, 2 and 1 queries; the first sent the two flagged ones."""


def followed(seconds: Mapping[int, float]) -> list[CoveredTime]:
    """Say that a log was followed for the first so many seconds of hours."""
    return [CoveredTime(hour, hour + round(each * SECOND)) for hour, each in seconds.items()]


def count(store: Store, hour: int, queries: int = 8, seconds: float = 3600.0) -> None:
    """Commit queries of an hour, two of them flagged."""
    flagged = {("one", "first"): 2} if queries else {}
    counts = HourCounts(queries, 0, Counter(flagged))
    lines = Counter({("lines", "main", "query"): queries, ("flagged", "one", "first"): 2})
    progress = [SourceProgress("main", hour + HOUR - 1, 0, 0, hour + HOUR)]
    batch = Batch([], {hour: counts}, lines)
    store.checkpoint(batch, [], progress, followed({hour: seconds}), hour + HOUR)
