"""Whether the figures can be trusted: how the log is read, counted and stored."""

from __future__ import annotations

from boards.board import board, row
from boards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Panel,
    coloured,
    series,
    stat,
    timeline,
    words,
)
from boards.queries import REJECTED, Json, increase, metric, rate, targets, variables

OUTCOMES = {"query": BLUE, "keywordless": SKY, "other": GREY}
REASONS = {
    "too_long": GREY,
    "malformed": VERMILION,
    "bad_time": ORANGE,
    "impossible_time": PURPLE,
    "future": SKY,
    "too_late": BLUE,
    "bad_address": GREEN,
}
WINDOWS = {"1h": SKY, "24h": ORANGE, "7d": BLUE, "hour": GREEN, "week": PURPLE}


def now() -> list[Panel]:
    """The first look."""
    return [
        stat(
            "Ready",
            "Whether every log is followed and read, and the last commit was good: what /readyz"
            " answers.",
            "short",
            targets((metric("ready"), "{{instance}}")),
            mappings=[words(zero="not ready", one="ready")],
        ),
        stat(
            "Coverage, last 24 hours",
            "Share of the last 24 hours for which the log was followed.",
            "percentunit",
            targets((metric("window_coverage_ratio", 'window="24h"'), "{{instance}}")),
            decimals=1,
        ),
        stat(
            "Behind",
            "Bytes of each log on disk that are not counted yet.",
            "bytes",
            targets((metric("source_lag_bytes"), "{{source}}")),
        ),
        stat(
            "Last event",
            "Age of the newest event in each log.",
            "s",
            targets((f"time() - {metric('last_event_timestamp_seconds')}", "{{source}}")),
            decimals=0,
        ),
        stat(
            "Settings",
            "Whether the last reload was accepted; if not, the old settings are in use.",
            "short",
            targets((metric("config_last_reload_successful"), "{{instance}}")),
            mappings=[words(zero="reload refused", one="as loaded")],
        ),
        stat(
            "Weeks since the last break",
            "Closed weeks covered to 95 % or more since the last break. A trend needs eight.",
            "short",
            targets((metric("windows_since_break", 'window="week"'), "{{instance}}")),
        ),
    ]


def reading() -> list[Panel]:
    """From the log's bytes to lines with an outcome."""
    lines = rate("lines_total")
    rejected = rate("lines_total", REJECTED)
    return [
        series(
            "Lines by outcome",
            "Log lines per second by what became of them. Every line has exactly one outcome; no"
            " line of outcome `query` means that the format or the log level is wrong.",
            "cps",
            targets((f"sum by (outcome) ({lines})", "{{outcome}}")),
            stacked=True,
            overrides=coloured({**REASONS, **OUTCOMES}),
        ),
        series(
            "Rejected lines by reason",
            "Lines per second that look like a search and could not be counted.",
            "cps",
            targets((f"sum by (outcome) ({rejected})", "{{outcome}}")),
            stacked=True,
            overrides=coloured(REASONS),
        ),
        series(
            "Bytes behind",
            "Bytes of each log on disk that are not counted yet.",
            "bytes",
            targets((metric("source_lag_bytes"), "{{source}}")),
        ),
        series(
            "Time behind",
            "Age of the newest event in each log, and of the last good checkpoint. The first grows"
            " when the server is quiet, the second when donkeywatch cannot store.",
            "s",
            targets(
                (f"time() - {metric('last_event_timestamp_seconds')}", "event in {{source}}"),
                (f"time() - {metric('last_commit_timestamp_seconds')}", "checkpoint"),
            ),
        ),
        timeline(
            "Followed",
            "Whether each log was there and could be read.",
            targets((metric("source_following"), "{{source}}")),
            words(zero="not followed", one="followed"),
        ),
        series(
            "Rotations and losses",
            "What happened to the files: rotations are normal; truncations and mismatches mean that"
            " a file was rewritten; read errors are failed attempts.",
            "short",
            targets(
                (increase("rotations_total"), "rotations of {{source}}"),
                (increase("truncations_total"), "truncations of {{source}}"),
                (increase("generation_mismatches_total"), "mismatches of {{source}}"),
                (increase("read_errors_total"), "read errors of {{source}}"),
            ),
            bars=True,
        ),
        series(
            "Bytes lost",
            "Bytes that vanished before they could be read; their hours are counted too low.",
            "bytes",
            targets((increase("lost_bytes_total"), "{{source}}")),
            bars=True,
        ),
        series(
            "Late queries",
            "Queries per second that came after their hour had closed; they are counted.",
            "reqps",
            targets((rate("late_lines_total"), "{{source}}")),
        ),
    ]


