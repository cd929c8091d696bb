"""What several tests need: a simulated server on disk, and the comparison with its truth."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import to_ms, week_start
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation, write_archive
from donkeywatch.simulation.truth import Truth

START = datetime(2026, 9, 21, tzinfo=UTC)
"""A Monday, so that weeks are whole."""
NOW = to_ms(datetime(2026, 11, 23, 12, tzinfo=UTC))
"""The wall clock of tests whose log is an archive, ms UTC."""
TOPICS = ("pedophile", "pornographic")


@dataclass(frozen=True)
class Simulated:
    """A simulated server in a directory, with settings that follow its log."""

    directory: Path
    truth: Truth

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.directory / simulation_directory.SETTINGS

    @property
    def log(self) -> Path:
        """The live log."""
        return self.directory / "search.log"

    @property
    def archive(self) -> list[Path]:
        """The finished logs, in the order of time."""
        return sorted((self.directory / simulation_directory.ARCHIVE).glob("search-*"))

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"


def simulated(directory: Path, sim: Simulation, *, files: int = 3, gz: bool = False) -> Simulated:
    """Write the archive of a simulation, and settings."""
    directory.mkdir(parents=True, exist_ok=True)
    truth = write_archive(
        sim, directory / simulation_directory.ARCHIVE, files=files, compress="gz" if gz else None
    )
    simulation_directory.write_settings(sim, directory)
    return Simulated(directory, truth)


@contextmanager
def engine(settings: Path, now: int = NOW) -> Iterator[Engine]:
    """An engine on a settings file, closed at the end."""
    opened = Engine(loader.load(settings, {}), now)
    try:
        yield opened
    finally:
        opened.close()


def counted(state: Path, kind: str, start: int) -> dict[str, Any]:
    """A window in the form of the truth, straight from the tables."""
    db = sqlite3.connect(state / "donkeywatch.db")
    db.row_factory = sqlite3.Row
    key = (kind, start)
    window = db.execute("select * from windows where kind = ? and start = ?", key).fetchone()
    assert window is not None, f"no {kind} at {start}"
    result: dict[str, Any] = {name: window[name] for name in ("queries", "addresses", "sum_qq")}
    result["topics"] = {
        row["topic"]: {
            name: row[name]
            for name in (
                "queries", "addresses_1", "addresses_2", "addresses_3", "sum_qk", "sum_kk",
                "exclusive_queries", "top_1", "top_10",
            )
        }
        for row in db.execute("select * from window_topics where kind = ? and start = ?", key)
    }  # fmt: skip
    for topic in result["topics"].values():
        topic["categories"] = {}
    for row in db.execute("select * from window_categories where kind = ? and start = ?", key):
        result["topics"][row["topic"]]["categories"][row["category"]] = row["queries"]
    result["countries"] = {
        row["country"]: {"queries": row["queries"], "addresses": row["addresses"], "topics": {}}
        for row in db.execute("select * from window_countries where kind = ? and start = ?", key)
    }
    for row in db.execute("select * from window_country_topics where kind = ? and start = ?", key):
        result["countries"][row["country"]]["topics"][row["topic"]] = {
            "queries": row["queries"],
            "addresses": row["addresses"],
        }
    db.close()
    return result


def without_zeros(window: dict[str, Any]) -> dict[str, Any]:
    """The same with categories of no query left out: the tables do not list them."""
    window = json.loads(json.dumps(window))
    for topic in window["topics"].values():
        topic["categories"] = {name: n for name, n in topic["categories"].items() if n}
    return window


def assert_calendar_equals(state: Path, truth: Truth) -> None:
    """Every hour and week of the truth equals the closed window, in every figure."""
    document = json.loads(json.dumps(truth.as_json()))
    assert document["hours"], "an empty truth proves nothing"
    for name, window in document["hours"].items():
        start = to_ms(datetime.fromisoformat(name))
        assert counted(state, "hour", start) == without_zeros(window), name
    for name, window in document["weeks"].items():
        assert counted(state, "week", week_start(name)) == without_zeros(window), name
    assert outcomes(state) == {name: n for name, n in document["lines"].items() if n}


def assert_rolling_equals(state: Path, truth: Truth, end: int | None = None) -> None:
    """The rolling windows end where they should, and equal the truth between their bounds."""
    db = sqlite3.connect(state / "donkeywatch.db")
    shown = db.execute(
        "select kind, start, until from windows where kind not in ('hour', 'week')"
    ).fetchall()
    db.close()
    assert {kind for kind, _, _ in shown} == set(ROLLING_LENGTHS)
    for kind, start, until in shown:
        assert until - start == ROLLING_LENGTHS[kind]
        assert end is None or until == end
        message = truth.window(start, until)
        result = counted(state, kind, start)
        del message["countries"], result["countries"]
        for topic in result["topics"].values():
            assert [topic[name] for name in ("exclusive_queries", "top_1", "top_10")] == [None] * 3
        for topic in (*message["topics"].values(), *result["topics"].values()):
            for name in ("categories", "exclusive_queries", "top_1", "top_10"):
                del topic[name]
        assert result == message, kind


def outcomes(state: Path) -> dict[str, int]:
    """All lines by outcome."""
    db = sqlite3.connect(state / "donkeywatch.db")
    rows = db.execute(
        "select detail, sum(value) from counters where name = 'lines' group by detail"
    ).fetchall()
    db.close()
    return {outcome: lines for outcome, lines in rows if lines}


def counters(state: Path) -> dict[str, int]:
    """Counters other than lines, summed over their subjects."""
    db = sqlite3.connect(state / "donkeywatch.db")
    rows = db.execute(
        "select name, sum(value) from counters where name != 'lines' group by name"
    ).fetchall()
    db.close()
    return dict(rows)


@dataclass(frozen=True)
class FixedKeys:
    """Keys of fingerprints that never change; ``week`` is the current one."""

    week: int = 4 * 24 * 3_600_000

    def current(self) -> int:
        """The current week."""
        return self.week

    def key(self, week: int) -> bytes:
        """A key for any week."""
        return week.to_bytes(8, "big", signed=True) * 4
