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
    bell = WakeupWatcher([], enabled=False)
    for _ in range(3):
        bell.wake()
    before = time.monotonic()
    bell.wait(20)
    assert time.monotonic() - before < 10
    threading.Timer(0.05, bell.wake).start()
    bell.wait(20)
    assert time.monotonic() - before < 10
    bell.wait(0.01)


def test_a_ring_by_hand_ends_a_pause_and_the_wait_after_it() -> None:
    """A signal is obeyed at once, also while a growing log is left alone."""
    bell = WakeupWatcher([], enabled=False)
    threading.Timer(0.05, bell.wake).start()
    before = time.monotonic()
    bell.sleep(20)
    bell.wait(20)
    assert time.monotonic() - before < 10


def test_a_change_of_a_file_ends_no_pause(tmp_path: Path) -> None:
    """It is answered by the next wait."""
    bell = WakeupWatcher([tmp_path / "search.log"])
    try:
        stop = threading.Event()
        writer = threading.Thread(target=_write, args=(tmp_path / "search.log", stop))
        writer.start()
        bell.wait(30)
        before = time.monotonic()
        bell.sleep(0.5)
        assert time.monotonic() - before > 0.4
        bell.wait(30)
        assert time.monotonic() - before < 20
    finally:
        stop.set()
        writer.join()
        bell.close()


def _write(path: Path, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        path.write_text(str(time.monotonic()))


def test_a_signal_may_ring_at_any_moment_of_the_wait() -> None:
    """A signal handler rings while the main thread is inside `wait`: a lock would hang it."""
    bell, rings = WakeupWatcher([], enabled=False), 0
    rng = random.Random(5)

    def handler(_number: int, _frame: object) -> None:
        nonlocal rings
        rings += 1
        bell.wake()

    old = signal.signal(signal.SIGALRM, handler)
    faulthandler.dump_traceback_later(60, exit=True)
    try:
        while rings < 3_000:
            before = rings
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 2e-4))
            while rings == before:
                bell.wait(1e-5)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, old)


def test_a_change_in_a_directory_rings(tmp_path: Path) -> None:
    """A file that is written to, and one in a directory that was made anew."""
    place = tmp_path / "logs"
    place.mkdir()
    bell = WakeupWatcher([place / "search.log"])
    try:
        end = time.monotonic() + 30
        woken = False
        while not woken and time.monotonic() < end:
            (place / "search.log").write_text(str(time.monotonic()))
            before = time.monotonic()
            bell.wait(2)
            woken = time.monotonic() - before < 1.5
        assert woken
    finally:
        bell.close()


def rings(bell: WakeupWatcher, seconds: float = 5) -> bool:
    """Does something ring within that time?"""
    before = time.monotonic()
    bell.wait(seconds)
    return time.monotonic() - before < seconds * 0.9


def silent(bell: WakeupWatcher) -> WakeupWatcher:
    """A bell whose thread has begun to listen and has rung for what it found."""
    while rings(bell, 0.5):
        pass
    return bell


def test_what_others_write_or_rename_does_not_ring(tmp_path: Path) -> None:
    """In the same directory, under whatever name that is not the log's."""
    (tmp_path / "search.log").touch()
    bell = silent(WakeupWatcher([tmp_path / "search.log"]))
    try:
        for name in ("other.log", "search.log.gz", "search"):
            (tmp_path / name).write_text("zqorv")
            (tmp_path / name).rename(tmp_path / f"{name}.aside")
        assert not rings(bell, 1)
        (tmp_path / "search.log").write_text("zqorv")
        assert rings(bell)
    finally:
        bell.close()


def test_a_log_that_is_renamed_or_relinked_rings(tmp_path: Path) -> None:
    """The writer may go on with the old file, and with another one under the same name."""
    log = tmp_path / "search.log"
    (tmp_path / "elsewhere").mkdir()
    log.symlink_to("elsewhere/one.log")
    bell = silent(WakeupWatcher([log]))
    try:
        (tmp_path / "elsewhere" / "one.log").touch()
        assert rings(bell)
        silent(bell)
        with (tmp_path / "elsewhere" / "one.log").open("a", buffering=1) as old:
            log.unlink()
            assert rings(bell)
            silent(bell)
            old.write("zqorv\n")
            assert rings(bell)
            log.write_text("zqorv")
            assert rings(bell)
            silent(bell)
            log.write_text("zqorv plim")
            assert rings(bell)
    finally:
        bell.close()
