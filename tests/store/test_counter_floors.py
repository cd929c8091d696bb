"""Counters that fell are shown as they were until they have caught up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import counter_floors
from donkeywatch.store.database_opening import connect
from donkeywatch.store.store import Store

LINES, ODD = ("lines", "main", "query"), ("rotations", "main", "")


def test_no_counter_is_shown_below_its_floor(tmp_path: Path) -> None:
    """Each by itself: one that is higher is shown as it is."""
    with closing(Store(tmp_path, ["one"])) as store:
        store.increment_counter("rotations", "main", 5)
        counter_floors.hold(tmp_path / DATABASE, {LINES: 10, ODD: 2})
        assert counter_floors.published(store.connection) == {LINES: 10, ODD: 5}
        counter_floors.hold(tmp_path / DATABASE, {LINES: 7, ODD: 6})
        assert counter_floors.published(store.connection) == {LINES: 10, ODD: 6}
        store.increment_counter("rotations", "main", 2)
        assert counter_floors.published(store.connection) == {LINES: 10, ODD: 7}
        assert counter_floors.counters(store.connection) == {ODD: 7}


def test_the_copy_tells_what_a_damaged_database_does_not(tmp_path: Path) -> None:
    """Readable by its owner only; of the two the higher value is taken."""
    assert counter_floors.last_known(tmp_path / DATABASE) == {}
    with closing(Store(tmp_path, ["one"])) as store:
        store.increment_counter("rotations", "main", 5)
        store.copy_counters()
        store.increment_counter("rotations", "main", 1)
    assert (tmp_path / counter_floors.COPY).stat().st_mode & 0o777 == 0o600
    assert counter_floors.last_known(tmp_path / DATABASE) == {ODD: 6}
    (tmp_path / DATABASE).write_bytes(b"\xa5" * 8192)
    assert counter_floors.last_known(tmp_path / DATABASE) == {ODD: 5}
    (tmp_path / counter_floors.COPY).write_text("[1]")
    assert counter_floors.last_known(tmp_path / DATABASE) == {}


def test_a_truncation_that_a_reader_prevents_is_told_and_repeated(tmp_path: Path) -> None:
    """At once, without waiting, however often; it is said when it stays so."""
    with closing(Store(tmp_path, ["one"])) as store:
        store.increment_counter("rotations", "main")
        with closing(connect(tmp_path / DATABASE, read_only=True)) as reader:
            reader.execute("begin")
            reader.execute("select * from counters").fetchall()
            store.increment_counter("rotations", "main")
            tries = [(store.truncate_log(), store.log_blocked) for _ in range(4)]
        assert tries == [(False, False), (False, False), (False, True), (False, True)]
        assert store.setting("log_blocked") == "1"
        assert store.truncate_log()
        assert not store.log_blocked
        assert store.setting("log_blocked") is None
