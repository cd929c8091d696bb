"""The Prometheus metrics, each described once: the collector and the documentation read here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from donkeywatch.counting.windows import ROLLING, SECOND
from donkeywatch.publish.status import SourceStatus, Status

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
    Described(
        "copied_lines", "counter", ("source", "reason"),
        "Lines of copies, not counted: `counted_before`, `withheld` (with the times of counted"
        " searches and other addresses, as in a masked copy), `sealed_week` (of a week whose key"
        " is destroyed).",
    ),
    Described("read_errors", "counter", S, "Failed attempts to open or read a file."),
    Described(
        "breaks", "counter", ("kind",),
        "Changes of the measurement itself, across which no trend may be drawn.",
    ),
    Described("commit_errors", "counter", (), "Failed checkpoints; each was repeated."),
    Described("backup_errors", "counter", (), "Backups that could not be made."),
    Described("clock_jumps", "counter", (), "Times the wall clock jumped by a minute or more."),
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
        "Keyword searches in the last closed week by country of the address: the ten largest"
        " with 100 addresses or more in it, and `other`; `ZZ` is unknown. Hours have none.",
    ),
    Described(
        "window_country_topic_queries", "gauge", ("window", "topic", "country"),
        "Flagged queries of the same countries.",
    ),
    Described(
        "profile_queries", "gauge", ("hour",),
        "Keyword searches per day in a local hour of the day, mean of the last four closed weeks or"
        " of those since the last break; until there is one, of the hours since, in UTC.",
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
        "Last change of the lexicon, the countries, the format or the normalisation, or last loss"
        " of keys, Unix time.",
    ),
)  # fmt: skip
BREAKS = ("lexicon", "countries", "format", "normalisation", "keys")
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
            "lexicon_expires_timestamp_seconds", "gauge", (),
            "When the lexicon may not be used any more, Unix time; absent where it does not"
            " expire.",
        ),
        lambda s: None if s.lexicon_expires is None else s.lexicon_expires / SECOND,
    ),
    (
        Described(
            "destruction_pending", "gauge", (),
            "1 while something is on the disk whose key is or should be destroyed: another program"
            " reads the database, or the clock is not confirmed.",
        ),
        lambda s: int(s.log_blocked or bool(s.overdue)),
    ),
    (
        Described(
            "config_last_reload_successful", "gauge", (), "1 unless the last SIGHUP was refused."
        ),
        lambda s: int(s.reload_good),
    ),
)  # fmt: skip
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


def document() -> str:
    """The metrics as Markdown, for docs/metrics.md."""
    rows = []
    for described in EVERY:
        suffix = "_total" if described.type == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in described.labels) or "none"
        name = f"donkeywatch_{described.name}{suffix}"
        rows.append(f"| `{name}` | {described.type} | {labels} | {described.meaning} |")
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
