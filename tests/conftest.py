"""What holds for every test, and what several modules look at."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from donkeywatch.publish.engine_status import Status
    from support.asking import Asked
    from support.browsing import Site
    from support.simulated_server import Simulated

# A busy machine is no fault of the code: nothing here is a timed test.
settings.register_profile("untimed", deadline=None)
# With other versions of what we build on: their interfaces are in question, not our own code.
settings.register_profile("few", settings.get_profile("untimed"), max_examples=20)
settings.load_profile("untimed")

LONGER_RUNS = ("DONKEYWATCH_QUERIES", "DONKEYWATCH_EXAMPLES", "DONKEYWATCH_CLOCK_EXAMPLES")
"""Who asks for more than the suite does waits for as long as it takes."""
if not os.environ.keys().isdisjoint(LONGER_RUNS):
    os.environ.setdefault("PYTEST_TIMEOUT", "0")

TRACED = "COVERAGE_PROCESS_CONFIG"
"""By which coverage has processes traced that are started."""

# What only some tests need is imported late: those with the lowest versions have no browser.


@pytest.fixture(autouse=True)
def _untraced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is marked so is not traced, nor are the threads and processes that it starts."""
    if request.node.get_closest_marker("untraced") is None:
        yield
        return
    monkeypatch.delenv(TRACED, raising=False)
    ours, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(of_threads)
    sys.settrace(ours)


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many threads run as the system allows."""

    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page over four counted weeks, ready."""
    from support.browsing import site_over

    with site_over(tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a screen; closed after each module, since its driver holds an event loop."""
    from support.browsing import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def _silent_server(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing formats a traceback in the server's thread.

    Python 3.11.7 cannot parse in two threads at once (python/cpython#106905), and pytest parses
    when a test fails.
    """
    caplog.set_level(logging.CRITICAL + 1, logger="uvicorn.error")


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, Status]:
    """A simulation of two weeks and a day, counted, and the engine's status."""
    from support.asking import count_simulation

    return count_simulation(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def ask(counted: tuple[Simulated, Status]) -> Iterator[Asked]:
    """The application over that simulation, without a token."""
    from support.asking import served

    with served(*counted) as request:
        yield request


@pytest.fixture
def small_server(tmp_path: Path) -> Simulated:
    """A small simulated server with one live log, and settings with a port of its own."""
    from donkeywatch.simulation.generator import Simulation
    from support.simulated_server import START, simulated

    sim = Simulation(seed=4, start=START, hours=24, queries=500, addresses=50)
    made = simulated(tmp_path / "server", sim, files=1)
    made.archive[0].rename(made.log)
    with made.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    return made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A file system of its own, and the image it is in."""
    tool = shutil.which("mkfs.ext4")
    if os.geteuid() != 0 or tool is None:
        pytest.skip("needs root and mkfs.ext4")
    image, mounted = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run([tool, "-q", "-F", image], check=True)
    mounted.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, mounted], check=False).returncode:
        pytest.skip("no loop device can be mounted here")
    yield image, mounted
    if mounted.is_mount():
        subprocess.run(["umount", mounted], check=True)
