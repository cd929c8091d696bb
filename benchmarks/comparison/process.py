"""One command, measured: wall, CPU and memory of it and all its children."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PAUSE = 0.025
"""Seconds between two looks at the memory, at the least."""
SHARE = 20
"""A look at a large process takes milliseconds, and holds it up: rest so many times as long."""
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """Seconds of wall clock, seconds of CPU (user and system), and peak memory (PSS, MB).

    `others` is the CPU that anything else used on the same cores, as a share of their time.
    """

    wall: float
    cpu: float
    peak: float
    others: float = 0.0


class Failed(Exception):
    """The command did not end well; what it said is no part of it: it may quote the log."""


def measure(
    command: Sequence[str],
    place: Path,
    cores: set[int],
    env: Mapping[str, str],
    timeout: float,
) -> Run:
    """Run a command in `place` on the given cores; its output goes to `stdout` and `stderr`.

    CPU is that of the process and of the children it has waited for.
    """
    with (place / "stdout").open("wb") as out, (place / "stderr").open("wb") as err:
        before, begun = busy(cores), time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    memory = _Memory(process.pid, timeout)
    memory.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        wall = time.perf_counter() - begun
        memory.stop()
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        raise Failed("timeout" if memory.late else f"exit code {code}")
    cpu = used.ru_utime + used.ru_stime
    others = max(0.0, busy(cores) - before - cpu) / (wall * len(cores))
    # A process that is over before the first sample has the largest set it had by itself.
    return Run(wall, cpu, memory.peak or used.ru_maxrss / 1024, others)


def busy(cores: set[int]) -> float:
    """Seconds that cores were not idle since the machine was started."""
    ticks = 0
    for line in (PROC / "stat").read_text().splitlines():
        name, *times = line.split()
        if name[3:].isdigit() and int(name[3:]) in cores and name.startswith("cpu"):
            # user, nice, system, (idle, waiting), interrupts, and what the hypervisor took
            ticks += sum(int(times[at]) for at in (0, 1, 2, 5, 6, 7))
    return ticks / os.sysconf("SC_CLK_TCK")


class _Memory(threading.Thread):
    """Adds up the memory of a tree of processes again and again; ends it when time is over."""

    def __init__(self, root: int, timeout: float) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.late = False
        self._root, self._end = root, time.monotonic() + timeout
        self._over = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def run(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            begun = time.monotonic()
            self.peak = max(self.peak, sum(map(proportional, tree(self._root))) / 1024)
            if begun > self._end and not self.late:
                self.late = True
                os.killpg(self._root, signal.SIGKILL)
            pause = max(PAUSE, SHARE * (time.monotonic() - begun))


def proportional(process: int) -> int:
    """Memory of a process, kB: pages that several share count in part (PSS)."""
    try:
        match = PSS.search((PROC / str(process) / "smaps_rollup").read_text())
    except OSError:
        return 0
    return int(match[1]) if match else 0


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    items, at = [root], 0
    while at < len(items):
        threads: list[Path] = []
        with contextlib.suppress(OSError):  # The process may have ended meanwhile, or a thread.
            threads = list((PROC / str(items[at]) / "task").iterdir())
        for thread in threads:
            with contextlib.suppress(OSError):
                items += map(int, (thread / "children").read_text().split())
        at += 1
    return items
