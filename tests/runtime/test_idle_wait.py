"""IdleWait: whatever happens to a log ends the wait at the next look; nothing else does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from donkeywatch.runtime.idle_wait import IdleWait, stamp
from donkeywatch.runtime.wakeup_watcher import WakeupWatcher

LONG_SECONDS = 60.0
"""Much longer than a test may take."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in a directory of its own."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "search.log"
    log.write_bytes(b"a line\n")
    return log


@pytest.fixture
def watcher(log: Path) -> Iterator[WakeupWatcher]:
    """A watcher without inotify: it rings by hand alone."""
    watcher = WakeupWatcher([log], enabled=False)
    yield watcher
    watcher.close()


@pytest.fixture
def idle_wait(log: Path, watcher: WakeupWatcher) -> IdleWait:
    """A wait for a log and its directory."""
    return IdleWait(watcher, lambda: [log, log.parent])


def append(log: Path) -> None:
    """Write a line more."""
    with log.open("ab") as file:
        file.write(b"another\n")


def rewrite(log: Path) -> None:
    """Write the log anew in place, of the same size."""
    log.write_bytes(b"b line\n")


def rename(log: Path) -> None:
    """Rotate it away."""
    log.rename(log.with_name("search.log.1"))


def replace(log: Path) -> None:
    """Put another file of the same content in its place."""
    other = log.with_name("other")
    other.write_bytes(b"a line\n")
    other.replace(log)


def forbid(log: Path) -> None:
    """Take away the right to read it."""
    log.chmod(0)


def compress(log: Path) -> None:
    """Let a rotated file appear beside it."""
    (log.parent / "search.log.2.gz").touch()


def remove_directory(log: Path) -> None:
    """Remove it with its directory."""
    log.unlink()
    log.parent.rmdir()


@pytest.mark.parametrize(
    "change",
    [append, rewrite, rename, replace, forbid, compress, remove_directory],
)
def test_a_change_of_a_log_or_its_directory_ends_the_wait(
    idle_wait: IdleWait, log: Path, change: Callable[[Path], None]
) -> None:
    """One that comes after the note, before the wait or in it."""
    idle_wait.note()
    change(log)
    began = time.monotonic()
    idle_wait.wait(0.01, began + LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_write_to_another_file_does_not_end_the_wait(idle_wait: IdleWait, log: Path) -> None:
    """A neighbour that is written all the time costs nothing."""
    other = log.with_name("other.log")
    other.touch()
    idle_wait.note()
    append(other)
    began = time.monotonic()
    idle_wait.wait(0.01, began + 0.1)
    assert time.monotonic() - began >= 0.1


def test_a_ring_ends_the_wait(idle_wait: IdleWait, watcher: WakeupWatcher) -> None:
    """As a signal does, whatever the files are."""
    idle_wait.note()
    threading.Timer(0.05, watcher.wake).start()
    began = time.monotonic()
    idle_wait.wait(LONG_SECONDS, began + LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_time_that_is_over_lets_one_interval_pass(idle_wait: IdleWait) -> None:
    """So that the loop sleeps between two turns also where nothing is idle."""
    idle_wait.note()
    began = time.monotonic()
    idle_wait.wait(0.05, began)
    assert 0.05 <= time.monotonic() - began < LONG_SECONDS / 2


def test_paths_are_found_anew_after_a_change(watcher: WakeupWatcher, tmp_path: Path) -> None:
    """A symbolic link may lead into another directory then."""
    link = tmp_path / "current"
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "search.log").touch()
    link.symlink_to(tmp_path / "monday" / "search.log")
    idle_wait = IdleWait(watcher, lambda: [link, Path(os.path.realpath(link)).parent])
    idle_wait.note()
    link.unlink()
    link.symlink_to(tmp_path / "tuesday" / "search.log")
    idle_wait.wait(0.01, time.monotonic() + LONG_SECONDS)
    idle_wait.note()
    (tmp_path / "tuesday" / "search.log.1").touch()
    began = time.monotonic()
    idle_wait.wait(0.01, began + LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_write_to_an_open_file_that_was_renamed_ends_the_wait(
    watcher: WakeupWatcher, log: Path
) -> None:
    """A server that is not told of a rotation goes on writing there; no name may lead to it."""
    with log.open("ab") as file:
        log.rename(log.with_name("search.log.1"))
        idle_wait = IdleWait(watcher, lambda: [log, log.parent, file.fileno()])
        idle_wait.note()
        append(log.with_name("search.log.1"))
        began = time.monotonic()
        idle_wait.wait(0.01, began + LONG_SECONDS)
        assert time.monotonic() - began < LONG_SECONDS / 2


def test_the_stamp_of_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    """And that it comes is a change."""
    log = tmp_path / "search.log"
    assert stamp(log) is None
    log.touch()
    assert stamp(log) is not None
