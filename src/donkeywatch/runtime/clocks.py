"""The clocks of this machine, in ms: one that may jump, and one that never does."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Now, ms UTC."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """A clock that never jumps, ms."""
    return time.monotonic_ns() // 1_000_000
