"""IdleWait: whatever happens to a log ends the wait at the next look; nothing else does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from donkeywatch.runtime import idle_wait as module
from donkeywatch.runtime.idle_wait import (
    ANNOUNCED_LOOK_SECONDS,
    ANNOUNCEMENT_SECONDS,
    MINUTE_SECONDS,
    IdleWait,
    stamp,
)  # fmt: skip
from donkeywatch.runtime.wakeup_watcher import WakeupWatcher

LONG_SECONDS = 60.0
"""Much longer than a test may take."""


INTERVAL_SECONDS = 0.25
"""Time between two looks where nothing announces changes."""


class Clock:
    """A wall clock that tests set; it goes on like the monotonic one."""

    def __init__(self) -> None:
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """Show a time (s) from now on."""
        self._ahead = seconds - time.monotonic()

    def __call__(self) -> float:
        """Give its time (s)."""
        return time.monotonic() + self._ahead


class Announcer(WakeupWatcher):
    """A watcher that watches, and announces by script: how long it is waited for, and to what end.

    No time passes in its waits.
    """

    is_watching = True

    def __init__(self, *answers: bool, on_wait: Callable[[], object] = lambda: None) -> None:
        self.answers, self.on_wait = list(answers), on_wait
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        """Answer as the script says; with nothing left in it, as for a ring."""
        self.waits.append(seconds)
        self.on_wait()
        return self.answers.pop(0) if self.answers else True


@pytest.fixture
def clock() -> Clock:
    """A wall clock at the beginning of a minute."""
    return Clock()


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
def idle_wait(log: Path, watcher: WakeupWatcher, clock: Clock) -> IdleWait:
    """A wait for a log and its directory."""
    return IdleWait(watcher, lambda: [log, log.parent], clock)


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
    idle_wait.wait(0.01, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_write_to_another_file_does_not_end_the_wait(idle_wait: IdleWait, log: Path) -> None:
    """A neighbour that is written all the time costs nothing."""
    other = log.with_name("other.log")
    other.touch()
    idle_wait.note()
    append(other)
    began = time.monotonic()
    idle_wait.wait(0.01, 0.1)
    assert time.monotonic() - began >= 0.1


def test_a_ring_ends_the_wait(idle_wait: IdleWait, watcher: WakeupWatcher) -> None:
    """As a signal does, whatever the files are."""
    idle_wait.note()
    threading.Timer(0.05, watcher.wake).start()
    began = time.monotonic()
    idle_wait.wait(LONG_SECONDS, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_time_that_is_over_lets_one_interval_pass(idle_wait: IdleWait) -> None:
    """So that the loop sleeps between two turns also where nothing is idle."""
    idle_wait.note()
    began = time.monotonic()
    idle_wait.wait(0.05)
    assert 0.05 <= time.monotonic() - began < LONG_SECONDS / 2


def test_paths_are_found_anew_after_a_change(
    watcher: WakeupWatcher, clock: Clock, tmp_path: Path
) -> None:
    """A symbolic link may lead into another directory then."""
    link = tmp_path / "current"
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "search.log").touch()
    link.symlink_to(tmp_path / "monday" / "search.log")
    idle_wait = IdleWait(watcher, lambda: [link, Path(os.path.realpath(link)).parent], clock)
    idle_wait.note()
    link.unlink()
    link.symlink_to(tmp_path / "tuesday" / "search.log")
    idle_wait.wait(0.01, LONG_SECONDS)
    idle_wait.note()
    (tmp_path / "tuesday" / "search.log.1").touch()
    began = time.monotonic()
    idle_wait.wait(0.01, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_write_to_an_open_file_that_was_renamed_ends_the_wait(
    watcher: WakeupWatcher, clock: Clock, log: Path
) -> None:
    """A server that is not told of a rotation goes on writing there; no name may lead to it."""
    with log.open("ab") as file:
        log.rename(log.with_name("search.log.1"))
        idle_wait = IdleWait(watcher, lambda: [log, log.parent, file.fileno()], clock)
        idle_wait.note()
        append(log.with_name("search.log.1"))
        began = time.monotonic()
        idle_wait.wait(0.01, LONG_SECONDS)
        assert time.monotonic() - began < LONG_SECONDS / 2


def test_the_stamp_of_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    """And that it comes is a change."""
    log = tmp_path / "search.log"
    assert stamp(log) is None
    log.touch()
    assert stamp(log) is not None


@pytest.mark.parametrize("seconds", [-3600.0, -2.0, 2.0, 3600.0])
def test_a_jump_of_the_wall_clock_ends_the_wait(
    idle_wait: IdleWait, clock: Clock, seconds: float
) -> None:
    """Forwards as well as backwards: what waits for the clock, or is doubted, is looked at."""
    idle_wait.note()
    clock.set(clock() + seconds)
    began = time.monotonic()
    idle_wait.wait(0.01, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


@pytest.mark.usefixtures("_settled")
def test_a_whole_minute_ends_the_wait(idle_wait: IdleWait, clock: Clock) -> None:
    """Windows end there."""
    clock.set(MINUTE_SECONDS - 0.1)
    idle_wait.note()
    idle_wait.wait(0.01, LONG_SECONDS)
    assert MINUTE_SECONDS <= clock() < MINUTE_SECONDS + LONG_SECONDS / 2


@pytest.mark.usefixtures("_settled")
def test_a_minute_that_began_during_the_turn_ends_the_wait(
    idle_wait: IdleWait, clock: Clock
) -> None:
    """The turn has read the clock before: it has closed no window of that minute."""
    clock.set(MINUTE_SECONDS - 0.01)
    idle_wait.note()
    while clock() < MINUTE_SECONDS:
        pass
    began = time.monotonic()
    idle_wait.wait(0.01, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2


@pytest.fixture
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look, and names that change, are long ago."""
    monkeypatch.setattr(module, "STARTING_SECONDS", 0.0)
    monkeypatch.setattr(module, "SETTLING_SECONDS", 0.0)


