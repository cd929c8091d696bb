"""The page beside a real daemon: new lines, and a restart."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from donkeywatch.counting.calendar import to_ms
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.browsing import view
from support.log_writer import LogWriter, search_line
from support.simulated_server import START

SOON = int(os.environ.get("DONKEYWATCH_SOON", "30000"))
"""Ms within which a new line is on the page; 3000 on a machine that does nothing else."""


class Daemon:
    """`donkeywatch run` on a log that the test writes."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.log = directory / simulation_directory.LIVE
        self.log.touch()
        sim = Simulation(seed=61, start=START, hours=1, queries=50, addresses=50)
        self._settings = simulation_directory.write_settings(sim, directory)
        port = self.url.rpartition(":")[2]
        with self._settings.open("a") as more:
            more.write(f"\n[http]\nport = {port}\n")

    def write(self, searches: int, age: float = 180) -> None:
        """Append searches that nothing flags, from 192.0.2.1 and on, stamped so long ago (s)."""
        time = to_ms(datetime.now(UTC) - timedelta(seconds=age))
        lines = [search_line(time, f"192.0.2.{i + 1}", "windmill") for i in range(searches)]
        LogWriter(self.log).append(b"".join(lines))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Until the block ends, which ends the daemon as systemd does."""
        command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(self._settings)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(self._ready)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def queries(self, window: str) -> int:
        """Queries of a window, as /api/v1/fractions has it."""
        answer = httpx.get(f"{self.url}/api/v1/fractions", trust_env=False).json()
        return sum(w["queries"] for w in answer["windows"] if w["window"] == window)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Until something is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """Not running yet, its log empty."""
    return Daemon(tmp_path)


def test_a_new_line_is_on_the_page_soon_and_a_restart_is_survived(
    daemon: Daemon, browser: Browser
) -> None:
    """Soon after being written a line is in the table, without a reload.

    While the daemon is down the page says so, and since when; after the restart it says that all
    is well and shows what was written meanwhile. Its figures are those of the API.
    """
    with view(browser) as observed:
        cell = observed.page.locator("#rows-0 tr", has_text="last 24 hours").locator("td").nth(2)
        health = observed.page.locator("#health")
        with daemon.running():
            daemon.write(5)
            wait_until(lambda: daemon.queries("24h") == 5)
            observed.open(daemon.url)
            expect(cell).to_have_text("0of 5")
            observed.page.evaluate("window.loaded = 'once'")
            daemon.write(2)
            expect(cell).to_have_text("0of 7", timeout=SOON)
            expect(health).to_contain_text("7 queries counted")
        expect(health).to_have_attribute("data-state", "lost")
        expect(health).to_contain_text("No connection to the daemon since")
        expect(cell).to_have_text("0of 7")
        # What the browser itself says of the lost connection is not the page's.
        observed.answers = [text for text in observed.answers if not re.search("ERR_|net::", text)]
        daemon.write(4)
        with daemon.running():
            expect(health).to_have_attribute("data-state", "ready", timeout=30_000)
            expect(cell).to_have_text("0of 11")
            assert daemon.queries("24h") == 11
            assert observed.page.evaluate("window.loaded") == "once"
        observed.answers = [text for text in observed.answers if not re.search("ERR_|net::", text)]
        assert observed.answers == []
