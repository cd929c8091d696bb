"""The soak of `make soak`, for a fraction of a minute."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.untraced
def test_every_line_counts_once_through_kills_rotations_and_full_disks() -> None:
    """Fifteen seconds of everything at once: nothing lost, nothing doubled."""
    command = [sys.executable, "-m", "soak", "--seconds", "15", "--seed", "23"]
    soak = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=BENCHMARKS
    )
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert "nothing lost, nothing doubled" in soak.stdout
    assert re.search(r"\b[1-9]\d* kills", soak.stdout), soak.stdout
    assert re.search(r"^[1-9]\d* rotations", soak.stdout, re.MULTILINE), soak.stdout
    if LIBRARY:
        assert re.search(r"^[1-9]\d* jumps of the clock", soak.stdout, re.MULTILINE), soak.stdout
