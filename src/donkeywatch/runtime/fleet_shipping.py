"""Shipping to a fleet from a process of its own, so that counting never waits for it."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import SECOND
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.fleet_lexicons import record_lexicon
from donkeywatch.settings.schema import Settings
from donkeywatch.store import outbox
from donkeywatch.store.outbox import OutboxEntry
from donkeywatch.store.store import Store

log = logging.getLogger("donkeywatch")
LOOK_MS = 5 * SECOND
"""Time between two looks whether hours wait."""
SHIPPING_SECONDS = 5.0
"""Time between two looks whether what a fleet is sent has arrived."""
RETRY_MS = 30 * SECOND
"""Time between two processes where the fleet does not answer."""
ASK_MS = 15 * 60 * SECOND
"""Time between two processes where there is nothing to ship: keys may wait."""


class _Running:
    """A process that ships, and what it has said."""

    def __init__(self, config: Path) -> None:
        command = (sys.executable, "-m", "donkeywatch", "fleet", "ship", "-c", str(config))
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._output, self._tail = os.fdopen(reading, "rb", buffering=0), b""

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def read_events(self) -> list[dict[str, Any]]:
        """Give what it has said since the last time, a JSON object a line."""
        *lines, self._tail = (self._tail + (self._output.read() or b"")).split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> None:
        """Kill it if it runs."""
        self._process.kill()
        self._process.wait()
        self._output.close()


class FleetShipping:
    """Starts a process whenever hours wait, or keys may; takes note of what has arrived."""

    def __init__(self, config: Path, settings: Settings) -> None:
        self._config, self._settings = config, settings
        self._running: _Running | None = None
        self._next_start = self._next_look = 0
        self.pending = 0
        """Closed hours that have not arrived."""
        self.problem = ""
        """Why the last process could not ship; empty where it could."""

    def step(self, engine: Engine, now: int, steady: int) -> None:
        """Take note of what has arrived, and start a process when it is time; both in ms.

        What fails is tried again later: the logs come first.
        """
        try:
            self._step(engine, now, steady)
        except (OSError, sqlite3.Error) as error:
            self._next_start = steady + RETRY_MS
            self._note_problem(f"shipping waits ({type(error).__name__})")

    def _step(self, engine: Engine, now: int, steady: int) -> None:
        if self._running is None:
            if steady >= self._next_look:
                self._next_look = steady + LOOK_MS
                self.pending = len(outbox.pending(engine.store.connection))
            if steady >= self._next_start or (self.pending and not self.problem):
                self._running = _Running(self._config)
            return
        code = self._running.exit_code
        self._take(self._running.read_events(), engine.store)
        if code is not None:
            self._finish(code, steady)
            record_lexicon(engine.store, self._settings, engine.reference_data.lexicon, now)
            self.pending = len(outbox.pending(engine.store.connection))

    def close(self) -> None:
        """End the process; what it was shipping is shipped again."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _take(self, events: Sequence[dict[str, Any]], store: Store) -> None:
        for message in (event["problem"] for event in events if "problem" in event):
            self._note_problem(message)
        arrived = [OutboxEntry(*event["shipped"]) for event in events if "shipped" in event]
        if arrived:
            with store.transaction() as db:
                for entry in arrived:
                    outbox.mark_shipped(db, entry)

    def _note_problem(self, message: str) -> None:
        if message != self.problem:
            log.warning("fleet: %s", message)
        self.problem = message

    def _finish(self, code: int, steady: int) -> None:
        self.close()
        if code == 0 and self.problem:
            log.info("fleet: shipping goes on")
            self.problem = ""
        elif code and not self.problem:
            self._note_problem(f"the process that ships ended with code {code}")
        self._next_start = steady + (RETRY_MS if self.problem else ASK_MS)
