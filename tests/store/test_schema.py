"""The tables: made once, brought up to date, refused when newer, documented in full."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.checkpoint_batch import Batch, BatchBuilder, TopicInfo
from donkeywatch.counting.observations import Observations
from donkeywatch.counting.window_aggregates import RowColumns, Window, aggregate
from donkeywatch.errors import StateError
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.sources.positions import GenerationPosition
from donkeywatch.store import migrations
from donkeywatch.store.schema import (
    GENERATION_HINTS,
    MIGRATIONS,
    SCHEMA_SQL,
    TABLES,
    applied_migrations,
    schema_markdown,
)
from donkeywatch.store.segment_aggregation import Aggregator, OnAggregate
from donkeywatch.store.store import TICKS_SINCE, UPGRADED, Store


def test_every_table_and_column_is_there_and_documented(tmp_path: Path) -> None:
    """The database holds what the documentation says, and nothing else."""
    Store(tmp_path, ["zqorv"]).close()
    db = sqlite3.connect(tmp_path / DATABASE)
    names = {
        name
        for (name,) in db.execute("select name from sqlite_master where type = 'table'")
        if not name.startswith(("sqlite_", "_sqlite"))
    }
    assert names == {table.name for table in TABLES}
    text = schema_markdown()
    for table in TABLES:
        columns = db.execute(f"pragma table_info({table.name})").fetchall()
        assert [column[1] for column in columns] == [column.name for column in table.columns]
        keys = {column[1] for column in columns if column[5]}
        assert keys == set(table.key)
        assert f"## `{table.name}`" in text
        assert all(f"| `{column.name}` |" in text for column in table.columns)
        assert all(column.meaning for column in table.columns)
    db.close()


def tables(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    """All there is in a database, but its rows."""
    return db.execute(
        "select type, name, tbl_name, sql from sqlite_master order by 1, 2"
    ).fetchall()


def test_an_empty_database_gets_what_the_steps_would_make(tmp_path: Path) -> None:
    """The script is that of the steps, and opening twice changes nothing."""
    assert SCHEMA_SQL.read_text("utf-8") == migrations.script()
    steps = migrations.migrations.pending(Database(memory=True))
    assert tuple(step.name for step in steps) == MIGRATIONS
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrations.migrate(db)
    for _ in range(2):
        store = Store(tmp_path, ["zqorv"])
        assert tables(store.connection) == tables(db)
        assert applied_migrations(store.connection) == applied_migrations(db) == MIGRATIONS
        store.close()
    db.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A downgrade names the remedy and touches no table."""
    Store(tmp_path, ["zqorv"]).close()
    path = tmp_path / DATABASE
    with sqlite3.connect(path) as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('donkeywatch', '9999_zqorv', 'now')"
        )
    db.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"newer donkeywatch .*9999_zqorv.* -> install"):
        Store(tmp_path, ["zqorv"])
    assert path.read_bytes() == before


def test_what_an_older_version_did_not_count_stays_unknown(tmp_path: Path) -> None:
    """A window begun before there was `exclusive_queries` has none; others have."""
    store = Store(tmp_path, ["zqorv", "vroqz"])
    store.checkpoint(_batch(0, "zqorv"), [], [], [], 0)
    db = sqlite3.connect(tmp_path / DATABASE)
    with db:
        db.execute("delete from window_topics")
        for name in ("exclusive_queries", "top_1", "top_10"):
            db.execute(f"alter table window_topics drop column {name}")
        db.execute("delete from _sqlite_migrations where name = '0004_alone_and_top'")
    assert applied_migrations(db) == tuple(
        step for step in MIGRATIONS if step != "0004_alone_and_top"
    )
    db.close()
    store.close()
    store = Store(tmp_path, ["zqorv", "vroqz"])
    assert applied_migrations(store.connection) == MIGRATIONS
    for hour in (0, HOUR):
        for topic in ("zqorv", "vroqz"):
            store.checkpoint(_batch(hour, topic), [], [], [], 0)
    for hour in (0, HOUR):
        store.close_hour(
            hour, None, *Aggregator(store, at_once).submit(Window(hour, hour + HOUR)).figures
        )
    rows = store.connection.execute(
        "select start, topic, queries, exclusive_queries, top_1, top_10 from window_topics"
        " where kind = 'hour' order by start, topic"
    ).fetchall()
    store.close()
    assert rows == [
        (0, "vroqz", 1, 1, 1, 1), (0, "zqorv", 2, None, 2, 2),
        (HOUR, "vroqz", 1, 1, 1, 1), (HOUR, "zqorv", 1, 1, 1, 1),
    ]  # fmt: skip


def at_once(columns: RowColumns, spans: Sequence[Window], deliver: OnAggregate) -> None:
    """Reckon here and now."""
    deliver(aggregate(columns, spans))


def _batch(hour: int, topic: str) -> Batch:
    """One flagged query of one address."""
    ledger = BatchBuilder([TopicInfo("zqorv", ("one",)), TopicInfo("vroqz", ("one",))])
    ones = np.ones(1, np.uint64)
    codes = np.array([[topic == "zqorv"], [topic == "vroqz"]], np.uint8)
    ledger.record(
        "main",
        Observations(
            np.array([hour], np.int64), ones, ones, ones.astype(np.uint16), codes,
            np.zeros(1, bool),
        ),
    )  # fmt: skip
    return ledger.take_batch()


def test_a_database_of_version_0_1_goes_on(tmp_path: Path) -> None:
    """Minutes are read as ticks, marks stay known by the lasting key, finished rows go."""
    store = Store(tmp_path, ["zqorv", "vroqz"])
    store.checkpoint(_batch(0, "zqorv"), [], [], [], 0)
    store.close()
    db = sqlite3.connect(tmp_path / DATABASE)
    with db:
        db.execute("alter table segments rename column ticks to minutes")
        db.execute("update segments set minutes = x'07'")
        db.execute("drop table finished_files")
        for name in (column.name for column in GENERATION_HINTS):
            db.execute(f"alter table generations drop column {name}")
        for number, state in enumerate(("open", "done", "lost", "skipped")):
            db.execute(
                "insert into generations values (?, 'main', 10, 0, 10, ?, 10, x'02', 10, ?, 77)",
                (number, bytes(range(24)), state),
            )
        db.execute("delete from _sqlite_migrations where name = '0005_ticks'")
    db.close()
    store = Store(tmp_path, ["zqorv", "vroqz"])
    assert applied_migrations(store.connection) == MIGRATIONS
    (rows,) = store.segments(0, HOUR)
    assert rows.tick.tolist() == [7_000]
    assert [
        (p.state, p.week, p.head_hash)
        for p in map(GenerationPosition.of_row, store.positions("main"))
    ] == [(state, 0, bytes(range(16))) for state in ("open", "skipped")]
    assert store.setting(TICKS_SINCE) == str(HOUR)
    assert store.setting(UPGRADED) == "77"
    store.close()
