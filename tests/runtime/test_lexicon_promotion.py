"""A list in the shadow is counted beside the one in use, and takes over with a factor."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from donkeywatch.counting.calendar import HOUR, iso_utc
from donkeywatch.estimation.splice import splice_factor
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.store import splices
from donkeywatch.store.writer_connection import Connection
from runtime.stepped_log import LEXICON, MONDAY, SteppedLog

SHADOW = LEXICON.replace('sex = ["xkarno"]', 'sex = ["xkarno", "zqorv"]')
SERIES = ("first", "second", "first.shadow", "second.shadow")


@pytest.fixture
def log(tmp_path: Path) -> SteppedLog:
    """A log with two lists that are compared from the first query on."""
    result = SteppedLog(tmp_path, '["paper"]', 'shadow_lexicon = "shadow.toml"\n')
    result.write_list("shadow.toml", SHADOW)
    return result


def codes(log: SteppedLog, toml: str) -> list[tuple[str, tuple[int, ...]]]:
    """Address and codes of every line by one list."""
    detector = Detector(Lexicon.model_validate(tomllib.loads(toml)))
    return [(address, detector.classify_text(query) or (0, 0)) for _, address, query in log.written]


def recorded(log: SteppedLog) -> list[tuple[object, ...]]:
    """What is recorded of lists that took over."""
    with closing(sqlite3.connect(log.state / "donkeywatch.db")) as db:
        return db.execute("select * from splices order by time, topic").fetchall()


def breaks(log: SteppedLog) -> int:
    """Changes of the list in use."""
    with closing(sqlite3.connect(log.state / "donkeywatch.db")) as db:
        return int(db.execute("select count(*) from breaks where kind = 'lexicon'").fetchone()[0])


def test_both_lists_are_counted_on_the_same_queries(log: SteppedLog) -> None:
    """Each by itself, hour by hour."""
    log.run(MONDAY + 3 * HOUR, 1)
    with Snapshots(log.state, SERIES).open() as snapshot:
        [first, *_] = snapshot.windows_between("hour", MONDAY, MONDAY + HOUR)
    for offset, toml in ((0, LEXICON), (2, SHADOW)):
        lines = codes(log, toml)[:30]
        for place in range(2):
            flagged = [address for address, code in lines if code[place]]
            topic = first.topics[offset + place]
            assert topic.queries == len(flagged)
            assert topic.addresses is not None
            assert topic.addresses[0] == len(set(flagged))
    assert first.topics[2].queries > first.topics[0].queries


def test_a_shadow_that_begins_later_begins_with_a_whole_window(tmp_path: Path) -> None:
    """And the list in use goes on without a break."""
    log = SteppedLog(tmp_path, '["paper"]')
    log.run(MONDAY + HOUR + HOUR // 2, 2)
    log.write_list("shadow.toml", SHADOW)
    log.use('["paper"]', 'shadow_lexicon = "shadow.toml"\n')
    log.run(MONDAY + 4 * HOUR, 3)
    with Snapshots(log.state, SERIES).open() as snapshot:
        views = snapshot.windows_between("hour", MONDAY, MONDAY + 3 * HOUR)
    assert [view.topics[2].query_fraction is not None for view in views] == [False, False, True]
    assert breaks(log) == 0


def test_a_list_that_takes_over_leaves_its_factors(log: SteppedLog) -> None:
    """Paired by query and clustered by address, by brute force from the lines."""
    log.run(MONDAY + 3 * HOUR, 4)
    log.write_list("lexicon.toml", SHADOW)
    log.run(MONDAY + 3 * HOUR + HOUR // 2, 5)
    counted = [line for line in log.written if line[0] < MONDAY + 3 * HOUR]
    old, new = codes(log, LEXICON)[: len(counted)], codes(log, SHADOW)[: len(counted)]
    addresses = sorted({address for address, _ in old})
    columns = [
        np.array([sum(bool(code[0]) for who, code in lines if who == a) for a in addresses])
        for lines in (old, new)
    ]
    expected = splice_factor(*columns)
    assert expected is not None
    rows = recorded(log)
    assert [row[1] for row in rows] == ["first", "second"]
    assert rows[0][3:] == pytest.approx(
        (*expected.factor[:3], expected.old, expected.new, expected.addresses)
    )
    assert rows[1][3:6] == pytest.approx((1, 1, 1))
    assert breaks(log) == 1
    assert {row[2] for row in rows} == {MONDAY}  # The hour of the first query.
    with Snapshots(log.state, SERIES).open() as snapshot:
        assert [splice.topic for splice in snapshot.splices()] == ["first", "second"]
        assert iso_utc(snapshot.splices()[0].time) == iso_utc(MONDAY + 3 * HOUR)


def test_another_list_than_the_shadow_leaves_no_factor(log: SteppedLog) -> None:
    """They were never compared with the same queries."""
    log.run(MONDAY + 2 * HOUR, 6)
    log.write_list("lexicon.toml", LEXICON.replace("xkarno", "xkarny"))
    log.run(MONDAY + 3 * HOUR, 7)
    assert recorded(log) == []
    assert breaks(log) == 1


def test_the_time_before_both_lists_ran_is_left_out(tmp_path: Path) -> None:
    """An old list that flagged a lot before has no part in the factor."""
    log = SteppedLog(tmp_path, '["paper"]')
    log.run(MONDAY + HOUR, 8)
    log.write_list("shadow.toml", SHADOW)
    log.use('["paper"]', 'shadow_lexicon = "shadow.toml"\n')
    before = len(log.written)
    log.run(MONDAY + 3 * HOUR, 9)
    both = len(log.written)
    log.write_list("lexicon.toml", SHADOW)
    log.run(MONDAY + 4 * HOUR, 10)
    assert recorded(log)[0][6] == sum(bool(code[0]) for _, code in codes(log, LEXICON)[before:both])


@pytest.mark.parametrize("statement", range(1, 8))
def test_a_promotion_that_ends_at_any_statement_leaves_the_old_state_or_the_new(
    log: SteppedLog, statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a break without its factors, nor factors without their break."""
    log.run(MONDAY + 2 * HOUR, 11)
    log.write_list("lexicon.toml", SHADOW)
    statements = 0
    record = splices.record

    def interrupted(store: Connection, *arguments: Any) -> None:
        def count(_text: str) -> None:
            nonlocal statements
            statements += 1
            if statements == statement:
                store.connection.interrupt()

        store.connection.set_trace_callback(count)
        try:
            record(store, *arguments)
        finally:
            store.connection.set_trace_callback(None)

    monkeypatch.setattr(splices, "record", interrupted)
    try:
        Engine(loader.load(log.settings, {}), log.now).close()
    except Exception:
        assert (breaks(log), len(recorded(log))) in {(0, 0), (1, 2)}
    monkeypatch.undo()
    log.run(MONDAY + 2 * HOUR + HOUR // 2, 12)
    assert (breaks(log), len(recorded(log))) == (1, 2)
