"""Where counting stands: per source in event time, per generation in bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Position:
    """One row of ``generations``: the fingerprint of the bytes counted, and how many they are."""

    id: int
    source: str
    offset: int
    skipping: bool
    head_length: int
    head_hash: bytes
    tail_length: int
    tail_hash: bytes
    size: int
    state: str
    week: int = 0
    """Start of the week (ms UTC) under whose key the hashes are made; 0: the lasting key."""
    device: int = 0
    inode: int = 0
    was_live: bool = False
    """The file was at the log's own path."""
    compare_until: int = 0
    """Searches in it up to this event time (ms UTC) may have been counted from another file."""
    ended: bool = False
    """Nothing of it is needed any more: the row goes."""
    turn: int = field(default=0, compare=False)
    """The higher, the later the file was last read."""


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """One row of ``finished_files``: a rotated file that need not be opened while it stays so."""

    source: str
    device: int
    inode: int
    size: int
    modified: int
    """Ns of the last change of its content."""
    history: bool = False
    """It was rotated away before the log was ever followed: it is never read."""
    gone: bool = False
    """The file is not there any more: the row goes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One row of ``sources``: the frontier of event time and the end of decided coverage, ms."""

    name: str
    newest: int | None
    suspect: int
    witnesses: int
    covered_until: int | None


def write(
    db: sqlite3.Connection, positions: Sequence[Position], progress: Sequence[Progress], now: int
) -> None:
    """Store how far the sources and their files are counted; part of a checkpoint."""
    db.executemany(
        "insert or replace into sources values (?, ?, ?, ?, ?)",
        [(p.name, p.newest, p.suspect, p.witnesses, p.covered_until) for p in progress],
    )
    db.executemany(
        "insert or replace into generations"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                p.id, p.source, p.offset, int(p.skipping), p.head_length, p.head_hash,
                p.tail_length, p.tail_hash, p.size, p.state, now,
                p.week, p.device, p.inode, int(p.was_live), p.compare_until, p.turn,
            )
            for p in positions if not p.ended
        ],
    )  # fmt: skip
    db.executemany("delete from generations where id = ?", [(p.id,) for p in positions if p.ended])


def write_finished(db: sqlite3.Connection, files: Sequence[FinishedFile]) -> None:
    """Store which rotated files need not be opened again; part of a checkpoint."""
    db.executemany(
        "insert or replace into finished_files values (?, ?, ?, ?, ?, ?)",
        [
            (f.source, f.device, f.inode, f.size, f.modified, int(f.history))
            for f in files
            if not f.gone
        ],
    )
    db.executemany(
        "delete from finished_files where source = ? and device = ? and inode = ?",
        [(f.source, f.device, f.inode) for f in files if f.gone],
    )


def forget_fingerprints(db: sqlite3.Connection, week: int) -> None:
    """Forget the fingerprints made under the keys of weeks before one (ms UTC)."""
    db.execute(
        "update generations set head_length = 0, head_hash = x'', tail_length = 0,"
        " tail_hash = x'' where key_week < ?",
        (week,),
    )


def _of_others(sources: Sequence[str]) -> str:
    places = ", ".join("?" * len(sources))
    return f"from generations where state != 'skipped' and source not in ({places})"


def has_others(db: sqlite3.Connection, sources: Sequence[str]) -> bool:
    """Tell whether there are generations of sources that are not among some, but for history."""
    found = db.execute(f"select 1 {_of_others(sources)} limit 1", tuple(sources))
    return found.fetchone() is not None


def forget_but_of(db: sqlite3.Connection, sources: Sequence[str]) -> None:
    """Forget the generations of sources that are not among some, but for history."""
    db.execute(f"delete {_of_others(sources)}", tuple(sources))


def finished(db: sqlite3.Connection, source: str) -> list[FinishedFile]:
    """Load the rotated files of a source that need not be opened while they stay as they are."""
    rows = db.execute(
        "select source, device, inode, size, modified, history from finished_files"
        " where source = ?",
        (source,),
    )
    return [
        FinishedFile(name, device, inode, size, modified, bool(history))
        for name, device, inode, size, modified, history in rows
    ]


def load(db: sqlite3.Connection, source: str) -> list[Position]:
    """All generations of a source, oldest first."""
    found = db.execute(
        'select id, source, "offset", skipping, head_length, head_hash, tail_length, tail_hash,'
        " size, state, key_week, device, inode, was_live, compare_until, turn"
        " from generations where source = ? order by id",
        (source,),
    )
    return [
        replace(
            Position(number, name, offset, bool(skipping), *rest),
            was_live=bool(was_live),
            compare_until=compare_until,
            turn=turn,
        )
        for number, name, offset, skipping, *rest, was_live, compare_until, turn in found
    ]


def progress(db: sqlite3.Connection, source: str) -> Progress:
    """How far a source has been counted in event time."""
    found = db.execute("select * from sources where name = ?", (source,)).fetchone()
    return Progress(*found) if found else Progress(source, None, 0, 0, None)
