"""A wall clock that jumps, seen by one daemon of the soak alone; through libfaketime."""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""None where libfaketime is not installed: then the clock does not jump."""
PROGRAM = (
    "import select, time; time.sleep = lambda s: select.select([], [], [], s) and None\n"
    "from donkeywatch import cli; cli.main()"
)
"""The daemon, sleeping in a call that libfaketime does not take for one of the shifted clock."""
HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400
JUMPS_SECONDS = {
    "minutes ahead": 900,
    "eight days ahead": 8 * DAY_SECONDS,
    "years ahead": 3_700 * DAY_SECONDS,
    "hours back": -3 * HOUR_SECONDS,
    "1970": -20_000 * DAY_SECONDS,
}


class JumpingClock(threading.Thread):
    """Shows another time for some seconds at a time; in between it is right."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.jumps: Counter[str] = Counter()
        self._file = directory / "clock"
        self._rng = rng
        self._show(0)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process see this clock."""
        if LIBRARY is None:
            return {}
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    @property
    def command(self) -> list[str]:
        """How a daemon is started that sees it; empty where none can."""
        return [sys.executable, "-c", PROGRAM] if LIBRARY else []

    def run(self) -> None:
        """Jump, wait, and come back, until told to stop."""
        wait = self._rng.uniform(1, 4)
        while LIBRARY and not self.stopping.wait(wait):
            name = self._rng.choice(list(JUMPS_SECONDS))
            self.jumps[name] += 1
            self._show(JUMPS_SECONDS[name])
            self.stopping.wait(self._rng.uniform(0.5, 6))
            self._show(0)
            wait = self._rng.uniform(3, 20)

    def _show(self, seconds: int) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(f"{seconds:+d}\n")
        part.replace(self._file)
