"""Where counting stands: per source in event time, per generation in bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


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
        "insert or replace into generations values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                p.id, p.source, p.offset, int(p.skipping), p.head_length, p.head_hash,
                p.tail_length, p.tail_hash, p.size, p.state, now,
            )
            for p in positions
        ],
    )  # fmt: skip


def load(db: sqlite3.Connection, source: str) -> list[Position]:
    """All generations of a source, oldest first."""
    found = db.execute(
        'select id, source, "offset", skipping, head_length, head_hash, tail_length,'
        " tail_hash, size, state from generations where source = ? order by id",
        (source,),
    )
    return [
        Position(number, name, offset, bool(skipping), *rest)
        for number, name, offset, skipping, *rest in found
    ]


def progress(db: sqlite3.Connection, source: str) -> Progress:
    """How far a source has been counted in event time."""
    found = db.execute("select * from sources where name = ?", (source,)).fetchone()
    return Progress(*found) if found else Progress(source, None, 0, 0, None)
