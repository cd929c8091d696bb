"""The Prometheus metrics, each described once: the collector and the documentation read here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.publish.engine_status import SourceStatus, Status
from donkeywatch.publish.named_countries import MIN_NAMED_ADDRESSES

WINDOWS = (*ROLLING_LENGTHS, "hour", "week")
"""Values of the label ``window``; the last two are the last closed hour and week."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric: name without prefix, type, labels and meaning with its unit."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


WINDOW_LABELS, WINDOW_TOPIC_LABELS, SOURCE_LABELS = ("window",), ("window", "topic"), ("source",)
THRESHOLD_LABELS = ("window", "topic", "least")
COUNTERS = (
    MetricSpec("lines", "counter", ("source", "outcome"), "Log lines, each with one outcome."),
    MetricSpec("queries", "counter", (), "Keyword searches counted."),
    MetricSpec("topic_queries", "counter", ("topic",), "Flagged queries."),
    MetricSpec(
        "category_queries", "counter", ("topic", "category"),
        "Flagged queries by the category that matched first.",
    ),
    MetricSpec("rotations", "counter", SOURCE_LABELS, "Times the log was rotated."),
    MetricSpec(
        "truncations", "counter", SOURCE_LABELS, "Times the log was truncated or rewritten."
    ),
    MetricSpec(
        "generation_mismatches", "counter", SOURCE_LABELS,
        "Times a file held other bytes than those counted though it was long enough.",
    ),
    MetricSpec(
        "lost_bytes", "counter", SOURCE_LABELS,
        "Bytes that vanished before they could be read."
    ),
    MetricSpec(
        "late_lines", "counter", SOURCE_LABELS, "Queries counted after their hour had closed."
    ),
    MetricSpec(
        "copied_lines", "counter", ("source", "reason"),
        "Lines of copies, not counted: `counted_before`, `withheld` (with the times of counted"
        " searches and other addresses, as in a masked copy), `destroyed_week` (of a week whose key"
        " is destroyed).",
    ),
    MetricSpec("read_errors", "counter", SOURCE_LABELS, "Failed attempts to open or read a file."),
    MetricSpec(
        "breaks", "counter", ("kind",),
        "Changes of the measurement itself, across which no trend may be drawn.",
    ),
    MetricSpec("commit_errors", "counter", (), "Failed checkpoints; each was repeated."),
    MetricSpec("backup_errors", "counter", (), "Backups that could not be made."),
    MetricSpec("clock_jumps", "counter", (), "Times the wall clock jumped by a minute or more."),
    MetricSpec(
        "invariant_violations", "counter", (), "Windows whose counts contradicted each other.",
    ),
)  # fmt: skip
WINDOW_GAUGES = (
    MetricSpec("window_queries", "gauge", WINDOW_LABELS, "Keyword searches in the window."),
    MetricSpec("window_addresses", "gauge", WINDOW_LABELS, "Distinct addresses in the window."),
    MetricSpec(
        "window_topic_queries", "gauge", WINDOW_TOPIC_LABELS, "Flagged queries in the window."
    ),
    MetricSpec(
        "window_topic_addresses", "gauge", THRESHOLD_LABELS,
        "Distinct addresses with at least so many flagged queries in the window.",
    ),
    MetricSpec(
        "window_query_ratio", "gauge", WINDOW_TOPIC_LABELS, "Flagged queries over queries, 0 to 1."
    ),
    MetricSpec(
        "window_query_ratio_lower", "gauge", WINDOW_TOPIC_LABELS,
        "Lower end of its 95 % interval, clustered by address.",
    ),
    MetricSpec(
        "window_query_ratio_upper", "gauge", WINDOW_TOPIC_LABELS, "Upper end of the same interval."
    ),
    MetricSpec(
        "window_corrected_query_ratio", "gauge", WINDOW_TOPIC_LABELS,
        "The query ratio corrected for errors of the detector; only with a validation record"
        " that fits the lexicon.",
    ),
    MetricSpec(
        "window_corrected_query_ratio_lower", "gauge", WINDOW_TOPIC_LABELS,
        "Lower end of its 95 % interval (Lang & Reiczigel).",
    ),
    MetricSpec(
        "window_corrected_query_ratio_upper", "gauge", WINDOW_TOPIC_LABELS,
        "Upper end of the same interval.",
    ),
    MetricSpec(
        "window_address_ratio", "gauge", THRESHOLD_LABELS,
        "Flagged addresses over addresses, 0 to 1.",
    ),
    MetricSpec(
        "window_address_ratio_lower", "gauge", THRESHOLD_LABELS, "Lower end of its 95 % interval."
    ),
    MetricSpec(
        "window_address_ratio_upper", "gauge", THRESHOLD_LABELS, "Upper end of the same interval."
    ),
    MetricSpec(
        "window_coverage_ratio", "gauge", WINDOW_LABELS,
        "Share of the window for which the log was followed, 0 to 1.",
    ),
    MetricSpec(
        "window_end_timestamp_seconds", "gauge", WINDOW_LABELS, "End of the window, Unix time."
    ),
)  # fmt: skip
DERIVED_GAUGES = (
    MetricSpec(
        "window_country_queries", "gauge", ("window", "country"),
        "Keyword searches in the last closed week by country of the address: the ten largest"
        f" with {MIN_NAMED_ADDRESSES} addresses or more in it, and `other`; `ZZ` is unknown. Hours"
        " have none.",
    ),
    MetricSpec(
        "window_country_topic_queries", "gauge", ("window", "topic", "country"),
        "Flagged queries of the same countries.",
    ),
    MetricSpec(
        "hour_of_day_queries", "gauge", ("hour",),
        "Keyword searches per day in a local hour of the day, mean of the last four closed weeks or"
        " of those since the last break; until there is one, of the hours since, in UTC.",
    ),
    MetricSpec(
        "hour_of_day_query_ratio", "gauge", ("topic", "hour"),
        "Flagged queries over queries in a local hour of the day, 0 to 1: ratio of the sums over"
        " the same days.",
    ),
    MetricSpec(
        "fraction_level_shift_score", "gauge", ("topic", "direction"),
        "CUSUM of the weekly query fraction over its threshold, after the last whole week: above"
        " 1 the level has changed. 0 below nine weeks, and again after an alarm.",
    ),
    MetricSpec(
        "category_share_shift_score", "gauge", ("topic", "category", "direction"),
        "The same of the weekly share of a category among the flagged queries of its topic: above"
        " 1 it takes another share than it used to. Of categories with 10 queries in some week.",
    ),
    MetricSpec(
        "windows_since_break", "gauge", WINDOW_LABELS,
        "Closed weeks covered to 95 % or more since the last break; `window` is `week`.",
    ),
    MetricSpec(
        "last_break_timestamp_seconds", "gauge", ("kind",),
        "Last change of the lexicon, the countries, the format or the normalisation, or last loss"
        " of keys, Unix time.",
    ),
)  # fmt: skip
BREAKS = ("lexicon", "countries", "format", "normalisation", "keys")
SOURCE_GAUGES: tuple[tuple[MetricSpec, Callable[[SourceStatus], float | None]], ...] = (
    (
        MetricSpec(
            "source_lag_bytes", "gauge", SOURCE_LABELS, "Bytes on disk that are not counted yet."
        ),
        lambda s: s.lag_bytes,
    ),
    (
        MetricSpec(
            "source_offset_bytes", "gauge", SOURCE_LABELS, "Bytes counted of the live file."
        ),
        lambda s: s.offset_bytes,
    ),
    (
        MetricSpec(
            "source_following", "gauge", SOURCE_LABELS, "1 while the log is there and can be read."
        ),
        lambda s: int(s.following),
    ),
    (
        MetricSpec(
            "last_event_timestamp_seconds",
            "gauge",
            SOURCE_LABELS,
            "Newest plausible event time, Unix time.",
        ),
        lambda s: None if s.last_event is None else s.last_event / SECOND,
    ),
)
STATUS_GAUGES: tuple[tuple[MetricSpec, Callable[[Status], float | None]], ...] = (
    (
        MetricSpec("ready", "gauge", (), "1 while `/readyz` answers 200."),
        lambda s: int(s.ready),
    ),
    (
        MetricSpec(
            "last_commit_timestamp_seconds", "gauge", (), "Last good checkpoint, Unix time."
        ),
        lambda s: None if s.last_commit is None else s.last_commit / SECOND,
    ),
    (
        MetricSpec("last_backup_timestamp_seconds", "gauge", (), "Newest backup, Unix time."),
        lambda s: None if s.last_backup is None else s.last_backup / SECOND,
    ),
    (
        MetricSpec(
            "lexicon_expires_timestamp_seconds", "gauge", (),
            "When the lexicon may not be used any more, Unix time; absent where it does not"
            " expire.",
        ),
        lambda s: None if s.lexicon_expires is None else s.lexicon_expires / SECOND,
    ),
    (
        MetricSpec(
            "destruction_pending", "gauge", (),
            "1 while something is on the disk whose key is or should be destroyed: another program"
            " reads the database, or the clock is not confirmed.",
        ),
        lambda s: int(s.log_blocked or bool(s.overdue)),
    ),
    (
        MetricSpec(
            "fleet_pending_hours", "gauge", (),
            "Closed hours that have not arrived at the fleet; absent without one.",
        ),
        lambda s: s.fleet_pending_hours,
    ),
    (
        MetricSpec(
            "config_last_reload_successful", "gauge", (), "1 unless the last SIGHUP was refused."
        ),
        lambda s: int(s.last_reload_ok),
    ),
)  # fmt: skip
FLEET_GAUGES = (
    MetricSpec(
        "fleet_servers", "gauge", WINDOW_LABELS,
        "Servers that are in the united window; of `fleet serve` alone.",
    ),
    MetricSpec(
        "fleet_outside_queries", "gauge", WINDOW_LABELS,
        "Queries of servers that are not in the united window; of `fleet serve` alone.",
    ),
    MetricSpec(
        "fleet_shared_addresses", "gauge", WINDOW_LABELS,
        "Distinct addresses that asked at more than one server; of `fleet serve` alone.",
    ),
)  # fmt: skip
INFOS = (
    MetricSpec("lexicon_info", "gauge", ("digest",), "Always 1; keyed digest of the lexicon."),
    MetricSpec("build_info", "gauge", ("version",), "Always 1; version of donkeywatch."),
)
ALL_METRICS = (
    *COUNTERS,
    *WINDOW_GAUGES,
    *DERIVED_GAUGES,
    *(described for described, _ in SOURCE_GAUGES),
    *(described for described, _ in STATUS_GAUGES),
    *FLEET_GAUGES,
    *INFOS,
)


def metrics_markdown() -> str:
    """The metrics as Markdown, for docs/metrics.md."""
    rows = []
    for described in ALL_METRICS:
        suffix = "_total" if described.type == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in described.labels) or "none"
        name = f"donkeywatch_{described.name}{suffix}"
        rows.append(f"| `{name}` | {described.type} | {labels} | {described.meaning} |")
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
