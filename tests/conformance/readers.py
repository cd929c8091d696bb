"""donkeywatch as a reader under test: stepped in this process, or as a real one."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from conformance.fork_server import ForkServer
from conformance.site import Case, Tally
from donkeywatch.counting.calendar import SECOND
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Checkpoint
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation

PATIENCE = 20.0
"""Seconds after which a daemon that has not counted what it should has lost it."""
LEXICON = Simulation(
    start=datetime(2026, 9, 28, tzinfo=UTC), hours=1, queries=10, addresses=10, terms=10
)
"""Of few words: it is opened thousands of times."""


def write_settings(directory: Path, case: Case, more: str = "") -> Path:
    """A daemon's settings for the log in ``directory/logs``; ``more`` is TOML to add."""
    path = simulation_directory.write_settings(LEXICON, directory)
    text = path.read_text().replace('"search.log"', '"logs/search.log"')
    assert "logs/search.log" in text
    polling = case.wakeup == "polling"
    path.write_text(
        f"{text}\n[checkpoint]\ninterval = 0.05\n[http]\nport = 0\n"
        f"[follow]\nscan_interval = {0.1 if polling else 1.0}\n"
        f"watch_files = {str(not polling).lower()}\n{more}"
    )
    return path


def tally(state: Path) -> Tally:
    """All queries, and distinct pseudonyms; every line of a site is of the same week."""
    path = state / "donkeywatch.db"
    if not path.exists():
        return Tally(0, 0)
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        db.execute("begin")
        total = db.execute(
            "select coalesce(sum(value), 0) from counters where name = 'lines' and detail = 'query'"
        ).fetchone()[0]
        blobs = db.execute("select pseudonyms from segments").fetchall()
    except sqlite3.OperationalError:  # before the tables are made
        return Tally(0, 0)
    finally:
        db.close()
    observed = {blob[i : i + 8] for (blob,) in blobs for i in range(0, len(blob), 8)}
    return Tally(total, len(observed))


class Stepped:
    """An engine in this process, whose clock goes on a second with every look."""

    STEP = SECOND

    def __init__(self, directory: Path, case: Case) -> None:
        self.settings = write_settings(directory, case)
        self.state = directory / "state"
        self.now = time.time_ns() // 1_000_000
        self.engine: Engine | None = None

    def start(self) -> None:
        """Open the engine and let it look once."""
        self.engine = Engine(loader.load(self.settings, {}), self.now)
        self.tick()

    def tick(self, step: int = STEP) -> None:
        """Let time go on, and look."""
        assert self.engine is not None
        self.now += step
        while self.engine.tick(self.now):
            pass

    def stop(self) -> None:
        """Commit and close."""
        assert self.engine is not None
        self.engine.commit(self.now, self.now)
        self.engine.close()
        self.engine = None

    def kill(self) -> None:
        """Read, and end before the commit."""
        assert self.engine is not None
        self.engine.settings = self.engine.settings.model_copy(
            update={"checkpoint": Checkpoint(interval=60)}
        )
        self.tick(10)
        self.engine.close()
        self.engine = None

    def look(self, lines: int, seconds: float = 0.0) -> None:
        """A look at the files, and more while they bring something and there is time."""
        for _ in range(3):
            self.tick()
        for _ in range(4):
            if tally(self.state).total >= lines:
                return
            self.tick(5 * SECOND)

    def tally(self) -> Tally:
        """From the tables."""
        return tally(self.state)


class Daemon:
    """`donkeywatch run`, forked from a fork server; a real process that can really be killed."""

    def __init__(self, directory: Path, case: Case, fork_server: ForkServer) -> None:
        self.settings = write_settings(directory, case)
        self.state = directory / "state"
        self.errors = directory / "errors.txt"
        self.errors.touch()
        self.files: int | None = None
        """Limit of open files of the next life."""
        self._fork_server = fork_server
        self.pid: int | None = None

    def start(self) -> None:
        """Start it; ends when it listens."""
        before = self.log_text().count("listening on")
        self.launch()
        self.until(lambda: self.log_text().count("listening on") > before)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        assert self.pid is None
        argv = ["run", "--config", str(self.settings)]
        self.pid = self._fork_server.fork(argv, self.errors, self.files)

    def log_text(self) -> str:
        """All messages so far, of all its lives."""
        return self.errors.read_text("utf-8")

    def url(self) -> str:
        """Where the running daemon answers."""
        return self.log_text().rpartition("listening on ")[2].split()[0]

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for something; an AssertionError when it does not come or the daemon dies."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.log_text()
            assert self.pid is not None
            assert self._fork_server.poll(self.pid) is None, self.log_text()
            time.sleep(0.01)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code of a life that is about to end."""
        assert self.pid is not None
        end = time.monotonic() + seconds
        while (code := self._fork_server.poll(self.pid)) is None:
            assert time.monotonic() < end, self.log_text()
            time.sleep(0.01)
        self.pid = None
        return code

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.pid is not None
        os.kill(self.pid, number)

    def stop(self) -> None:
        """SIGTERM; it must exit with 0 in good time and without a traceback."""
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.log_text()
        assert "Traceback" not in self.log_text()

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL, self.log_text()

    def look(self, lines: int, seconds: float = PATIENCE) -> None:
        """Wait until it has counted so many, or its time is over."""
        with contextlib.suppress(AssertionError):
            self.until(lambda: tally(self.state).total >= lines, seconds)

    def tally(self) -> Tally:
        """From the tables."""
        return tally(self.state)

    def close(self) -> None:
        """End it if it still runs."""
        if self.pid is not None:
            self.signal(signal.SIGKILL)
            self.wait()
