"""Random rows, and a database in memory that holds segments of them."""

from __future__ import annotations

import sqlite3

import numpy as np

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.tick_counts import TICK_MS, Rows
from donkeywatch.store.schema import create

TOPICS = ("zqorv", "vroqz")


def database() -> sqlite3.Connection:
    """An empty database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create(connection)
    return connection


def rows(hour: int, count: int, *, largest: int = 9, bridged: bool = True, seed: int = 1) -> Rows:
    """Random rows of an hour."""
    rng = np.random.default_rng(seed)
    return Rows(
        hour,
        np.sort(rng.integers(0, 1 << 64, count, np.uint64)),
        rng.integers(0, 1 << 64, count, np.uint64) if bridged else None,
        rng.integers(0, 1 << 16, count).astype(np.uint16),
        rng.integers(0, HOUR // TICK_MS, count).astype(np.uint16),
        rng.integers(1, largest + 1, count).astype(np.uint32),
        rng.integers(0, largest + 1, (len(TOPICS), count)).astype(np.uint32),
    )
