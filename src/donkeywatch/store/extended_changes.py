"""When the series of the profile `extended` began, ended or changed, ms UTC."""

from __future__ import annotations

import sqlite3

EXTENDED_IN_USE = "extended:rules"
"""Setting that holds the version of the rules in use, or `off`."""
EXTENDED_CHANGES = "extended:changes"
"""Setting that holds the times of all changes, with spaces between."""


def is_extended(series: str) -> bool:
    """Is a series one of the profile `extended`? No topic has a full stop in its own name."""
    return "." in series


def changes_of_series(db: sqlite3.Connection, series: str) -> list[int]:
    """When the rules of a series changed: never, where it is of `paper`; oldest first, ms UTC.

    A window in which one of these times lies holds a part of its queries only.
    """
    if not is_extended(series):
        return []
    row = db.execute("select value from settings where name = ?", (EXTENDED_CHANGES,)).fetchone()
    return [] if row is None else [int(time) for time in row[0].split()]
