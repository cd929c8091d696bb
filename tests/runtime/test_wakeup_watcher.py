"""The loop wakes up, whoever wakes it and whenever."""

from __future__ import annotations

import faulthandler
import random
import signal
import threading
import time
from pathlib import Path

from donkeywatch.runtime.wakeup_watcher import WakeupWatcher


def test_a_ring_ends_the_wait_and_is_answered_once() -> None:
    """Also one that came before; many count as one."""
    watcher = WakeupWatcher([], enabled=False)
    for _ in range(3):
        watcher.wake()
    before = time.monotonic()
    watcher.wait(20)
    assert time.monotonic() - before < 10
    threading.Timer(0.05, watcher.wake).start()
    watcher.wait(20)
    assert time.monotonic() - before < 10
    watcher.wait(0.01)


def test_a_ring_by_hand_ends_a_pause_and_the_wait_after_it() -> None:
    """A signal is obeyed at once, also while a growing log is left alone."""
    watcher = WakeupWatcher([], enabled=False)
    threading.Timer(0.05, watcher.wake).start()
    before = time.monotonic()
    watcher.sleep(20)
    watcher.wait(20)
    assert time.monotonic() - before < 10


def test_a_change_of_a_file_ends_no_pause(tmp_path: Path) -> None:
    """It is answered by the next wait."""
    watcher = WakeupWatcher([tmp_path / "search.log"])
    try:
        stop = threading.Event()
        writer = threading.Thread(target=_write, args=(tmp_path / "search.log", stop))
        writer.start()
        watcher.wait(30)
        before = time.monotonic()
        watcher.sleep(0.5)
        assert time.monotonic() - before > 0.4
        watcher.wait(30)
        assert time.monotonic() - before < 20
    finally:
        stop.set()
        writer.join()
        watcher.close()


def _write(path: Path, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        path.write_text(str(time.monotonic()))


def test_a_signal_may_ring_at_any_moment_of_the_wait() -> None:
    """A signal handler rings while the main thread is inside `wait`: a lock would hang it."""
    watcher, rings = WakeupWatcher([], enabled=False), 0
    rng = random.Random(5)

    def handler(_number: int, _frame: object) -> None:
        nonlocal rings
        rings += 1
        watcher.wake()

    old = signal.signal(signal.SIGALRM, handler)
    faulthandler.dump_traceback_later(60, exit=True)
    try:
        while rings < 3_000:
            before = rings
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 2e-4))
            while rings == before:
                watcher.wait(1e-5)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, old)


def test_a_change_in_a_directory_rings(tmp_path: Path) -> None:
    """A file that is written to, and one in a directory that was made anew."""
    place = tmp_path / "logs"
    place.mkdir()
    watcher = WakeupWatcher([place / "search.log"])
    try:
        end = time.monotonic() + 30
        woken = False
        while not woken and time.monotonic() < end:
            (place / "search.log").write_text(str(time.monotonic()))
            before = time.monotonic()
            watcher.wait(2)
            woken = time.monotonic() - before < 1.5
        assert woken
    finally:
        watcher.close()


def rings(watcher: WakeupWatcher, seconds: float = 5) -> bool:
    """Does something ring within that time?"""
    before = time.monotonic()
    watcher.wait(seconds)
    return time.monotonic() - before < seconds * 0.9


def silent(watcher: WakeupWatcher) -> WakeupWatcher:
    """A watcher whose thread has begun to listen and has rung for what it found."""
    while rings(watcher, 0.5):
        pass
    return watcher


def test_what_others_write_or_rename_does_not_ring(tmp_path: Path) -> None:
    """In the same directory, under whatever name that is not the log's."""
    (tmp_path / "search.log").touch()
    watcher = silent(WakeupWatcher([tmp_path / "search.log"]))
    try:
        for name in ("other.log", "search.log.gz", "search"):
            (tmp_path / name).write_text("zqorv")
            (tmp_path / name).rename(tmp_path / f"{name}.aside")
        assert not rings(watcher, 1)
        (tmp_path / "search.log").write_text("zqorv")
        assert rings(watcher)
    finally:
        watcher.close()


def test_a_log_that_is_renamed_or_relinked_rings(tmp_path: Path) -> None:
    """The writer may go on with the old file, and with another one under the same name."""
    log = tmp_path / "search.log"
    (tmp_path / "elsewhere").mkdir()
    log.symlink_to("elsewhere/one.log")
    watcher = silent(WakeupWatcher([log]))
    try:
        (tmp_path / "elsewhere" / "one.log").touch()
        assert rings(watcher)
        silent(watcher)
        with (tmp_path / "elsewhere" / "one.log").open("a", buffering=1) as old:
            log.unlink()
            assert rings(watcher)
            silent(watcher)
            old.write("zqorv\n")
            assert rings(watcher)
            log.write_text("zqorv")
            assert rings(watcher)
            silent(watcher)
            log.write_text("zqorv plim")
            assert rings(watcher)
    finally:
        watcher.close()


def test_a_log_that_is_not_there_is_not_watched(tmp_path: Path) -> None:
    """Nor is its directory; when both are there, the watcher says so by itself."""
    log = tmp_path / "logs" / "search.log"
    (tmp_path / "other.log").touch()
    watcher = WakeupWatcher([log, tmp_path / "other.log"])
    try:
        assert not rings(silent(watcher), 0.5)
        assert not watcher.is_watching
        log.parent.mkdir()
        log.touch()
        end = time.monotonic() + 30
        while not watcher.is_watching and time.monotonic() < end:
            time.sleep(0.01)
        assert watcher.is_watching
    finally:
        watcher.close()


def test_a_watcher_that_is_switched_off_does_not_watch(tmp_path: Path) -> None:
    """Changes are found by looks alone then."""
    (tmp_path / "search.log").touch()
    assert not WakeupWatcher([tmp_path / "search.log"], enabled=False).is_watching


def test_a_thread_that_cannot_be_started_leaves_the_timed_scan(
    tmp_path: Path, no_more_threads: None
) -> None:
    """A limit of threads ends no daemon, and costs no descriptor."""
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    watcher = WakeupWatcher([tmp_path / "search.log"])
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert not watcher.is_watching
    watcher.wake()
    assert watcher.wait(10)
    watcher.close()
