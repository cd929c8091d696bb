"""P7: counts are exact: after failures and restarts anywhere they are those of a replay.

Processes that are killed at every statement are in tests/conformance/test_kill.py.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, week_start
from donkeywatch.counting.observations import Observations
from donkeywatch.ingest.lateness import JudgedQueries
from donkeywatch.ingest.pseudonymiser import Pseudonymiser
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store import positions, segments
from donkeywatch.store.store import Store
from support.log_writer import LogWriter, search_line
from support.simulated_server import START, outcomes

BEGIN = week_start("2026-W41") + 10 * HOUR
END = BEGIN + 4 * HOUR
PARTS = ((segments, "insert"), (positions, "write"))
"""Steps of a commit that fail."""


def prepared(directory: Path) -> Settings:
    """Settings of a directory with an empty log."""
    sim = Simulation(start=START, hours=1, queries=50, addresses=50)
    path = simulation_directory.write_settings(sim, directory)
    (directory / "search.log").touch()
    return loader.load(path, {})


def searches(seed: int) -> list[tuple[int, bytes]]:
    """Give lines with their times: some addresses, and some lines that are no search."""
    random, lines = Random(seed), []
    for time in range(BEGIN, END, 20 * SECOND):
        address = f"198.51.100.{random.randrange(50)}"
        word = "zqorv" if random.random() < 0.9 else ""
        lines.append((time, search_line(time, address, f"{word} {random.random()}")))
    return lines


def figures(state: Path) -> list[object]:
    """Give all figures of the hours that were written about, and the lines by outcome."""
    columns = []
    with closing(sqlite3.connect(state / "donkeywatch.db")) as db:
        for table in ("windows", "window_topics", "window_categories", "window_countries"):
            rows = db.execute(
                f"select * from {table} where kind = 'hour' and start between ? and ?",
                (BEGIN, END - 1),
            )
            columns.append(sorted(map(repr, rows)))
    return [columns, outcomes(state)]


def replay(directory: Path, lines: list[tuple[int, bytes]]) -> list[object]:
    """Give the figures of an undisturbed run over the same lines."""
    settings = prepared(directory)
    engine = Engine(settings, BEGIN)
    for time in range(BEGIN, END + HOUR, MINUTE):
        with (directory / "search.log").open("ab") as log:
            log.writelines(line for at, line in lines if time - MINUTE <= at < time)
        engine.tick(time, time)
    engine.close()
    return figures(settings.state)


@pytest.mark.parametrize("seed", range(3))
def test_failures_and_restarts_change_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Any part of a commit fails now and then, and the process is lost with what it has read."""
    (tmp_path / "calm").mkdir()
    (tmp_path / "troubled").mkdir()
    lines, random = searches(seed), Random(seed)
    expected = replay(tmp_path / "calm", lines)
    settings = prepared(tmp_path / "troubled")
    engine = Engine(settings, BEGIN)
    for number, time in enumerate(range(BEGIN, END + HOUR, MINUTE)):
        with (tmp_path / "troubled" / "search.log").open("ab") as log:
            log.writelines(line for at, line in lines if time - MINUTE <= at < time)
        with monkeypatch.context() as patch:
            if number % 5 == 3:
                module, name = random.choice(PARTS)
                patch.setattr(module, name, fail_as_full_disk)
            engine.tick(time, time)
        if number % 17 == 16:  # Lost: what was read and not stored is read again.
            engine.close()
            engine = Engine(settings, time)
    for time in range(END + HOUR, END + HOUR + 3 * MINUTE, MINUTE):
        engine.tick(time, time)
    engine.close()
    ended = figures(settings.state)
    assert ended[1] == expected[1]
    assert without_coverage(ended) == without_coverage(expected)


def fail_as_full_disk(*_arguments: object, **_named: object) -> None:
    """Fail in the place of any step of a commit."""
    raise sqlite3.OperationalError("database or disk is full")


def without_coverage(found_figures: list[object]) -> str:
    """Give figures without the seconds for which the log was followed, which may differ."""
    return re.sub(r"[0-9]+\.[0-9]+", "", repr(found_figures[0]))


def test_what_was_read_before_a_failure_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of the second log cannot be written when lines of the first are read already."""
    prepared(tmp_path)
    path = tmp_path / simulation_directory.SETTINGS
    path.write_text(
        path.read_text() + '[[source]]\nname = "other"\npath = "other.log"\nformat = "tsv"\n'
    )
    settings = loader.load(path, {})
    calls = []
    pseudonymise = Pseudonymiser.pseudonymise

    def fail_once(self: Pseudonymiser, judged: JudgedQueries, closed_until: int) -> Observations:
        calls.append(closed_until)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pseudonymise(self, judged, closed_until)

    monkeypatch.setattr(Pseudonymiser, "pseudonymise", fail_once)
    engine = Engine(settings, BEGIN)
    for turn in range(5):
        for name in ("search.log", "other.log") if turn < 2 else ():
            writer = LogWriter(tmp_path / name)
            for host in range(6):
                address = f"192.0.2.{10 * len(name) + host}"
                writer.log_search(BEGIN + turn * MINUTE, address, "zqorv")
        engine.tick(BEGIN + turn * MINUTE, BEGIN + turn * MINUTE)
    engine.close()
    assert len(calls) == 6
    assert outcomes(settings.state) == {"query": 24}


def test_positions_are_stored_with_the_counts(tmp_path: Path) -> None:
    """Where counting goes on is behind the last line that is counted."""
    settings, log = prepared(tmp_path), tmp_path / "search.log"
    engine = Engine(settings, BEGIN)
    for time in range(BEGIN, BEGIN + 5 * MINUTE, MINUTE):
        LogWriter(log).log_search(time, "192.0.2.1", "zqorv")
        engine.tick(time, time)
        db = engine.store.connection
        assert db.execute('select "offset" from generations').fetchall() == [(log.stat().st_size,)]
    engine.close()


def test_a_transaction_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    """What fails in the middle leaves nothing, and what is committed is on the disk."""
    settings = prepared(tmp_path)
    settings.state.mkdir()
    store = Store(settings.state, ("one",))

    def fail_in_the_middle() -> None:
        with store.transaction() as db:
            db.execute("insert into settings values ('a', '1')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert store.setting("a") is None
    assert store.connection.execute("pragma synchronous").fetchone() == (2,)
    store.close()
