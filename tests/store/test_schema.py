"""The tables: made once, brought up to date, refused when newer, documented in full."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from donkeywatch.errors import StateError
from donkeywatch.store.schema import TABLES, document, migrate
from donkeywatch.store.store import DATABASE, Store


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
    text = document()
    for table in TABLES:
        columns = db.execute(f"pragma table_info({table.name})").fetchall()
        assert [column[1] for column in columns] == [column.name for column in table.columns]
        keys = {column[1] for column in columns if column[5]}
        assert keys == set(table.key)
        assert f"## `{table.name}`" in text
        assert all(f"| `{column.name}` |" in text for column in table.columns)
        assert all(column.meaning for column in table.columns)
    db.close()


def test_migrating_twice_changes_nothing() -> None:
    """A database that is up to date stays as it is."""
    db = Database(memory=True)
    migrate(db)
    before = list(db.query("select * from sqlite_master"))
    migrate(db)
    assert list(db.query("select * from sqlite_master")) == before
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
