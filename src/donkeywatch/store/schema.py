"""The tables, each column with its meaning; the documentation is generated from here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database, Migrations

from donkeywatch.errors import StateError


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its SQLite type and what it means, with unit and time zone."""

    name: str
    type: type
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its key and its columns."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


KIND = Column("kind", str, "`hour` and `week` (calendar, UTC), or `1h`, `24h`, `7d` (rolling)")
START = Column("start", int, "start of the window, milliseconds since 1970-01-01 UTC")
TOPIC = Column("topic", str, "topic id from the lexicon")
PART = Column(
    "part", int, "first four bits of all its pseudonyms; NULL where the segment is not cut"
)
WINDOW_KEY = ("kind", "start")
ALONE = Column(
    "alone",
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
        "one row per window and topic; in an open hour or week, only `alone` is up to date",
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
            ALONE,
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
            Column("suspect", int, "a stamp far ahead that waits for others to agree, ms UTC"),
            Column("witnesses", int, "how many queries in a row agree with it"),
            Column("covered_until", int, "coverage is accounted for up to here, ms UTC"),
        ),
    ),
    Table(
        "generations",
        "one row per physical life of a log file, recognised by its content",
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
            Column("state", str, "`open`, `done` (read to its end), `lost` or `skipped`"),
            Column("changed", int, "last change of this row, ms UTC"),
        ),
    ),
    Table(
        "epochs",
        "one row per ISO week that has or had a key",
        ("week",),
        (
            Column("week", int, "start of the week, ms since 1970-01-01 UTC"),
            Column("name", str, "ISO week, UTC"),
            Column(
                "proof", bytes, "tells whether the key file is the right one; empty once sealed"
            ),
            Column("sealed", int, "1 when the key is destroyed"),
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
            Column("minutes", bytes, "minute of the hour, 0-59"),
            Column("queries", bytes, "queries of the address in the minute"),
            Column("flagged", bytes, "per topic, flagged queries of the address in the minute"),
            PART,
        ),
    ),
    Table(
        "bridges",
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
)

migrations = Migrations("donkeywatch")


@migrations(name="0001_tables")
def _tables(db: Database) -> None:
    for table in TABLES:
        db.table(table.name).create(
            {column.name: column.type for column in table.columns}, pk=table.key
        )
    db.table("segments").create_index(["hour"])
    db.create_view("hours", "select * from windows where kind = 'hour' order by start")
    db.create_view("weeks", "select * from windows where kind = 'week' order by start")


@migrations(name="0002_parts")
def _parts(db: Database) -> None:
    if PART.name not in db.table("segments").columns_dict:
        db.table("segments").add_column(PART.name, PART.type)


@migrations(name="0003_places")
def _places(db: Database) -> None:
    # Reading a column behind the BLOBs reads them too: where a part stands is told by the index.
    db.execute("drop index if exists idx_segments_hour")
    db.table("segments").create_index(["hour", PART.name], if_not_exists=True)


@migrations(name="0004_alone_and_top")
def _alone_and_top(db: Database) -> None:
    table = db.table("window_topics")
    if ALONE.name in table.columns_dict:
        return
    for column in (ALONE, *TOP):
        table.add_column(column.name, column.type)
    # What was flagged before this step cannot be told apart any more: NULL, and it stays NULL
    # when more is added. Where nothing was flagged so far, it is known.
    db.execute(
        "insert or ignore into window_topics (kind, start, topic)"
        " select distinct kind, start, topic from window_categories"
    )
    db.execute(
        "update window_topics set alone = 0 where kind in ('hour', 'week')"
        " and (kind, start, topic) not in (select kind, start, topic from window_categories)"
    )


def migrate(db: Database) -> None:
    """Bring an older database up to date; StateError when it is newer than this program."""
    newer = unknown_steps(db)
    if newer:
        raise StateError(
            f"the database was written by a newer donkeywatch (step {newer[-1]})",
            "install that version or newer, or set another state directory",
        )
    migrations.apply(db)


def unknown_steps(db: Database) -> list[str]:
    """Migrations that were applied to a database and that this program does not know."""
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    return [step.name for step in migrations.applied(db) if step.name not in known]


def missing_steps(db: Database) -> list[str]:
    """Migrations of this program that were not applied to a database yet; changes nothing."""
    applied = {step.name for step in migrations.applied(db)}
    known = [migration.name for migration in migrations.pending(Database(memory=True))]
    return [name for name in known if name not in applied]


def document() -> str:
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
