"""The store: one transaction per change, locks, rights, sealing and pruning."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, WEEK
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.tick_counts import Rows
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.errors import StateError, StateLockedError
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.sources.positions import GenerationPosition
from donkeywatch.store import segments
from donkeywatch.store.database_opening import connect, ensure_state_directory, lock
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import Store
from support.stored_windows import followed

TOPICS = ("zqorv",)
START = FIRST_MONDAY + 2900 * WEEK
POSITION = GenerationPosition(1, "main", 100, False, 100, b"h", 100, b"t", 120, "open")
PROGRESS = SourceProgress("main", START + 5, 0, 0, START + 5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path, TOPICS)
    yield made
    made.close()


def batch(hour: int = START, queries: int = 3) -> Batch:
    """Some queries of one hour, one address each."""
    made = Batch()
    ones = np.ones(queries, np.uint32)
    numbers = np.arange(queries, dtype=np.uint64)
    made.rows.append(
        Rows(hour, numbers, numbers + np.uint64(1 << 40), ones.astype(np.uint16),
             ones.astype(np.uint16), ones, np.ones((1, queries), np.uint32))
    )  # fmt: skip
    made.hours[hour] = HourCounts(queries)
    made.hours[hour].categories["zqorv", "vroqz"] = queries
    made.hours[hour].exclusive["zqorv"] = queries
    made.counters["lines", "main", "query"] = queries
    return made


def dump(store: Store) -> list[list[tuple[object, ...]]]:
    """All rows of all tables."""
    names = store.connection.execute(
        "select name from sqlite_master where type = 'table' order by name"
    ).fetchall()
    return [store.connection.execute(f"select * from {name}").fetchall() for (name,) in names]


def checkpoint(store: Store, made: Batch) -> None:
    """Store a batch with everything that belongs to it."""
    store.checkpoint(made, [POSITION], [PROGRESS], followed({START: 60.0}), START)


@pytest.mark.parametrize(
    "table",
    [
        "segments",
        "previous_pseudonyms",
        "windows",
        "window_topics",
        "window_categories",
        "counters",
        "sources",
        "generations",
    ],
)
def test_a_failure_in_any_table_stores_nothing(store: Store, table: str) -> None:
    """A trigger refuses the row: counts, segments and positions stay as they were."""
    checkpoint(store, batch())
    before = dump(store)
    db = store.connection
    for verb in ("insert", "update"):
        db.execute(
            f"create temp trigger no_{verb} before {verb} on main.{table}"
            " begin select raise(abort, 'no'); end"
        )
    with pytest.raises(sqlite3.IntegrityError):
        checkpoint(store, batch())
    assert not db.in_transaction
    assert dump(store) == before
    db.execute("drop trigger no_insert")
    db.execute("drop trigger no_update")
    checkpoint(store, batch())
    assert db.execute("select queries, covered_seconds from windows").fetchall() == [(6, 120.0)] * 2
    assert [GenerationPosition.of_row(row) for row in store.positions("main")] == [POSITION]
    assert store.progress("main") == PROGRESS


def test_a_new_key_is_on_the_disk_before_it_is_used(store: Store) -> None:
    """Also while an archive is counted, whose other commits a power failure may take."""
    statements: list[str] = []
    store.sync_commits(enabled=False)
    store.connection.set_trace_callback(statements.append)
    store.register_key(START, b"check")
    store.connection.set_trace_callback(None)
    lowered = [statement.lower() for statement in statements]
    assert lowered.index("pragma synchronous = full") < lowered.index("commit")
    assert store.connection.execute("pragma synchronous").fetchone() == (1,)


def test_coverage_never_exceeds_its_window(store: Store) -> None:
    """However often it is added, an hour has 3600 seconds."""
    for _ in range(3):
        store.checkpoint(Batch(), [], [], followed({START: 2000.0}), START)
    rows = dict(store.connection.execute("select kind, covered_seconds from windows").fetchall())
    assert rows == {"hour": 3600.0, "week": 6000.0}


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """The lock is the directory's, and is given back with its file."""
    held = lock(tmp_path)
    with pytest.raises(StateLockedError, match=r"-> stop it first"):
        lock(tmp_path)
    held.close()
    lock(tmp_path).close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_state_directory_is_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    """Mode 0700, new or old, whatever the umask."""
    before = os.umask(umask)
    try:
        ensure_state_directory(tmp_path / "new")
        old = tmp_path / "old"
        old.mkdir()
        old.chmod(0o755)
        ensure_state_directory(old)
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert old.stat().st_mode & 0o777 == 0o700


