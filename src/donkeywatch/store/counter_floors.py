"""Counters that were published before and have fallen: held up until they have caught up."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from donkeywatch.settings.private_files import write_private_file
from donkeywatch.store.database_opening import connect

Key = tuple[str, str, str]
"""Name, subject and detail of a counter."""
FLOOR = "published"
"""Setting that holds the values that counters had before they fell."""
COPY = "counters.json"
"""File beside the database with a recent copy of its counters, for when it is damaged."""


def counters(db: sqlite3.Connection) -> dict[Key, int]:
    """Read the counters of a database."""
    rows = db.execute("select name, subject, detail, value from counters")
    return {(name, subject, detail): value for name, subject, detail, value in rows}


def published(db: sqlite3.Connection) -> dict[Key, int]:
    """Give the counters as Prometheus sees them: one that falls would have begun anew."""
    return _higher(counters(db), _floor(db))


def keep(db: sqlite3.Connection, before: Mapping[Key, int]) -> None:
    """Show no counter below its value of ``before``; part of a transaction."""
    db.execute(
        "insert or replace into settings values (?, ?)",
        (FLOOR, _written(_higher(before, _floor(db)))),
    )


def hold(database: Path, before: Mapping[Key, int]) -> None:
    """Show no counter of a restored database below its value of ``before``."""
    db = connect(database)
    with contextlib.closing(db), db:
        keep(db, before)


def copy(db: sqlite3.Connection, state: Path) -> None:
    """Copy what is published into a file; OSError when that fails."""
    path = state / COPY
    part = path.with_suffix(".part")
    with open(part, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(_written(published(db)))
    part.rename(path)


def save(values: Mapping[Key, int], state: Path) -> None:
    """Replace the copy durably, before the database that tells these values is put away."""
    write_private_file(state / COPY, _written(values).encode("utf-8"))


def copied(state: Path) -> dict[Key, int]:
    """Read the copy of the counters; nothing where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return _read((state / COPY).read_text("utf-8"))
    return {}


def last_known(database: Path) -> dict[Key, int]:
    """The highest values that a database, which may be damaged, or its copy still tell."""
    held = copied(database.parent)
    with contextlib.suppress(sqlite3.Error):
        db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(db):
            for read in (counters, _floor):  # Either may be what is damaged.
                with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
                    held = _higher(held, read(db))
    return held


def _floor(db: sqlite3.Connection) -> dict[Key, int]:
    row = db.execute("select value from settings where name = ?", (FLOOR,)).fetchone()
    return {} if row is None else _read(str(row[0]))


def _higher(left: Mapping[Key, int], right: Mapping[Key, int]) -> dict[Key, int]:
    return {key: max(left.get(key, 0), right.get(key, 0)) for key in {**left, **right}}


def _written(values: Mapping[Key, int]) -> str:
    return json.dumps([[*key, value] for key, value in sorted(values.items())])


def _read(text: str) -> dict[Key, int]:
    return {(name, subject, detail): int(n) for name, subject, detail, n in json.loads(text)}
