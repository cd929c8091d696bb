"""The Prometheus metrics, each described once: the collector and the documentation read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from donkeywatch import __version__
from donkeywatch.counting.estimates import Estimate
from donkeywatch.counting.figures import THRESHOLDS
from donkeywatch.counting.observations import OUTCOMES
from donkeywatch.counting.windows import ROLLING, SECOND
from donkeywatch.publish.snapshot import Snapshot, Snapshots, WindowView
from donkeywatch.publish.tendency import Tendencies, Tendency
from donkeywatch.status import SourceStatus, Status

WINDOWS = (*ROLLING, "hour", "week")
"""Values of the label ``window``; the last two are the last closed hour and week."""


@dataclass(frozen=True, slots=True)
class Described:
    """A metric: name without prefix, type, labels and meaning with its unit."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


W, WT, S = ("window",), ("window", "topic"), ("source",)
WTL = ("window", "topic", "least")
COUNTERS = (
    Described("lines", "counter", ("source", "outcome"), "Log lines, each with one outcome."),
    Described("queries", "counter", (), "Keyword searches counted."),
    Described("topic_queries", "counter", ("topic",), "Flagged queries."),
    Described(
        "category_queries", "counter", ("topic", "category"),
        "Flagged queries by the category that matched first.",
    ),
    Described("rotations", "counter", S, "Times the log was rotated."),
    Described("truncations", "counter", S, "Times the log was truncated or rewritten."),
    Described(
        "generation_mismatches", "counter", S,
        "Times a file held other bytes than those counted though it was long enough.",
    ),
    Described("abandoned_bytes", "counter", S, "Bytes that vanished before they could be read."),
    Described("late_lines", "counter", S, "Queries counted after their hour had closed."),
    Described("read_errors", "counter", S, "Failed attempts to open or read a file."),
    Described(
        "breaks", "counter", ("kind",),
        "Changes of the measurement itself, across which no trend may be drawn.",
    ),
    Described("commit_errors", "counter", (), "Failed checkpoints; each was repeated."),
    Described("backup_errors", "counter", (), "Backups that could not be made."),
    Described(
        "invariant_violations", "counter", (), "Windows whose counts contradicted each other.",
    ),
)  # fmt: skip
WINDOW_GAUGES = (
    Described("window_queries", "gauge", W, "Keyword searches in the window."),
    Described("window_addresses", "gauge", W, "Distinct addresses in the window."),
    Described("window_topic_queries", "gauge", WT, "Flagged queries in the window."),
    Described(
        "window_topic_addresses", "gauge", WTL,
        "Distinct addresses with at least so many flagged queries in the window.",
    ),
    Described("window_query_ratio", "gauge", WT, "Flagged queries over queries, 0 to 1."),
    Described(
        "window_query_ratio_lower", "gauge", WT,
        "Lower end of its 95 % interval, clustered by address.",
    ),
    Described("window_query_ratio_upper", "gauge", WT, "Upper end of the same interval."),
    Described(
        "window_corrected_query_ratio", "gauge", WT,
        "The query ratio corrected for errors of the detector; only with a validation record"
        " that fits the lexicon.",
    ),
    Described(
        "window_corrected_query_ratio_lower", "gauge", WT,
        "Lower end of its 95 % interval (Lang & Reiczigel).",
    ),
    Described(
        "window_corrected_query_ratio_upper", "gauge", WT, "Upper end of the same interval.",
    ),
    Described(
        "window_address_ratio", "gauge", WTL, "Flagged addresses over addresses, 0 to 1.",
    ),
    Described("window_address_ratio_lower", "gauge", WTL, "Lower end of its 95 % interval."),
    Described("window_address_ratio_upper", "gauge", WTL, "Upper end of the same interval."),
    Described(
        "window_coverage_ratio", "gauge", W,
        "Share of the window for which the log was followed, 0 to 1.",
    ),
    Described("window_end_timestamp_seconds", "gauge", W, "End of the window, Unix time."),
)  # fmt: skip
DERIVED_GAUGES = (
    Described(
        "window_country_queries", "gauge", ("window", "country"),
        "Keyword searches in the last closed hour and week by country of the address: the ten"
        " largest, and `other`; `ZZ` is unknown.",
    ),
    Described(
        "window_country_topic_queries", "gauge", ("window", "topic", "country"),
        "Flagged queries of the same countries.",
    ),
    Described(
        "profile_queries", "gauge", ("hour",),
        "Keyword searches per day in a local hour of the day, mean of the last four weeks or"
        " since the last break.",
    ),
    Described(
        "profile_query_ratio", "gauge", ("topic", "hour"),
        "Flagged queries over queries in a local hour of the day, 0 to 1: ratio of the sums over"
        " the same days.",
    ),
    Described(
        "fraction_level_shift_score", "gauge", ("topic", "direction"),
        "CUSUM of the weekly query fraction over its threshold, after the last whole week: above"
        " 1 the level has changed. 0 below nine weeks, and again after an alarm.",
    ),
    Described(
        "unbroken_windows", "gauge", W,
        "Closed weeks covered to 95 % or more since the last break; `window` is `week`.",
    ),
    Described(
        "last_break_timestamp_seconds", "gauge", ("kind",),
        "Last change of the lexicon, the countries, the format or the normalisation, Unix time.",
    ),
)  # fmt: skip
BREAKS = ("lexicon", "countries", "format", "normalisation")
SOURCE_GAUGES: tuple[tuple[Described, Callable[[SourceStatus], float | None]], ...] = (
    (
        Described("source_lag_bytes", "gauge", S, "Bytes on disk that are not counted yet."),
        lambda s: s.lag_bytes,
    ),
    (
        Described("source_offset_bytes", "gauge", S, "Bytes counted of the live file."),
        lambda s: s.offset_bytes,
    ),
    (
        Described("source_following", "gauge", S, "1 while the log is there and can be read."),
        lambda s: int(s.following),
    ),
    (
        Described(
            "last_event_timestamp_seconds", "gauge", S, "Newest plausible event time, Unix time."
        ),
        lambda s: None if s.last_event is None else s.last_event / SECOND,
    ),
)
STATUS_GAUGES: tuple[tuple[Described, Callable[[Status], float | None]], ...] = (
    (
        Described("ready", "gauge", (), "1 while `/readyz` answers 200."),
        lambda s: int(s.ready),
    ),
    (
        Described("last_commit_timestamp_seconds", "gauge", (), "Last good checkpoint, Unix time."),
        lambda s: None if s.last_commit is None else s.last_commit / SECOND,
    ),
    (
        Described("last_backup_timestamp_seconds", "gauge", (), "Newest backup, Unix time."),
        lambda s: None if s.last_backup is None else s.last_backup / SECOND,
    ),
    (
        Described(
            "config_last_reload_successful", "gauge", (), "1 unless the last SIGHUP was refused."
        ),
        lambda s: int(s.reload_good),
    ),
)
INFOS = (
    Described("lexicon_info", "gauge", ("digest",), "Always 1; keyed digest of the lexicon."),
    Described("build_info", "gauge", ("version",), "Always 1; version of donkeywatch."),
)
EVERY = (
    *COUNTERS,
    *WINDOW_GAUGES,
    *DERIVED_GAUGES,
    *(described for described, _ in SOURCE_GAUGES),
    *(described for described, _ in STATUS_GAUGES),
    *INFOS,
)


