"""A database that version 0.1.0 made works on, with every row under its new name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import covered_times
from donkeywatch.store.schema import MIGRATIONS, TABLES, applied_migrations
from donkeywatch.store.store import Store

SCHEMA = Path(__file__).parent / "data" / "schema-0.1.0.sql"
WEEK = 1_795_392_000_000
"""Start of an ISO week, ms UTC."""
ROWS = f"""
insert into epochs values ({WEEK}, '2026-W48', x'0a0b', 0),
  ({WEEK} - 604800000, '2026-W47', x'', 1);
insert into sources values ('main', {WEEK} + 5000, {WEEK} + 900000, 2, {WEEK} + 4000);
insert into windows values ('hour', {WEEK}, {WEEK} + 3600000, '2026-11-23T00:00:00Z', 3, 2, 5, 0,
  3600.0, 1);
insert into window_topics values ('hour', {WEEK}, 'zqorv', 2, 1, 1, 0, 4, 4, 2, 2, 2);
"""


def test_rows_are_kept_under_the_new_names(tmp_path: Path) -> None:
    """Tables and columns are those of a new database, and what was in them is in them."""
    with sqlite3.connect(tmp_path / DATABASE) as old:
        old.executescript(SCHEMA.read_text() + ROWS)
    old.close()
    store = Store(tmp_path, ["zqorv"])
    db = store.connection
    assert applied_migrations(db) == MIGRATIONS
    for table in TABLES:
        columns = {row[1] for row in db.execute(f"pragma table_info({table.name})")}
        assert columns == {column.name for column in table.columns}, table.name
    assert store.weekly_keys() == {WEEK: (b"\x0a\x0b", False), WEEK - 604_800_000: (b"", True)}
    progress = store.progress("main")
    assert (progress.newest, progress.candidate, progress.confirmations) == (
        WEEK + 5000, WEEK + 900_000, 2,
    )  # fmt: skip
    topic = db.execute("select queries, exclusive_queries, top_1 from window_topics").fetchone()
    assert topic == (2, 2, 2)
    assert db.execute("select queries, addresses, sum_qq from hours").fetchone() == (3, 2, 5)
    assert covered_times.seconds_between(db, WEEK - 1000, WEEK + 1_800_000) == 1800
    store.close()
