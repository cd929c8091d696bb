"""The machine this runs on: its cores, and memory kept or given back."""

from __future__ import annotations

import ctypes
import os
import sys

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


MOST = 8
"""Processes or threads that are worth while, at the most."""
_TRIM, _MAP = -1, -3
"""Parameters of glibc's mallopt."""


def cores() -> int:
    """How many cores this process may use, up to a number that is worth while."""
    if hasattr(os, "sched_getaffinity"):
        return min(MOST, len(os.sched_getaffinity(0)))
    return 1


def keep() -> None:
    """Keep what is freed, for a job that asks for the same large columns again and again.

    Otherwise each of them is asked of the system and given back to it, a third of the time.
    """
    if _libc is not None and hasattr(_libc, "mallopt"):
        _libc.mallopt(_MAP, 1 << 30)
        _libc.mallopt(_TRIM, 1 << 30)


def trim() -> None:
    """Return what was freed: closing a busy hour needs its rows at once, and then never again.

    The C library keeps freed memory otherwise; where it cannot be asked, nothing happens.
    """
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
