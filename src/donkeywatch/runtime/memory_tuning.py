"""Settings of malloc: keep freed memory, or give it back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


_TRIM, _MAP = -1, -3
"""Parameters of glibc's mallopt."""
_RETAIN_ABOVE, _RELEASE_ABOVE, _TRANSIENT_ABOVE = 1 << 30, 1 << 16, 1 << 13
"""Bytes from which a column is asked of the system and given back to it when it is freed."""


def retain_freed_memory() -> None:
    """Keep what is freed, for a job that asks for the same large columns again and again.

    Otherwise each of them is asked of the system and given back to it, a third of the time.
    """
    _set_malloc_thresholds(_RETAIN_ABOVE)


def release_freed_memory() -> None:
    """Give back what is freed, in a process that waits most of its time.

    The C library's own rule learns from the first large columns to keep the next ones, and
    what is small settles between them: after minutes a third of the heap is holes.
    """
    _set_malloc_thresholds(_RELEASE_ABOVE)
    return_free_memory()


@contextlib.contextmanager
def transient_allocations() -> Iterator[None]:
    """Give back what is kept, and all that is asked for meanwhile, for a job that is done once.

    Its columns would lie between those that are kept, and leave holes. Afterwards it is as after
    `retain_freed_memory`.
    """
    _set_malloc_thresholds(_TRANSIENT_ABOVE)
    return_free_memory()
    try:
        yield
    finally:
        retain_freed_memory()


def _set_malloc_thresholds(limit: int) -> None:
    if _libc is not None and hasattr(_libc, "mallopt"):
        _libc.mallopt(_MAP, limit)
        _libc.mallopt(_TRIM, limit)


def return_free_memory() -> None:
    """Return what was freed: closing a busy hour needs its rows at once, and then never again.

    The C library keeps freed memory otherwise; where it cannot be asked, nothing happens.
    """
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
