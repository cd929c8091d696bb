"""The tables, each column with its meaning; the documentation is generated from here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from donkeywatch.store.fleet_tables import FLEET_OUTBOX, FLEET_WINDOWS
from donkeywatch.store.table_model import KIND, START, Column, Table

TOPIC = Column("topic", str, "topic id from the lexicon")
PARTITION = Column(
    "part", int, "first four bits of all its pseudonyms; NULL where the segment is not cut"
)
TICKS = Column(
    "ticks",
    bytes,
    "60 ms since the start of the hour, 0-59999; a byte each, minutes, where version 0.1 wrote it",
)
GENERATION_HINTS = (
    Column("key_week", int, "week whose key the hashes are under, ms UTC; 0: the lasting key"),
    Column("device", int, "device of the file when it was last open, a hint"),
    Column("inode", int, "inode of the file when it was last open, a hint"),
    Column("was_live", int, "1 when the file was at the log's own path"),
    Column(
        "compare_until",
        int,
        "searches in it up to this event time (ms UTC) may have been counted from another file",
    ),
    Column("turn", int, "the higher, the later it was last read; begins as a time, ms UTC"),
)
WINDOW_KEY = ("kind", "start")
EXCLUSIVE = Column(
    "exclusive_queries",
    int,
    "flagged queries that no other topic flagged; hours and weeks only; NULL where it was not "
    "counted from the start of the window",
)
TOP = tuple(
    Column(
        f"top_{n}",
        int,
        f"flagged queries of the {who} with most of them; hours and weeks only; NULL until closed",
    )
    for n, who in ((1, "address"), (10, "ten addresses"))
)
FLAGGED = "distinct addresses with at least {} flagged quer{} in the window"

RELEASED = Table(
    "released",
    "what anyone may see of the weeks that were decided (release.md); a row is never changed nor"
    " deleted, which triggers refuse",
    ("kind", "start", "topic", "country"),
    (
        Column("kind", str, "`hour` or `week` (calendar, UTC)"),
        START,
        Column("topic", str, "topic id from the lexicon; empty for the totals of the window"),
        Column("country", str, "ISO 3166 code; empty for all countries together"),
        Column("figures", str, "the figures, rounded, as a JSON object"),
        Column("released_at", int, "when the week was decided, milliseconds since 1970-01-01 UTC"),
    ),
)
FINISHED_FILES = Table(
    "finished_files",
    "rotated files that need not be opened while they stay as they are; nothing of their content",
    ("source", "device", "inode"),
    (
        Column("source", str, "source name"),
        Column("device", int, "device of the file"),
        Column("inode", int, "inode of the file"),
        Column("size", int, "bytes on disk"),
        Column("modified", int, "last change of its content, ns since 1970-01-01 UTC"),
        Column("history", int, "1 when it was rotated away before the log was ever followed"),
    ),
)
COVERED_TIMES = Table(
    "covered_times",
    "one row per span for which a log was followed; of the last week, for the rolling windows",
    ("source", "start"),
    (
        Column("source", str, "source name; empty for what version 0.1 had covered"),
        Column("start", int, "start of the span, ms since 1970-01-01 UTC"),
        Column("until", int, "end of the span (exclusive), ms since 1970-01-01 UTC"),
        Column("share", float, "what it counts for: 1 divided by the number of sources"),
    ),
)
SPLICES = Table(
    "splices",
    "factors between the series of a word list and the one that took over from its shadow",
    ("time", "topic"),
    (
        Column("time", int, "when the other list took over, ms since 1970-01-01 UTC"),
        Column("topic", str, "the series"),
        Column("since", int, "since when both were compared with the same queries, ms UTC"),
        Column("factor", float, "flagged queries of the new list for one of the old"),
        Column("lower", float, "lower limit of its 95 % interval"),
        Column("upper", float, "upper limit"),
        Column("old_queries", int, "flagged queries of the old list in that time"),
        Column("new_queries", int, "flagged queries of the new list"),
        Column("addresses", int, "addresses behind them, by week"),
    ),
)
TABLES = (
    Table(
        "windows",
        "one row per window; a rolling kind has one row, its newest",
        WINDOW_KEY,
        (
            KIND,
            START,
            Column(
                "until", int, "end of the window (exclusive), milliseconds since 1970-01-01 UTC"
            ),
            Column("utc", str, "start as ISO 8601, UTC"),
            Column("queries", int, "keyword searches in the window"),
            Column("addresses", int, "distinct addresses; NULL until the window closes"),
            Column("sum_qq", int, "sum over addresses of squared queries; NULL until closed"),
            Column("late", int, "queries that came after the window had closed"),
            Column("covered_seconds", float, "seconds of it for which the log was followed"),
            Column("closed", int, "1 when the watermark has passed its end, else 0"),
        ),
    ),
    Table(
        "window_topics",
        "one row per window and topic; in an open hour or week, only `exclusive_queries` is up"
        " to date",
        (*WINDOW_KEY, "topic"),
        (
            KIND,
            START,
            TOPIC,
            Column("queries", int, "flagged queries; NULL until closed"),
            Column("addresses_1", int, FLAGGED.format(1, "y")),
            Column("addresses_2", int, FLAGGED.format(2, "ies")),
            Column("addresses_3", int, FLAGGED.format(3, "ies")),
            Column("sum_qk", int, "sum over addresses of queries times flagged queries"),
            Column("sum_kk", int, "sum over addresses of squared flagged queries"),
            EXCLUSIVE,
            *TOP,
        ),
    ),
    Table(
        "window_categories",
        "flagged queries by the category that matched first; hours and weeks only",
        (*WINDOW_KEY, "topic", "category"),
        (
            KIND,
            START,
            TOPIC,
            Column("category", str, "category id from the lexicon"),
            Column("queries", int, "flagged queries whose first matching category this is"),
        ),
    ),
    Table(
        "window_countries",
        "one row per closed hour or week and country of the address",
        (*WINDOW_KEY, "country"),
        (
            KIND,
            START,
            Column("country", str, "ISO 3166 code at arrival, `ZZ` where unknown"),
            Column("queries", int, "keyword searches"),
            Column("addresses", int, "distinct addresses"),
        ),
    ),
    Table(
        "window_country_topics",
        "one row per closed hour or week, country and topic",
        (*WINDOW_KEY, "country", "topic"),
        (
            KIND,
            START,
            Column("country", str, "ISO 3166 code at arrival, `ZZ` where unknown"),
            TOPIC,
            Column("queries", int, "flagged queries"),
            Column("addresses", int, FLAGGED.format(1, "y")),
        ),
    ),
    Table(
        "counters",
        "totals since the database was made; they never go back",
        ("name", "subject", "detail"),
        (
            Column("name", str, "what is counted, such as `lines`"),
            Column("subject", str, "source name or topic id"),
            Column("detail", str, "outcome or category id, or empty"),
            Column("value", int, "the count"),
        ),
    ),
    Table(
        "sources",
        "how far each configured log has been counted",
        ("name",),
        (
            Column("name", str, "source name from the settings"),
            Column("newest", int, "newest plausible event time, ms since 1970-01-01 UTC"),
            Column("candidate", int, "a stamp far ahead that waits for others to agree, ms UTC"),
            Column("confirmations", int, "how many queries in a row agree with it"),
            Column("covered_until", int, "coverage is accounted for up to here, ms UTC"),
        ),
    ),
    Table(
        "generations",
        "one row per physical life of a log file that is not finished, recognised by its content;"
        " a finished one leaves no row",
        ("id",),
        (
            Column("id", int, "number of the generation"),
            Column("source", str, "source name"),
            Column("offset", int, "bytes counted; the next byte is read next"),
            Column("skipping", int, "1 when the offset lies inside an over-long line"),
            Column("head_length", int, "bytes under head_hash"),
            Column("head_hash", bytes, "keyed BLAKE2b of the first head_length bytes"),
            Column("tail_length", int, "bytes under tail_hash"),
            Column("tail_hash", bytes, "keyed BLAKE2b of the bytes just before the offset"),
            Column("size", int, "largest size seen, bytes"),
            Column("state", str, "`open`, `done` (read to its end) or `skipped` (history)"),
            Column("changed", int, "last change of this row, ms UTC"),
            *GENERATION_HINTS,
        ),
    ),
    FINISHED_FILES,
    Table(
        "weekly_keys",
        "one row per ISO week that has or had a key",
        ("week",),
        (
            Column("week", int, "start of the week, ms since 1970-01-01 UTC"),
            Column("name", str, "ISO week, UTC"),
            Column(
                "key_check",
                bytes,
                "tells whether the key file is the right one; empty once it is destroyed",
            ),
            Column("destroyed", int, "1 when the key is destroyed"),
        ),
    ),
    Table(
        "segments",
        "per-address rows of the last weeks: columns as little-endian unsigned integers, "
        "item width = length / rows; destroyed with their week",
        ("id",),
        (
            Column("id", int, "number of the segment"),
            Column("hour", int, "start of the hour, ms since 1970-01-01 UTC"),
            Column("rows", int, "rows in each column"),
            Column("topics", str, "topic ids of the flagged columns, separated by commas"),
            Column("pseudonyms", bytes, "AES-256-CMAC of the address, first 64 bits, week's key"),
            Column("countries", bytes, "two letters packed into 16 bits"),
            TICKS,
            Column("queries", bytes, "queries of the address in the tick"),
            Column("flagged", bytes, "per topic, flagged queries of the address in the tick"),
            PARTITION,
        ),
    ),
    Table(
        "previous_pseudonyms",
        "the same rows' pseudonyms under the key of the week before; destroyed with that key",
        ("segment",),
        (
            Column("segment", int, "segments.id"),
            Column("previous", bytes, "pseudonyms, 64 bits each, in the segment's row order"),
        ),
    ),
    Table(
        "breaks",
        "changes of the measurement itself; no trend may be drawn across one",
        ("id",),
        (
            Column("id", int, "number of the break"),
            Column("time", int, "when it took effect, ms since 1970-01-01 UTC"),
            Column("kind", str, "`lexicon`, `countries`, `format` or `normalisation`"),
            Column("digest", str, "keyed digest or version after the change"),
        ),
    ),
    Table(
        "settings",
        "small facts about this database",
        ("name",),
        (Column("name", str, "name of the fact"), Column("value", str, "its value")),
    ),
    RELEASED,
    COVERED_TIMES,
    FLEET_OUTBOX,
    FLEET_WINDOWS,
    SPLICES,
)

SCHEMA_SQL = Path(__file__).with_name("schema.sql")
MIGRATIONS = (
    "0001_tables",
    "0002_parts",
    "0003_places",
    "0004_alone_and_top",
    "0005_ticks",
    "0006_names",
    "0007_released",
    "0008_covered_times",
    "0009_fleet",
    "0010_splices",
)
"""What `migrations` has done to a database of this version."""


def applied_migrations(db: sqlite3.Connection) -> tuple[str, ...] | None:
    """The steps that a database has behind it; None when there is nothing in it."""
    if db.execute("select 1 from sqlite_master limit 1").fetchone() is None:
        return None
    try:
        rows = db.execute("select name from _sqlite_migrations where migration_set = 'donkeywatch'")
        return tuple(sorted(name for (name,) in rows))
    except sqlite3.OperationalError:
        return ()


def create(db: sqlite3.Connection) -> None:
    """Make the tables in an empty database, as all the steps would have; in one transaction."""
    statements = SCHEMA_SQL.read_text("utf-8")
    db.executescript(f"begin immediate;\n{statements}\ncommit;")


def schema_markdown() -> str:
    """The tables as Markdown, for docs/database.md."""
    parts = []
    for table in TABLES:
        rows = "\n".join(
            f"| `{column.name}` | {column.type.__name__} | {column.meaning} |"
            for column in table.columns
        )
        key = ", ".join(f"`{name}`" for name in table.key)
        parts.append(
            f"## `{table.name}`\n\n{table.meaning[0].upper()}{table.meaning[1:]}. Key: {key}.\n\n"
            f"| column | type | meaning |\n|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)
