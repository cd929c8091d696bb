"""Steps from the tables of older versions to those of this one; an empty database needs none."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from donkeywatch.store.fleet_tables import FLEET_OUTBOX, FLEET_WINDOWS
from donkeywatch.store.schema import (
    COVERED_TIMES,
    EXCLUSIVE,
    FINISHED_FILES,
    GENERATION_HINTS,
    PARTITION,
    RELEASED,
    SPLICES,
    TABLES,
    TICKS,
    TOP,
)
from donkeywatch.store.table_model import Table

migrations = Migrations("donkeywatch")


def _create(db: Database, table: Table) -> None:
    """Make a table, unless it is there: the first step makes those of later steps, too."""
    columns = {column.name: column.type for column in table.columns}
    db.table(table.name).create(columns, pk=table.key, if_not_exists=True)


@migrations(name="0001_tables")
def _tables(db: Database) -> None:
    for table in TABLES:
        _create(db, table)
    db.table("segments").create_index(["hour"])
    db.create_view("hours", "select * from windows where kind = 'hour' order by start")
    db.create_view("weeks", "select * from windows where kind = 'week' order by start")


@migrations(name="0002_parts")
def _parts(db: Database) -> None:
    if PARTITION.name not in db.table("segments").columns_dict:
        db.table("segments").add_column(PARTITION.name, PARTITION.type)


@migrations(name="0003_places")
def _places(db: Database) -> None:
    # Reading a column behind the BLOBs reads them too: where a part stands is told by the index.
    db.execute("drop index if exists idx_segments_hour")
    db.table("segments").create_index(["hour", PARTITION.name], if_not_exists=True)


@migrations(name="0004_alone_and_top")
def _alone_and_top(db: Database) -> None:
    table = db.table("window_topics")
    if table.columns_dict.keys() & {EXCLUSIVE.name, "alone"}:
        return
    for column in (EXCLUSIVE, *TOP):
        table.add_column(column.name, column.type)
    # What was flagged before this step cannot be told apart any more: NULL, and it stays NULL
    # when more is added. Where nothing was flagged so far, it is known.
    db.execute(
        "insert or ignore into window_topics (kind, start, topic)"
        " select distinct kind, start, topic from window_categories"
    )
    db.execute(
        "update window_topics set exclusive_queries = 0 where kind in ('hour', 'week')"
        " and (kind, start, topic) not in (select kind, start, topic from window_categories)"
    )


@migrations(name="0005_ticks")
def _ticks(db: Database) -> None:
    if TICKS.name in db.table("segments").columns_dict:
        return
    db.execute(f"alter table segments rename column minutes to {TICKS.name}")
    _create(db, FINISHED_FILES)
    for column in GENERATION_HINTS:
        db.table("generations").add_column(column.name, column.type)
    # Searches in hours from before this step can be told apart by the minute alone; a rotated
    # file that was last written before it is finished, by content that is forgotten now.
    db.execute(
        "insert or replace into settings select 'ticks_since', coalesce(max(hour), 0) + 3600000"
        " from segments"
    )
    db.execute(
        "insert or replace into settings select 'upgraded', coalesce(max(changed), 0)"
        " from generations"
    )
    db.execute("delete from generations where state not in ('open', 'skipped')")
    # A lasting key has made these: they go as soon as the files have been looked at.
    db.execute(
        "update generations set key_week = 0, device = 0, inode = 0, was_live = 1,"
        " compare_until = 0, turn = changed,"
        " head_hash = substr(head_hash, 1, 16)"
    )


@migrations(name="0006_names")
def _names(db: Database) -> None:
    if "epochs" not in db.table_names():
        return
    db.execute("alter table epochs rename to weekly_keys")
    db.execute("alter table weekly_keys rename column proof to key_check")
    db.execute("alter table weekly_keys rename column sealed to destroyed")
    db.execute("alter table bridges rename to previous_pseudonyms")
    db.execute("alter table sources rename column suspect to candidate")
    db.execute("alter table sources rename column witnesses to confirmations")
    if "alone" in db.table("window_topics").columns_dict:
        db.execute(f"alter table window_topics rename column alone to {EXCLUSIVE.name}")
    db.execute("update counters set name = 'lost_bytes' where name = 'abandoned_bytes'")


@migrations(name="0007_released")
def _released(db: Database) -> None:
    _create(db, RELEASED)
    for change in ("update", "delete"):
        db.execute(
            f"create trigger if not exists released_no_{change} before {change} on {RELEASED.name}"
            " begin select raise(abort, 'what was released is never changed'); end"
        )


@migrations(name="0008_covered_times")
def _covered_times(db: Database) -> None:
    _create(db, COVERED_TIMES)
    # Of hours that were followed in part nobody knows which part: it is taken to be the first.
    db.execute(
        "insert or ignore into covered_times select '', start,"
        " start + cast(min(covered_seconds, 3600) * 1000 as integer), 1.0 from windows"
        " where kind = 'hour' and covered_seconds > 0 and start >= (select max(start) - 8 *"
        " 86400000 from windows where kind = 'hour')"
    )


@migrations(name="0009_fleet")
def _fleet(db: Database) -> None:
    _create(db, FLEET_OUTBOX)
    _create(db, FLEET_WINDOWS)


@migrations(name="0010_splices")
def _splices(db: Database) -> None:
    _create(db, SPLICES)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database up to date."""
    migrations.apply(Database(connection))


def script() -> str:
    """The statements of `schema.sql`: the tables that the steps make of an empty database."""
    db = Database(memory=True)
    migrations.apply(db)
    made = db.execute("select sql from sqlite_master where sql is not null order by rowid")
    steps = db.execute("select migration_set, name from _sqlite_migrations order by name")
    lines = [f"{sql};" for (sql,) in made]
    lines += [
        f"insert into _sqlite_migrations (migration_set, name, applied_at) values ('{group}',"  # noqa: S608 - our own names
        f" '{name}', strftime('%Y-%m-%d %H:%M:%f', 'now'));"
        for group, name in steps
    ]
    return "-- Written by `make docs` from migrations.py.\n" + "\n".join(lines) + "\n"
