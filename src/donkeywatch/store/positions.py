"""Where counting stands: per source in event time, per generation in bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class PositionRow(Protocol):
    """Where a generation is counted: the columns of its row, but for the time of the change."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def ended(self) -> bool:
        """Nothing of it is needed any more: the row goes."""
        ...

    def row(self) -> tuple[Any, ...]:
        """Give the columns."""
        ...


class FinishedFileRow(Protocol):
    """A rotated file that need not be opened while it stays so: the columns of its row."""

    @property
    def gone(self) -> bool:
        """The file is not there any more: the row goes."""
        ...

    def row(self) -> tuple[Any, ...]:
        """Give the columns, source, device and inode first."""
        ...


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """One row of ``sources``: the frontier of event time and the end of decided coverage, ms."""

    name: str
    newest: int | None
    candidate: int
    confirmations: int
    covered_until: int | None


def write(
    db: sqlite3.Connection,
    positions: Sequence[PositionRow],
    progress: Sequence[SourceProgress],
    now: int,
) -> None:
    """Store how far the sources and their files are counted; part of a checkpoint."""
    db.executemany(
        "insert or replace into sources values (?, ?, ?, ?, ?)",
        [(p.name, p.newest, p.candidate, p.confirmations, p.covered_until) for p in progress],
    )
    db.executemany(
        "insert or replace into generations"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        # The time of the change stands behind the ten columns of the fingerprint.
        [(*p.row()[:10], now, *p.row()[10:]) for p in positions if not p.ended],
    )
    db.executemany("delete from generations where id = ?", [(p.id,) for p in positions if p.ended])


def write_finished(db: sqlite3.Connection, files: Sequence[FinishedFileRow]) -> None:
    """Store which rotated files need not be opened again; part of a checkpoint."""
    db.executemany(
        "insert or replace into finished_files values (?, ?, ?, ?, ?, ?)",
        [f.row() for f in files if not f.gone],
    )
    db.executemany(
        "delete from finished_files where source = ? and device = ? and inode = ?",
        [f.row()[:3] for f in files if f.gone],
    )


def forget_fingerprints(db: sqlite3.Connection, week: int) -> None:
    """Forget the fingerprints made under the keys of weeks before one (ms UTC)."""
    db.execute(
        "update generations set head_length = 0, head_hash = x'', tail_length = 0,"
        " tail_hash = x'' where key_week < ?",
        (week,),
    )


def forget_unknown(db: sqlite3.Connection) -> None:
    """Forget files that nothing tells any more: each is a new one at the next look."""
    db.execute("delete from generations where head_length = 0")


def _of_others(sources: Sequence[str]) -> str:
    places = ", ".join("?" * len(sources))
    return f"from generations where state != 'skipped' and source not in ({places})"


def has_others(db: sqlite3.Connection, sources: Sequence[str]) -> bool:
    """Tell whether there are generations of sources that are not among some, but for history."""
    row = db.execute(f"select 1 {_of_others(sources)} limit 1", tuple(sources))
    return row.fetchone() is not None


def forget_but_of(db: sqlite3.Connection, sources: Sequence[str]) -> None:
    """Forget the generations of sources that are not among some, but for history."""
    db.execute(f"delete {_of_others(sources)}", tuple(sources))


def finished(db: sqlite3.Connection, source: str) -> list[tuple[Any, ...]]:
    """Load the rows of the rotated files of a source that need not be opened while they stay so."""
    rows = db.execute(
        "select source, device, inode, size, modified, history from finished_files"
        " where source = ?",
        (source,),
    )
    return rows.fetchall()


def load(db: sqlite3.Connection, source: str) -> list[tuple[Any, ...]]:
    """Load the rows of all generations of a source, oldest first, without the time of change."""
    rows = db.execute(
        'select id, source, "offset", skipping, head_length, head_hash, tail_length, tail_hash,'
        " size, state, key_week, device, inode, was_live, compare_until, turn"
        " from generations where source = ? order by id",
        (source,),
    )
    return rows.fetchall()


def progress(db: sqlite3.Connection, source: str) -> SourceProgress:
    """Read how far a source has been counted in event time."""
    row = db.execute("select * from sources where name = ?", (source,)).fetchone()
    return SourceProgress(*row) if row else SourceProgress(source, None, 0, 0, None)