class Monitor(Collector):
    """Collects everything from one snapshot and one status; labels exist from the start.

    ``snapshots`` is asked at each scrape, since a reload may change the topics.
    """

    def __init__(self, snapshots: Callable[[], Snapshots], status: Callable[[], Status]) -> None:
        self._snapshots = snapshots
        self._status = status
        self._tendencies = Tendencies()

    def describe(self) -> list[Metric]:
        """Nothing is collected at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        status = self._status()
        with self._snapshots().take() as snapshot:
            topics = [topic for topic, _ in status.topics]
            tendency = self._tendencies.of(snapshot, topics)
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
        for described, label in zip(INFOS, (status.lexicon, __version__), strict=True):
            family = _family(described)
            _add(family, (label,), 1)
            yield family

    @staticmethod
    def _counters(snapshot: Snapshot, status: Status, tendency: Tendency) -> Iterator[Metric]:
        counted = snapshot.counters()
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
            elif described.name == "queries":
                _add(family, (), snapshot.totals())
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
    def _derived(tendency: Tendency, topics: Sequence[str]) -> Iterator[Metric]:
        families = {described.name: _family(described) for described in DERIVED_GAUGES}
        for window, shares in tendency.countries.items():
            for share in shares:
                _add(families["window_country_queries"], (window, share.country), share.queries)
                for topic, flagged in share.flagged.items():
                    labels = (window, topic, share.country)
                    _add(families["window_country_topic_queries"], labels, flagged)
        for topic, hours in tendency.profiles.items():
            for hour in hours:
                name = f"{hour.hour:02d}"
                _add(families["profile_query_ratio"], (topic, name), hour.ratio_of_sums)
                if topic == topics[0]:
                    _add(families["profile_queries"], (name,), hour.queries)
        for topic, score in tendency.scores.items():
            for direction in ("up", "down"):
                value = 0.0 if score is None else getattr(score, direction)
                _add(families["fraction_level_shift_score"], (topic, direction), value)
        _add(families["unbroken_windows"], ("week",), tendency.weeks)
        for kind, time in {kind: time for time, kind in tendency.breaks}.items():
            _add(families["last_break_timestamp_seconds"], (kind,), time / SECOND)
        yield from families.values()


Family = CounterMetricFamily | GaugeMetricFamily


def _family(described: Described) -> Family:
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


def document() -> str:
    """The metrics as Markdown, for docs/metrics.md."""
    rows = []
    for described in EVERY:
        suffix = "_total" if described.type == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in described.labels) or "none"
        name = f"donkeywatch_{described.name}{suffix}"
        rows.append(f"| `{name}` | {described.type} | {labels} | {described.meaning} |")
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
