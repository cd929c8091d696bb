"""How a table of the database is described, and the columns that many have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its SQLite type and what it means, with unit and time zone."""

    name: str
    type: type
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its key and its columns."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


KIND = Column("kind", str, "`hour` and `week` (calendar, UTC), or `1h`, `24h`, `7d` (rolling)")
START = Column("start", int, "start of the window, milliseconds since 1970-01-01 UTC")