def test_a_file_in_place_of_the_state_directory_is_refused(tmp_path: Path) -> None:
    """StateError names the remedy."""
    (tmp_path / "state").write_text("zqorv")
    with pytest.raises(StateError, match=r"-> set `state`"):
        ensure_state_directory(tmp_path / "state")


@pytest.mark.parametrize("content", [b"zqorv" * 1000, b"SQLite format 3\0" + b"\xff" * 8176])
def test_garbage_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """StateError names the remedy and no byte changes."""
    path = tmp_path / DATABASE
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"left as it is, and nothing is counted twice"):
        Store(tmp_path, TOPICS)
    assert path.read_bytes() == content


def test_a_directory_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    """StateError, not a traceback."""
    (tmp_path / DATABASE).mkdir()
    with pytest.raises(StateError, match=r" -> "):
        Store(tmp_path, TOPICS)


def test_every_write_is_durable_and_deletes_for_good(store: Store) -> None:
    """WAL, full synchronisation and secure deletion are set on the writing connection."""
    values = {
        name: store.connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    }
    assert values == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


def test_a_reader_cannot_write(store: Store) -> None:
    """The read-only connection of the publishing side changes nothing."""
    reader = connect(store.path, read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("delete from counters")
    reader.close()


def test_a_reopened_hour_closes_again_with_all_its_queries(store: Store) -> None:
    """Late queries clear `closed`; figures are replaced, never added."""
    checkpoint(store, batch(queries=3))
    assert store.windows_due("hour", START + HOUR) == [(START, START + HOUR)]
    assert store.windows_due("hour", START + HOUR - 1) == []
    figures = WindowAggregate(3, 3, 3, (TopicAggregate(3, (3, 0, 0), 3, 3),))
    assert store.close_hour(START, None, figures)
    assert store.windows_due("hour", START + HOUR) == []
    checkpoint(store, batch(queries=2))
    assert store.windows_due("hour", START + HOUR) == [(START, START + HOUR)]
    assert not store.close_hour(START, None, figures), "5 were counted, 3 are in the segments"
    assert store.close_hour(START, None, WindowAggregate(3, 3, 3, figures.topics))


def test_what_no_other_topic_flagged_is_added_up_over_closings(store: Store) -> None:
    """Late queries raise `exclusive_queries`; a closing replaces what comes from figures alone."""
    request = (
        "select exclusive_queries, queries, top_1, top_10 from window_topics where kind = 'hour'"
    )
    checkpoint(store, batch(queries=3))
    assert store.connection.execute(request).fetchall() == [(3, None, None, None)]
    store.close_hour(
        START, None, WindowAggregate(3, 3, 3, (TopicAggregate(3, (3, 0, 0), 3, 3, (1, 1, 1)),))
    )
    assert store.connection.execute(request).fetchall() == [(3, 3, 1, 3)]
    checkpoint(store, batch(queries=2))
    topic = TopicAggregate(5, (3, 2, 0), 9, 9, (2, 2, 1))
    store.close_hour(START, None, WindowAggregate(5, 3, 9, (topic,)))
    assert store.connection.execute(request).fetchall() == [(5, 5, 2, 5)]
    store.replace_rolling({"24h": (START, START + 24 * HOUR, WindowAggregate(5, 3, 9, (topic,)))})
    rolling = store.connection.execute(request.replace("'hour'", "'24h'")).fetchall()
    assert rolling == [(None, 5, None, None)]


def test_a_country_that_is_named_no_more_goes_when_a_window_is_closed_again(store: Store) -> None:
    """The database of countries may have changed before a late line opened it again."""
    topics = (TopicAggregate(3, (3, 0, 0), 3, 3),)
    for country in ("AA", "BB"):
        checkpoint(store, batch(queries=3))
        ours = {country: CountryAggregate(3, 3, ((3, 3),))}
        store.close_hour(START, None, WindowAggregate(3, 3, 3, topics, ours))
        for table in ("window_countries", "window_country_topics"):
            named = store.connection.execute(f"select country from {table}").fetchall()
            assert named == [(country,)]


def test_figures_that_contradict_themselves_are_told(store: Store) -> None:
    """More flagged addresses than addresses is no figure."""
    checkpoint(store, batch())
    assert not store.close_hour(
        START, None, WindowAggregate(3, 1, 3, (TopicAggregate(3, (2, 0, 0), 3, 3),))
    )


@pytest.mark.parametrize("much", [1, 1 << 20])
def test_sealing_destroys_rows_bridges_and_proofs(
    store: Store, much: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments before the week, bridges of the week, and the older key's proof; at any pace."""
    monkeypatch.setattr(segments, "DELETE_BATCH_ROWS", much)
    for week in (-WEEK, 0, WEEK):
        store.register_key(START + week, b"proof")
        checkpoint(store, batch(START + week))
    store.delete_sealed()
    assert store.connection.execute("select count(*) from segments").fetchone() == (3,)
    store.record_key_destruction(START)
    store.delete_sealed()
    db = store.connection
    assert db.execute("select hour from segments order by hour").fetchall() == [
        (START,), (START + WEEK,),
    ]  # fmt: skip
    assert db.execute(
        "select hour from segments join previous_pseudonyms on segment = id"
    ).fetchall() == [(START + WEEK,)]
    assert store.weekly_keys() == {
        START - WEEK: (b"", True), START: (b"proof", False), START + WEEK: (b"proof", False),
    }  # fmt: skip
    assert store.path.with_name(DATABASE + "-wal").stat().st_size == 0


def test_commits_are_waited_for_again_when_destroying_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it done or none: the next commit is on the disk when it returns, and it goes on."""
    store.register_key(START - WEEK, b"proof")
    checkpoint(store, batch(START - WEEK))
    store.record_key_destruction(START)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "delete", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.delete_sealed()
    assert store.connection.execute("pragma synchronous").fetchone() == (2,)
    assert store.connection.execute("select count(*) from segments").fetchone() == (1,)
    store.delete_sealed()
    assert store.connection.execute("select count(*) from segments").fetchone() == (0,)


def test_pruning_forgets_closed_windows_only(store: Store) -> None:
    """Open windows and younger ones stay, and no child row is orphaned."""
    for n in range(4):
        checkpoint(store, batch(START + n * HOUR))
    for n in range(3):
        store.close_hour(
            START + n * HOUR, None, WindowAggregate(3, 3, 3, (TopicAggregate(3, (3, 0, 0), 3, 3),))
        )
    store.prune("hour", START + 10 * HOUR)
    left = "select start from {} where kind = 'hour' order by start"
    for table in ("windows", "window_topics", "window_categories"):
        assert store.connection.execute(left.format(table)).fetchall() == [(START + 3 * HOUR,)]
    assert store.connection.execute("select value from counters").fetchall() == [(12,)]


def test_breaks_are_changes_and_not_beginnings(store: Store) -> None:
    """The first value is no break, the same value is none, another one is."""
    assert not store.record_break("lexicon", "a", 1)
    assert not store.record_break("lexicon", "a", 2)
    assert store.record_break("lexicon", "b", 3)
    assert store.connection.execute("select time, kind, digest from breaks").fetchall() == [
        (3, "lexicon", "b")
    ]


def _interrupted(store: Store) -> None:
    with store.transaction() as db:
        db.execute("insert into settings values ('zqorv', '1')")
        db.set_progress_handler(lambda: 1, 1)
        db.execute("insert into settings values ('zqorv', '2')")


def test_a_rollback_that_failed_is_made_good_by_the_next_transaction(tmp_path: Path) -> None:
    """Not even the rollback got through: the connection does not stay in a dead transaction."""
    store = Store(tmp_path, TOPICS)
    with pytest.raises(sqlite3.OperationalError):
        _interrupted(store)
    store.connection.set_progress_handler(None, 1)
    store.set("after", "1")
    assert store.setting("zqorv") is None
    assert store.setting("after") == "1"
    store.close()


def test_the_log_of_a_database_that_took_its_place_is_left_alone(
    store: Store, tmp_path: Path
) -> None:
    """Who closes the removed one overwrites nothing of the other."""
    checkpoint(store, batch())
    for path in tmp_path.glob("donkeywatch.db*"):
        path.rename(path.with_name(f"moved-{path.name}"))
    log = tmp_path / "donkeywatch.db-wal"
    for path in (tmp_path / "donkeywatch.db", log):
        path.write_bytes(b"zqorv")
    store.close()
    assert log.read_bytes() == b"zqorv"
