"""The doorbell wakes the loop, whoever rings and whenever."""

from __future__ import annotations

import faulthandler
import random
import signal
import threading
import time
from pathlib import Path

from donkeywatch.doorbell import Doorbell


def test_a_ring_ends_the_wait_and_is_answered_once() -> None:
    """Also one that came before; many count as one."""
    bell = Doorbell([], enabled=False)
    for _ in range(3):
        bell.ring()
    before = time.monotonic()
    bell.wait(20)
    assert time.monotonic() - before < 10
    threading.Timer(0.05, bell.ring).start()
    bell.wait(20)
    assert time.monotonic() - before < 10
    bell.wait(0.01)


def test_a_signal_may_ring_at_any_moment_of_the_wait() -> None:
    """A signal handler rings while the main thread is inside `wait`: a lock would hang it."""
    bell, rings = Doorbell([], enabled=False), 0
    rng = random.Random(5)

    def handler(_number: int, _frame: object) -> None:
        nonlocal rings
        rings += 1
        bell.ring()

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
    bell = Doorbell([place])
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
