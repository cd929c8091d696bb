"""The Prometheus metrics: what the catalogue describes, collected from a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from donkeywatch import __version__
from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.observations import LEFT_OUT, OUTCOMES
from donkeywatch.counting.window_aggregates import THRESHOLDS
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.metrics.catalogue import (
    BREAKS,
    COUNTERS,
    DERIVED_GAUGES,
    FLEET_GAUGES,
    INFOS,
    SOURCE_GAUGES,
    STATUS_GAUGES,
    WINDOW_GAUGES,
    WINDOWS,
    MetricSpec,
)
from donkeywatch.publish.snapshot import Snapshot, Snapshots
from donkeywatch.publish.trends import TrendCache, Trends
from donkeywatch.publish.window_views import WindowView


class MetricsCollector(Collector):
    """Collects everything from one snapshot and one status; labels exist from the start.

    ``snapshots`` is asked at each scrape, since a reload may change the topics.
    """

    def __init__(self, snapshots: Callable[[], Snapshots], status: Callable[[], Status]) -> None:
        self._snapshots = snapshots
        self._status = status
        self._trends = TrendCache()

    def describe(self) -> list[Metric]:
        """Nothing is collected at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        status = self._status()
        with self._snapshots().open() as snapshot:
            topics = [topic for topic, _ in status.topics]
            tendency = self._trends.of(snapshot, topics)
            yield from self._counters(snapshot, status, tendency)
            views = {view.kind: view for view in snapshot.current()}
        yield from self._windows(views)
        yield from self._derived(tendency, topics)
        for described, value in SOURCE_GAUGES:
            family = _family(described)
            for source in status.sources:
                _add(family, (source.name,), value(source))
            yield family
        for described, of_status in STATUS_GAUGES:
            family = _family(described)
            _add(family, (), of_status(status))
            yield family
        for described in FLEET_GAUGES:
            family = _family(described)
            for window in status.fleet_windows:
                value = getattr(window, described.name.removeprefix("fleet_"))
                _add(family, (window.window,), value)
            yield family
        for described, label in zip(INFOS, (status.lexicon, __version__), strict=True):
            family = _family(described)
            _add(family, (label,), 1)
            yield family

    @staticmethod
    def _counters(snapshot: Snapshot, status: Status, tendency: Trends) -> Iterator[Metric]:
        counted = snapshot.published()
        sources = [source.name for source in status.sources]
        breaks = Counter(kind for _, kind in tendency.breaks)
        flagged = {
            (topic, category): counted.get(("flagged", topic, category), 0)
            for topic, categories in status.topics
            for category in categories
        }
        for described in COUNTERS:
            family = _family(described)
            if described.name == "lines":
                for source in sources:
                    for outcome in OUTCOMES:
                        _add(family, (source, outcome), counted.get(("lines", source, outcome), 0))
            elif described.name == "copied_lines":
                for source in sources:
                    for reason in LEFT_OUT:
                        lines = counted.get((described.name, source, reason), 0)
                        _add(family, (source, reason), lines)
            elif described.name == "queries":
                _add(family, (), _queries(counted))
            elif described.name == "topic_queries":
                for topic, _ in status.topics:
                    _add(family, (topic,), sum(n for (t, _), n in flagged.items() if t == topic))
            elif described.name == "category_queries":
                for labels, value in flagged.items():
                    _add(family, labels, value)
            elif described.name == "breaks":
                for kind in BREAKS:
                    _add(family, (kind,), breaks[kind])
            elif described.labels:
                for source in sources:
                    _add(family, (source,), counted.get((described.name, source, ""), 0))
            else:
                pending = status.commit_errors if described.name == "commit_errors" else 0
                _add(family, (), counted.get((described.name, "", ""), 0) + pending)
            yield family

    @staticmethod
    def _windows(views: dict[str, WindowView]) -> Iterator[Metric]:
        families = {described.name: _family(described) for described in WINDOW_GAUGES}
        for kind in WINDOWS:
            view = views.get(kind)
            if view is None:
                continue
            _add(families["window_queries"], (kind,), view.queries)
            _add(families["window_addresses"], (kind,), view.addresses)
            _add(families["window_coverage_ratio"], (kind,), view.coverage)
            _add(families["window_end_timestamp_seconds"], (kind,), view.end / SECOND)
            for topic in view.topics:
                labels = (kind, topic.topic)
                _add(families["window_topic_queries"], labels, topic.queries)
                _add_estimate(families, "window_query_ratio", labels, topic.query_fraction)
                _add_estimate(families, "window_corrected_query_ratio", labels, topic.corrected)
                for least, addresses, estimate in zip(
                    THRESHOLDS, topic.addresses or (), topic.address_fractions, strict=False
                ):
                    wide = (*labels, str(least))
                    _add(families["window_topic_addresses"], wide, addresses)
                    _add_estimate(families, "window_address_ratio", wide, estimate)
        yield from families.values()

    @staticmethod
    def _derived(tendency: Trends, topics: Sequence[str]) -> Iterator[Metric]:
        families = {described.name: _family(described) for described in DERIVED_GAUGES}
        for share in tendency.countries:
            _add(families["window_country_queries"], ("week", share.country), share.queries)
            for topic, flagged in share.flagged.items():
                labels = ("week", topic, share.country)
                _add(families["window_country_topic_queries"], labels, flagged)
        for topic, hours in tendency.profiles.items():
            for hour in hours:
                name = f"{hour.hour:02d}"
                _add(families["hour_of_day_query_ratio"], (topic, name), hour.ratio_of_sums)
                if topic == topics[0]:
                    _add(families["hour_of_day_queries"], (name,), hour.queries)
        for topic, score in tendency.scores.items():
            for direction in ("up", "down"):
                value = 0.0 if score is None else getattr(score, direction)
                _add(families["fraction_level_shift_score"], (topic, direction), value)
        for (topic, category), score in tendency.category_scores.items():
            for direction in ("up", "down"):
                labels = (topic, category, direction)
                _add(families["category_share_shift_score"], labels, getattr(score, direction))
        _add(families["windows_since_break"], ("week",), tendency.weeks)
        for kind, time in {kind: time for time, kind in tendency.breaks}.items():
            _add(families["last_break_timestamp_seconds"], (kind,), time / SECOND)
        yield from families.values()


def _queries(counted: Mapping[tuple[str, str, str], int]) -> int:
    return sum(
        n for (name, _, detail), n in counted.items() if (name, detail) == ("lines", "query")
    )


Family = CounterMetricFamily | GaugeMetricFamily


def _family(described: MetricSpec) -> Family:
    kind = CounterMetricFamily if described.type == "counter" else GaugeMetricFamily
    return kind(f"donkeywatch_{described.name}", described.meaning, labels=described.labels)


def _add(family: Family, labels: tuple[str, ...], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def _add_estimate(
    families: dict[str, Family], name: str, labels: tuple[str, ...], estimate: Estimate | None
) -> None:
    if estimate is not None:
        _add(families[name], labels, estimate.value)
        _add(families[f"{name}_lower"], labels, estimate.lower)
        _add(families[f"{name}_upper"], labels, estimate.upper)
