"""A new word list is taken when an hour begins, so that no hour is counted with two of them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, iso_utc, to_ms
from donkeywatch.ingest import lexicon_file
from donkeywatch.runtime import service as service_module
from donkeywatch.runtime.lexicon_swap import LexiconSwap
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.runtime.service import Service
from donkeywatch.settings import loader
from support.log_writer import LogWriter, numbered_address, search_line
from support.simulated_server import START, counted

LEXICON = """title = "nonsense"
[topics.first.groups]
one = ["{word}"]
[[topics.first.categories]]
id = "one"
all = ["one"]
"""
OLD, NEW = "qvortelz", "xkarnoz"
NOON = to_ms(START) + 12 * HOUR


@dataclass
class SteppedDaemon:
    """A daemon that is stepped by hand, under a clock that stands until it is moved."""

    directory: Path
    time: int = NOON + 30 * MINUTE
    _lines: int = 0

    def __post_init__(self) -> None:
        self.settings = self.directory / "settings.toml"
        self.log = self.directory / "search.log"
        self.log.touch()
        self.write_lexicon(OLD)
        self.settings.write_text(
            'state = "state"\nlexicon = "lexicon.toml"\n[http]\nport = 0\n'
            '[time]\nlateness = 60\n[[source]]\npath = "search.log"\nformat = "tsv"\n'
        )
        self.service: Service

    def write_lexicon(self, word: str) -> None:
        """Put a list of one word in its place."""
        path = self.directory / "lexicon.toml"
        path.write_text(LEXICON.format(word=word), "utf-8")
        path.chmod(0o600)

    def start(self) -> None:
        """Make a daemon."""
        self.service = Service(self.settings, loader.load(self.settings, {}))

    def end(self) -> None:
        """End it; it stores what it read and gives back what it holds."""
        self.service._stopping = True
        self.service.run()

    def search(self, *words: str) -> None:
        """Log a search for each word, of an address of its own, and have it counted."""
        for word in words:
            self._lines += 1
            LogWriter(self.log).log_search(self.time, numbered_address(self._lines), word)
        self.step()

    def step(self) -> None:
        """Take two turns of the loop: one reads, and one stores."""
        for _ in range(2):
            self.service._wakeup.wake()
            self.service._step()
            self.time += SECOND

    def move_to(self, time: int) -> None:
        """Move both clocks on, a minute a turn, as time passes."""
        while self.time < time:
            self.time = min(self.time + MINUTE, time)
            self.service._wakeup.wake()
            self.service._step()

    def flagged(self, hour: int) -> tuple[int, int]:
        """Give the queries of a closed hour, and those that are flagged."""
        window = counted(self.directory / "state", "hour", hour)
        return window["queries"], window["topics"]["first"]["queries"]

    def breaks(self) -> list[tuple[str, int]]:
        """Give the kind and time of each break."""
        with sqlite3.connect(self.directory / "state" / "donkeywatch.db") as database:
            return list(database.execute("select kind, time from breaks order by id"))


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedDaemon]:
    """A daemon that runs with the old list."""
    made = SteppedDaemon(tmp_path)
    monkeypatch.setattr(service_module, "wall_ms", lambda: made.time)
    monkeypatch.setattr(service_module, "monotonic_ms", lambda: made.time)
    made.start()
    yield made
    made.end()


def test_each_hour_is_counted_with_one_list(
    daemon: SteppedDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one up to the hour's end, the new one from then on; the break stands between."""
    caplog.set_level(logging.INFO)
    daemon.search(OLD, NEW)
    daemon.write_lexicon(NEW)
    daemon.service._reload()
    assert f"when the next hour begins, at {iso_utc(NOON + HOUR)}" in caplog.text
    daemon.search(OLD, OLD, NEW)
    assert daemon.breaks() == []
    daemon.move_to(NOON + HOUR)
    assert "the new word list is taken" in caplog.text
    daemon.search(OLD, NEW, NEW, NEW)
    daemon.move_to(NOON + 2 * HOUR + 5 * MINUTE)
    assert daemon.flagged(NOON) == (5, 3)
    assert daemon.flagged(NOON + HOUR) == (4, 3)
    ((kind, time),) = daemon.breaks()
    assert kind == "lexicon"
    assert NOON + HOUR <= time <= NOON + HOUR + MINUTE


def test_a_list_that_was_put_back_changes_nothing(daemon: SteppedDaemon) -> None:
    """Neither at once nor when the hour ends."""
    for word in (NEW, OLD):
        daemon.write_lexicon(word)
        daemon.service._reload()
    daemon.move_to(NOON + HOUR)
    daemon.search(OLD, NEW)
    assert daemon.breaks() == []


def test_other_settings_do_not_wait_for_the_list(
    daemon: SteppedDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    """They are taken at once, the list with the hour."""
    caplog.set_level(logging.INFO)
    daemon.write_lexicon(NEW)
    text = daemon.settings.read_text("utf-8").replace("lateness = 60", "lateness = 30")
    daemon.settings.write_text(text, "utf-8")
    daemon.service._reload()
    assert "settings reloaded: time.lateness" in caplog.text
    assert daemon.service._engine.settings.time.lateness == 30
    assert daemon.breaks() == []
    daemon.move_to(NOON + HOUR)
    assert [kind for kind, _ in daemon.breaks()] == ["lexicon"]
    assert daemon.service._engine.settings.time.lateness == 30


def test_a_restart_takes_the_list_at_once(daemon: SteppedDaemon) -> None:
    """Who cannot wait for the hour restarts the daemon."""
    daemon.search(OLD)
    daemon.write_lexicon(NEW)
    daemon.service._reload()
    daemon.end()
    daemon.start()
    assert [kind for kind, _ in daemon.breaks()] == ["lexicon"]


def test_the_list_waits_until_the_logs_are_read_up_to_the_hour(daemon: SteppedDaemon) -> None:
    """Lines of the old hour that are not read yet belong to the old list."""
    daemon.search(OLD)
    engine = daemon.service._engine
    running = engine.reference_data
    daemon.write_lexicon(NEW)
    new = ReferenceData(lexicon_file.load(daemon.directory / "lexicon.toml"), running.countries)
    _, swap = LexiconSwap.for_new_list(new, running, daemon.time)
    assert swap is not None
    hour, old = NOON + HOUR, search_line(NOON + 50 * MINUTE, "2001:db8::99", OLD)
    LogWriter(daemon.log).append(old * 100_000)  # More than a block.
    engine.tick(hour, hour, lambda: True)
    assert not swap.is_due(engine, hour, hour)
    while engine.tick(hour, hour):
        pass
    assert not swap.is_due(engine, hour - 1, hour)
    assert swap.is_due(engine, hour, hour)
