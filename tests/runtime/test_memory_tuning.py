"""Memory is kept while there is much to do, and given back by a process that waits."""

from __future__ import annotations

import subprocess
import sys

import pytest

HELD = """
import re, sys
from pathlib import Path
import numpy as np
from donkeywatch.runtime import memory_tuning

def resident():
    found = re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024

def job():
    large, small = [], []
    for _ in range(400):
        large.append(np.ones(100_000, np.uint8))
        small.append(np.ones(1_000, np.uint8))  # It stays, and nothing behind it is at the end.
    return small

before = resident()
if sys.argv[1] == "once":
    memory_tuning.retain_freed_memory()
    with memory_tuning.transient_allocations():
        kept = job()
else:
    getattr(memory_tuning, sys.argv[1])()
    kept = job()
print(resident() - before)
"""


def left(way: str) -> float:
    """Megabytes still held when forty were freed, in a process of its own."""
    completed = subprocess.run(
        [sys.executable, "-c", HELD, way], capture_output=True, text=True, check=True
    )
    return float(completed.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux is asked")
def test_a_process_that_waits_gives_back_what_it_frees() -> None:
    """Holes between small things are no reason to keep the large ones."""
    assert left("release_freed_memory") < 5
    assert left("once") < 5
    assert left("retain_freed_memory") > 35
