"""Idle cost: what a daemon does that has nothing to count.

Counted in wake-ups, and as a ratio of processor time in one run: a share of a core says more of
the machine than of the daemon, by a factor of ten on a virtual machine that was idle before.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.cases import Ask, Begun, Make
from conformance.readers import Daemon, Stepped
from conformance.site import Case, Site

WAKEUPS_PER_SECOND = 4.0
"""Of all threads together, soon after a start or a new name: a look at time stamps a second, and a
turn each 5 s, which wakes up to a dozen times."""
WAKEUPS_PER_SETTLED_SECOND = 0.9
"""Later: a look each 10 s, a turn each minute."""
STARTING_SECONDS, SETTLING_SECONDS = 9.0, 21.0
"""Time from the start, and from a new name, until nothing is expected any more."""
POLLING_WAKEUPS_PER_SECOND = 25.0
"""With a scan each 0.1 s instead of each second."""
BESIDE_A_NEIGHBOUR = 4.0
"""Processor time beside a log that is always written, in times of that without one."""
MINUTE_SECONDS = 60.0
"""Each window of this length has one whole turn of the loop in it."""
WRITER = """
import time
with open("other.log", "ab", buffering=0) as other:
    while True:
        other.write(b"x" * 80 + b"\\n")
        time.sleep(0.0003)
        if other.tell() > 50_000_000:
            other.truncate(0)
"""


def count_wakeups(pid: int) -> int:
    """Times that any thread of a process stopped waiting."""
    total = 0
    for status in Path("/proc", str(pid), "task").glob("*/status"):
        [line] = [
            line for line in status.read_text().splitlines() if line.startswith("voluntary_ctxt")
        ]
        total += int(line.split()[1])
    return total


def processor_seconds(pid: int) -> float:
    """Processor time of all threads of a process."""
    tasks = Path("/proc", str(pid), "task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def core_share(reader: Daemon, seconds: float = MINUTE_SECONDS) -> float:
    """Share of a core that a daemon uses while nothing of its log is written."""
    assert reader.pid is not None
    before, began = processor_seconds(reader.pid), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(reader.pid) - before) / (time.monotonic() - began)


def wakeups_per_second(reader: Daemon, seconds: float = 5) -> float:
    """How often a daemon wakes while nothing of its log is written."""
    assert reader.pid is not None
    before, began = count_wakeups(reader.pid), time.monotonic()
    time.sleep(seconds)
    return (count_wakeups(reader.pid) - before) / (time.monotonic() - began)


def scan_seconds(directory: Path, sources: int = 1, other_files: int = 0) -> float:
    """Processor time (s) of one idle turn of the loop, the least of ten series."""
    (directory / "logs").mkdir(parents=True)
    reader = Stepped(directory, Case())
    site = Site(directory, reader, Case())
    with reader.settings.open("a") as settings:
        for number in range(1, sources):
            (site.directory / f"other-{number}.log").touch()
            settings.write(
                f'\n[[source]]\nname = "other{number}"\npath = "logs/other-{number}.log"\n'
                'format = "tsv"\n'
            )
    for number in range(other_files):
        (site.directory / f"session-{number}.txt").touch()
    reader.start()
    site.write(10)
    site.look()
    time.sleep(4)  # Until the time of the directory's last change is beyond doubt.
    series = []
    for _ in range(10):
        began = time.thread_time()
        for _ in range(20):
            reader.tick()
        series.append((time.thread_time() - began) / 20)
    assert site.outcome() == (0, 0)
    reader.stop()
    return min(series)


@pytest.mark.scenario("Z04")
@pytest.mark.parametrize(
    ("case", "most"),
    [(Case(), WAKEUPS_PER_SETTLED_SECOND), (Case(wakeup="polling"), POLLING_WAKEUPS_PER_SECOND)],
    ids=["watching", "polling"],
)
def test_an_idle_daemon_wakes_for_its_looks_alone(
    begun: Begun, case: Case, most: float, ask: Ask
) -> None:
    """A look every few seconds, or a scan each 0.1 s where it polls."""
    reader, site = begun(case)
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    time.sleep(STARTING_SECONDS)
    assert wakeups_per_second(reader, 30) < most
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XL1")
def test_a_neighbour_that_is_written_all_the_time(begun: Begun, ask: Ask) -> None:
    """Another file of the directory, 3,000 times a second: not one more wake-up.

    And no more processor time than alone, by up to `BESIDE_A_NEIGHBOUR`, in the same run.
    """
    reader, site = begun(Case())
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    (site.directory / "other.log").touch()
    time.sleep(SETTLING_SECONDS)
    single = core_share(reader)
    writer = subprocess.Popen([sys.executable, "-c", WRITER], cwd=site.directory)
    try:
        time.sleep(3)
        assert wakeups_per_second(reader) < WAKEUPS_PER_SECOND
        assert core_share(reader) < BESIDE_A_NEIGHBOUR * single
    finally:
        writer.kill()
        writer.wait()
    assert (site.directory / "other.log").stat().st_size > 100_000
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XL2")
def test_thousands_of_other_files(begun: Begun, ask: Ask) -> None:
    """20,000 other files beside the log wake nobody, and a rotation is found at once."""
    reader, site = begun(Case())
    for number in range(20_000):
        (site.directory / f"session-{number}.txt").touch()
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    time.sleep(4)  # Until the time of the last change is beyond doubt.
    assert wakeups_per_second(reader) < WAKEUPS_PER_SECOND
    site.rename()
    site.write(10)
    began = time.monotonic()
    site.look()
    assert time.monotonic() - began < 5
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XL2")
def test_a_scan_beside_thousands_of_other_files_costs_what_it_costs_alone(tmp_path: Path) -> None:
    """The directory is not listed again while it does not change."""
    single = scan_seconds(tmp_path / "one")
    assert scan_seconds(tmp_path / "two", other_files=20_000) < 3 * single


@pytest.mark.scenario("XL2")
def test_fifty_idle_sources(daemon: Make, tmp_path: Path, ask: Ask) -> None:
    """They wake the daemon no more often than one; a scan of all costs less than forty of one."""
    reader = daemon(Case())
    site = Site(tmp_path, reader, Case())
    with reader.settings.open("a") as settings:
        for number in range(49):
            (site.directory / f"other-{number}.log").touch()
            settings.write(
                f'\n[[source]]\nname = "other{number}"\npath = "logs/other-{number}.log"\n'
                'format = "tsv"\n'
            )
    reader.start()
    site.write(10)
    site.look()
    time.sleep(4)
    assert wakeups_per_second(reader) < WAKEUPS_PER_SECOND
    assert site.outcome() == (0, 0)
    reader.stop()
    single = scan_seconds(tmp_path / "one")
    assert scan_seconds(tmp_path / "fifty", sources=50) < 40 * single
