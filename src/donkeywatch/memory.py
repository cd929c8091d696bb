"""Giving memory back to the system."""

from __future__ import annotations

import ctypes
import sys

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def trim() -> None:
    """Return what was freed: closing a busy hour needs its rows at once, and then never again.

    The C library keeps freed memory otherwise; where it cannot be asked, nothing happens.
    """
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
