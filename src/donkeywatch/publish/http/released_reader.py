"""The table of released figures, by a connection that may read no other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import WEEK
from donkeywatch.store.database_opening import connect
from donkeywatch.store.schema import RELEASED


@dataclass(frozen=True, slots=True)
class ReleasedWindow:
    """A released hour or week, or a country in a week; ``start`` is ms UTC."""

    kind: str
    start: int
    country: str
    totals: dict[str, Any]
    topics: dict[str, dict[str, Any]]


def _allow_released_only(
    action: int, name: str | None, _column: str | None, _database: str | None, _trigger: str | None
) -> int:
    """SQLite asks this of everything that a statement does."""
    is_read = action == sqlite3.SQLITE_READ and name == RELEASED.name
    return sqlite3.SQLITE_OK if is_read or action == sqlite3.SQLITE_SELECT else sqlite3.SQLITE_DENY


@contextmanager
def open_released(path: Path) -> Iterator[sqlite3.Connection]:
    """A database of which no statement can read or change anything but this table."""
    connection = connect(path, read_only=True)
    try:
        connection.set_authorizer(_allow_released_only)
        yield connection
    finally:
        connection.close()


class ReleasedReader:
    """Reads the released windows; each call has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def weeks(self) -> list[ReleasedWindow]:
        """All weeks that were decided, oldest first."""
        return self._windows("kind = 'week' and country = ''", ())

    def hours(self, week: int) -> list[ReleasedWindow]:
        """The hours of the week that starts then, ms UTC; oldest first."""
        return self._windows("kind = 'hour' and start >= ? and start < ?", (week, week + WEEK))

    def countries(self, week: int) -> list[ReleasedWindow]:
        """The named countries of a week that starts then, ms UTC; most addresses first."""
        windows = self._windows("kind = 'week' and start = ? and country > ''", (week,))
        sizes = {
            window.country: max(topic["addresses"] for topic in window.topics.values())
            for window in windows
        }
        return sorted(windows, key=lambda window: -sizes[window.country])

    def _windows(self, condition: str, values: tuple[int, ...]) -> list[ReleasedWindow]:
        with open_released(self._path) as db:
            rows = db.execute(
                f"select kind, start, country, topic, figures from released where {condition}"  # noqa: S608 - our own conditions
                " order by kind, start, country, topic",
                values,
            ).fetchall()
        windows: dict[tuple[int, str], ReleasedWindow] = {}
        for kind, start, country, topic, text in rows:
            new = ReleasedWindow(kind, start, country, {}, {})
            window = windows.setdefault((start, country), new)
            figures = json.loads(text)
            if topic:
                window.topics[topic] = figures
            else:
                window.totals.update(figures)
        return list(windows.values())
