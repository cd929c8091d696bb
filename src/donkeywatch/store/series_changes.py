"""When the series beside those of `paper` began, ended or changed, ms UTC."""

from __future__ import annotations

import sqlite3


def in_use(component: str) -> str:
    """Setting that holds what a part of the detection is now: a version, a digest, or `off`."""
    return f"series:{component}:in_use"


def changes(component: str) -> str:
    """Setting that holds the times of all its changes (ms UTC), with spaces between."""
    return f"series:{component}:changes"


def components(series: str) -> list[str]:
    """List what a series needs besides `paper`, which stands behind full stops in its name.

    No topic has a full stop in its own name.
    """
    return series.split(".")[1:]


def changes_of_series(db: sqlite3.Connection, series: str) -> list[int]:
    """When what a series is made by changed: never, where it is of `paper`; ms UTC.

    A window in which one of these times lies holds a part of its queries only.
    """
    times: list[int] = []
    for component in components(series):
        row = db.execute(
            "select value from settings where name = ?", (changes(component),)
        ).fetchone()
        times += [] if row is None else [int(time) for time in row[0].split()]
    return sorted(times)
