"""What became of every line: found once, not at all or more often, by its pseudonym."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from donkeywatch.ingest.address_mac import pseudonyms
from soak.torments import Daemon
from soak.writer import Habit


@dataclass(frozen=True)
class Fate:
    """What became of the lines of a source."""

    lost: npt.NDArray[np.int64]
    doubled: npt.NDArray[np.int64]
    result: int
    """Queries that were counted for its addresses."""


def fates(daemon: Daemon, logs: Sequence[Habit]) -> tuple[list[Fate], int]:
    """Every line's fate by its pseudonym, and the number of queries in the segments."""
    names, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for rows, blob, queries in daemon.ask("select rows, pseudonyms, queries from segments"):
        assert isinstance(rows, int)
        assert isinstance(blob, bytes)
        assert isinstance(queries, bytes)
        names.append(np.frombuffer(blob, "<u8").astype(np.uint64))
        counts.append(np.frombuffer(queries, f"<u{len(queries) // rows}").astype(np.int64))
    known, place = np.unique(np.concatenate(names), return_inverse=True)
    total = np.bincount(place, np.concatenate(counts), len(known) + 1).astype(np.int64)
    keys = [path.read_bytes() for path in (daemon.state / "keys").glob("*-W*.key")]
    made = []
    for log in logs:
        result = np.zeros(log.written, np.int64)
        for key in keys:
            wanted = pseudonyms(log.addresses(), key)
            at = np.searchsorted(known, wanted)
            result += np.where(np.append(known, 0)[at] == wanted, total[at], 0)
        made.append(
            Fate(np.flatnonzero(result == 0) + 1, np.flatnonzero(result > 1) + 1, int(result.sum()))
        )
    return made, int(total.sum())


def ranges(serials: npt.NDArray[np.int64]) -> str:
    """Numbers of lines as ranges, the first few."""
    parts = []
    for _, group in groupby(enumerate(serials.tolist()), lambda pair: pair[1] - pair[0]):
        run = [serial for _, serial in group]
        parts.append(f"{run[0]}-{run[-1]}")
    return ", ".join(parts[:8]) + (" ..." if len(parts) > 8 else "")