@pytest.mark.usefixtures("_settled")
def test_where_changes_are_announced_the_stamps_are_looked_at_more_seldom(
    log: Path, clock: Clock
) -> None:
    """The time until a turn that is due bounds it, and so does the interval."""
    for idle_seconds, pause in (
        (LONG_SECONDS, ANNOUNCED_LOOK_SECONDS), (2.0, 2.0), (0.0, INTERVAL_SECONDS)
    ):  # fmt: skip
        announcer = Announcer()
        idle_wait = IdleWait(announcer, lambda: [log], clock)
        idle_wait.note()
        idle_wait.wait(INTERVAL_SECONDS, idle_seconds)
        assert announcer.waits == [pytest.approx(pause, abs=0.5)]


@pytest.mark.usefixtures("_settled")
@pytest.mark.parametrize("is_announced", [False, True])
def test_a_write_that_is_not_announced_makes_looks_frequent_for_good(
    log: Path, clock: Clock, is_announced: bool
) -> None:
    """As on a network file system; one may be announced a moment after it is seen."""
    announcer = Announcer(False, is_announced, on_wait=lambda: append(log))
    idle_wait = IdleWait(announcer, lambda: [log, log.parent], clock)
    for _ in range(2):
        idle_wait.note()
        idle_wait.wait(INTERVAL_SECONDS, LONG_SECONDS)
    pause = ANNOUNCED_LOOK_SECONDS if is_announced else INTERVAL_SECONDS
    assert announcer.waits == [ANNOUNCED_LOOK_SECONDS, ANNOUNCEMENT_SECONDS, pause]


@pytest.mark.usefixtures("_settled")
@pytest.mark.parametrize("change", [compress, forbid, rename, replace])
def test_what_is_no_write_need_not_be_announced(
    log: Path, clock: Clock, change: Callable[[Path], None]
) -> None:
    """Other names in the directory, a mode, a file renamed away by another name."""
    announcer = Announcer(False, on_wait=lambda: change(log) if log.exists() else None)
    idle_wait = IdleWait(announcer, lambda: [log, log.parent], clock)
    for _ in range(2):
        idle_wait.note()
        idle_wait.wait(INTERVAL_SECONDS, LONG_SECONDS)
    assert announcer.waits == [ANNOUNCED_LOOK_SECONDS, ANNOUNCED_LOOK_SECONDS]


@pytest.mark.usefixtures("_settled")
def test_a_real_watcher_announces_what_is_written(log: Path, clock: Clock) -> None:
    """So that looks stay seldom; it rings for the files that it begins to watch."""
    watcher = WakeupWatcher([log])
    try:
        end = time.monotonic() + 30
        while time.monotonic() < end and (watcher.wait(1) or not watcher.is_watching):
            pass
        assert watcher.is_watching
        idle_wait = IdleWait(watcher, lambda: [log], clock)
        idle_wait.note()
        append(log)
        idle_wait.wait(0.01, LONG_SECONDS)
        assert idle_wait._is_announced
    finally:
        watcher.close()


@pytest.mark.parametrize("change", [compress, rename, replace])
def test_after_a_change_of_names_looks_and_turns_are_frequent_for_a_while(
    log: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """What becomes of a rotated file is decided by times, and new names are judged by them."""
    monkeypatch.setattr(module, "STARTING_SECONDS", 0.0)
    announcer = Announcer(False)
    idle_wait = IdleWait(announcer, lambda: [log, log.parent], clock)
    idle_wait.note()
    change(log)
    idle_wait.note()
    began = time.monotonic()
    announcer.on_wait = lambda: time.sleep(0.01)
    announcer.answers = [False] * 10_000
    monkeypatch.setattr(module, "SETTLING_TURN_SECONDS", 0.1)
    idle_wait.wait(INTERVAL_SECONDS, LONG_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS / 2
    assert set(announcer.waits) == {INTERVAL_SECONDS}


def test_after_the_first_look_looks_are_frequent_for_a_while(log: Path, clock: Clock) -> None:
    """A rotated file may be there already, whose last line is waited for."""
    announcer = Announcer()
    idle_wait = IdleWait(announcer, lambda: [log], clock)
    idle_wait.note()
    idle_wait.wait(INTERVAL_SECONDS, LONG_SECONDS)
    assert announcer.waits == [INTERVAL_SECONDS]