def storing() -> list[Panel]:
    """From counts to the database."""
    return [
        series(
            "Coverage",
            "Share of each window for which the log was followed. Below 100 % the counts are too"
            " low, and the fractions are those of the part that was seen.",
            "percentunit",
            targets((metric("window_coverage_ratio"), "{{window}}")),
            overrides=coloured(WINDOWS),
            max=1,
        ),
        timeline(
            "Ready",
            "Whether /readyz answered 200.",
            targets((metric("ready"), "{{instance}}")),
            words(zero="not ready", one="ready"),
        ),
        series(
            "Errors",
            "Failed checkpoints (each was repeated), failed backups, windows whose counts"
            " contradicted each other, jumps of the clock, lines withheld as in a masked copy, and"
            " whether something is on the disk whose key is destroyed. All should be 0.",
            "short",
            targets(
                (increase("commit_errors_total"), "checkpoints"),
                (increase("backup_errors_total"), "backups"),
                (increase("invariant_violations_total"), "contradictions"),
                (increase("clock_jumps_total"), "jumps of the clock"),
                (increase("copied_lines_total", 'reason="withheld"'), "lines withheld"),
                (metric("destruction_pending"), "destruction pending"),
            ),
            bars=True,
            overrides=coloured(
                {
                    "checkpoints": VERMILION,
                    "backups": ORANGE,
                    "contradictions": PURPLE,
                    "jumps of the clock": BLUE,
                    "lines withheld": SKY,
                    "destruction pending": GREEN,
                }
            ),
        ),
        series(
            "Age of the newest backup",
            "Time since a copy of the database was made; every six hours unless set otherwise.",
            "s",
            targets((f"time() - {metric('last_backup_timestamp_seconds')}", "{{instance}}")),
        ),
        series(
            "Time until the word list expires",
            "Nothing where it does not expire; after that no start takes it.",
            "s",
            targets((f"{metric('lexicon_expires_timestamp_seconds')} - time()", "{{instance}}")),
        ),
    ]


def identity() -> list[Panel]:
    """What is running."""
    return [
        stat(
            "Version",
            "Version of donkeywatch, as the name of a series that is always 1.",
            "short",
            targets((metric("build_info"), "{{version}}")),
        ),
        stat(
            "Lexicon",
            "Keyed digest of the word list in use, and nothing else of it; always 1.",
            "short",
            targets((metric("lexicon_info"), "{{digest}}")),
        ),
        stat(
            "Breaks in the range",
            "How often the lexicon, the countries, the format or the normalisation changed.",
            "short",
            targets((f"sum by (kind) (increase({metric('breaks_total')}[$__range]))", "{{kind}}")),
            decimals=0,
        ),
    ]


def dashboard() -> Json:
    """The whole dashboard as plain data."""
    return board(
        "donkeywatch-health",
        "Whether the figures can be trusted; docs/runbook.md says what to do when not.",
        "now-24h",
        variables(every_instance=False, topic=False),
        [
            row("Now"),
            (4, 4, now()),
            row("Reading the log"),
            (12, 7, reading()),
            row("Counting and storing"),
            (12, 7, storing()),
            row("What is running"),
            (8, 4, identity()),
        ],
    )
