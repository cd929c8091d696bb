"""A week of millions of addresses, in a daemon whose clock comes to the end of it.

`make bench-week` runs it: catching up, a restart, and how long the week takes to close while single
lines are written. The wall clock is shifted by libfaketime (Debian: faketime). Loopback only.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon.__main__ import daemon, peak, queries, visible, week

LATENESS = 20
"""Seconds after its end that the week is closed."""
BEFORE, AFTER = 60, 40
"""Seconds before the end of the week at which the clock begins, and how long it is watched."""
PAUSE, BETWEEN = 0.05, 0.5
"""Seconds between two looks at /metrics, and between two lines: a scrape takes the interpreter
from the counting, and a hundred a second, which nobody makes, would be what is measured."""
PROGRAM = (
    # libfaketime's clock_nanosleep takes the monotonic clock for the shifted one.
    "import select, time; time.sleep = lambda s: select.select([], [], [], s) and None\n"
    "from donkeywatch import cli; cli.main()"
)
CLOSED = "select queries, addresses from windows where kind = 'week' and closed = 1"


def library() -> Path:
    """Where libfaketime is."""
    for path in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        return path
    sys.exit("libfaketime is not installed: apt-get install faketime")


def surroundings(ahead: int) -> dict[str, str]:
    """What has a process believe that it is so many seconds later."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{ahead:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def ready(url: str) -> bool:
    """Does the daemon say that it is?"""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10):
            return True
    except urllib.error.HTTPError:
        return False


def closed(state: Path) -> tuple[int, int] | None:
    """Queries and addresses of the week once it is closed."""
    uri = f"{(state / 'donkeywatch.db').as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        rows: tuple[int, int] | None = db.execute(CLOSED).fetchone()
        return rows


def watched(
    url: str, log: Path, state: Path, clock: timedelta, end: datetime
) -> Iterator[tuple[float, float, bool]]:
    """By look: seconds since the week was due, how long a line took, and whether it is closed."""
    while True:
        since = (datetime.now(UTC) + clock - end).total_seconds() - LATENESS
        took = visible(url, log, datetime.now(UTC) + clock, PAUSE)
        yield since, took, closed(state) is not None
        time.sleep(BETWEEN)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=lambda text: int(float(text)), default=15_000_000)
    parser.add_argument("--lines", type=lambda text: int(float(text)), default=20_000_000)
    options = parser.parse_args()
    # A Monday to come: all that is written lies in the one week before it.
    end = datetime(2030, 1, 7, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as name:
        place, log = Path(name), Path(name) / "search.log"
        week(
            log,
            options.addresses,
            options.lines,
            end - timedelta(days=7),
            end - timedelta(minutes=15),
        )
        more = f"[time]\nlateness = {LATENESS}\n"
        command = (sys.executable, "-c", PROGRAM)
        ahead = int((end - datetime.now(UTC)).total_seconds()) - 600
        with daemon(place, 0.1, more, command, surroundings(ahead)) as (process, url):
            start = time.perf_counter()
            while queries(url) < options.lines:
                time.sleep(0.5)
            print(f"caught up: {options.lines / (time.perf_counter() - start):,.0f} lines/s")
            while not ready(url):
                time.sleep(0.1)
            print(f"all of it is shown; peak RSS {peak(process):.0f} MB")
        ahead = int((end - datetime.now(UTC)).total_seconds()) - BEFORE
        start = time.perf_counter()
        with daemon(place, 0.1, more, command, surroundings(ahead)) as (process, url):
            while not ready(url):
                time.sleep(0.02)
            print(f"restart to ready: {time.perf_counter() - start:.1f} s")
            looks = list[tuple[float, float, bool]]()
            for look in watched(url, log, place / "state", timedelta(seconds=ahead), end):
                looks.append(look)
                if look[0] > AFTER:
                    break
            print(f"peak RSS while the week is closed: {peak(process):.0f} MB")
        tell(looks, closed(place / "state"), options.addresses)


def tell(
    looks: list[tuple[float, float, bool]], result: tuple[int, int] | None, addresses: int
) -> None:
    """Print how long closing took, what a line took before, meanwhile and after, and the count."""
    done = next((since for since, _, is_closed in looks if is_closed), None)
    print("the week was not closed" if done is None else f"closing the week: {done:.1f} s")
    for message, low, high in (
        ("before", -1e9, 0.0),
        ("while closing", 0.0, 10.0),
        ("after", 10, 1e9),
    ):
        took = [wait for since, wait, _ in looks if low <= since < high]
        if took:
            middle = statistics.median(took)
            print(
                f"written to visible {message}: median {middle:.2f} s, max {max(took):.2f} s"
                f" in {len(took)} lines"
            )
    if result is not None:
        # The address of the single lines is one more.
        message = "exact" if result[1] == addresses + 1 else "NOT exact"
        print(f"addresses of the week: {result[1]:,}, {message}")


if __name__ == "__main__":
    main()
