"""What has been observed since the last checkpoint, ready to be committed as one batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from donkeywatch.counting.observations import CategoryCodes, Observations, concat
from donkeywatch.counting.tick_counts import Rows, Selection, group_observations, split_by_hour


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic and its categories in order of priority."""

    id: str
    categories: tuple[str, ...]

    @property
    def profile(self) -> str:
        """The profile that decides on it: what stands behind a full stop, nothing for `paper`."""
        return self.id.partition(".")[2]


@dataclass(slots=True)
class HourCounts:
    """Query counts of one hour; categories by (topic, category).

    ``exclusive`` counts by topic the flagged queries that no other topic of its profile flagged.
    """

    queries: int = 0
    late: int = 0
    categories: Counter[tuple[str, str]] = field(default_factory=Counter)
    exclusive: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Batch:
    """Everything of one checkpoint but the positions."""

    rows: list[Rows] = field(default_factory=list)
    hours: dict[int, HourCounts] = field(default_factory=lambda: defaultdict(HourCounts))
    counters: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def queries(self) -> int:
        """Queries in the batch."""
        return sum(hour.queries for hour in self.hours.values())


class BatchBuilder:
    """Collects observations between two checkpoints; what is collected is grouped at once."""

    def __init__(self, topics: Sequence[TopicInfo]) -> None:
        self.topics = tuple(topics)
        self.batch = Batch()
        self._pending: list[Observations] = []

    def record(self, source: str, observations: Observations) -> None:
        """Count some lines of one source."""
        counters = self.batch.counters
        for outcome, lines in observations.tally.items():
            counters["lines", source, outcome] += lines
        if len(observations):
            counters["late_lines", source, ""] += int(np.count_nonzero(observations.is_late))
            self._pending.append(observations)

    def _flush(self) -> None:
        """Turn what was collected into rows and counts by hour."""
        if not self._pending:
            return
        observations, self._pending = concat(self._pending), []
        hours = list(split_by_hour(observations.time))
        self.batch.rows.extend(group_observations(observations, hours))
        for hour, chosen in hours:
            self._count_hour(self.batch.hours[hour], observations, chosen)

    def _count_hour(
        self, counts: HourCounts, observations: Observations, chosen: Selection
    ) -> None:
        late = observations.is_late[chosen]
        counts.queries += len(late)
        counts.late += int(np.count_nonzero(late))
        same_profile = {
            profile: observations.categories[[t.profile == profile for t in self.topics]]
            for profile in {topic.profile for topic in self.topics}
        }
        for topic, codes in zip(self.topics, observations.categories, strict=True):
            by_category = np.bincount(codes[chosen], minlength=len(topic.categories) + 1)[1:]
            for category, queries in zip(topic.categories, by_category.tolist(), strict=True):
                if queries:
                    counts.categories[topic.id, category] += queries
                    self.batch.counters["flagged", topic.id, category] += queries
            exclusive = _count_exclusive(codes[chosen], same_profile[topic.profile][:, chosen])
            if exclusive:
                counts.exclusive[topic.id] += exclusive

    def record_too_long(self, source: str, lines: int) -> None:
        """Count lines that were dropped unread because they were too long."""
        if lines:
            self.batch.counters["lines", source, "too_long"] += lines

    def count_left_out(self, source: str, reason: str, lines: int) -> None:
        """Count lines of a copy that are no lines of their own."""
        self.batch.counters["copied_lines", source, reason] += lines

    def count(self, name: str, source: str, amount: int = 1) -> None:
        """Count something that happened to a source, such as a rotation."""
        if amount:
            self.batch.counters[name, source, ""] += amount

    def take_batch(self) -> Batch:
        """Hand over the batch and start an empty one."""
        self._flush()
        taken, self.batch = self.batch, Batch()
        return taken


def _count_exclusive(topic_codes: CategoryCodes, every: CategoryCodes) -> int:
    """Queries that this topic flagged and no other one of ``every``, which it is one of."""
    few = every[:, np.flatnonzero(topic_codes != 0)]
    return int(np.count_nonzero(np.count_nonzero(few, axis=0) == 1))
