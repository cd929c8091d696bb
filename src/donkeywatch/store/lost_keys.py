"""Weekly keys that were lost: others take their place, and the logs are found again under those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from donkeywatch.counting.calendar import week_name
from donkeywatch.store import positions
from donkeywatch.store.positions import PositionRow
from donkeywatch.store.writer_connection import Connection

WEEKS_TO_ADOPT = "weeks_to_adopt"
"""Setting: weeks (ms UTC) whose logs are still known by fingerprints under keys that are lost."""


def replace(store: Connection, checks: Mapping[int, bytes], now: int) -> None:
    """Record the checks of other keys by week, and a break at ``now``, ms UTC, in one transaction.

    A week whose key is lost once more before its logs were found again is no second break.
    """
    pending = set(weeks_to_adopt(store))
    with store.transaction() as db:
        db.executemany(
            "update weekly_keys set key_check = ? where week = ? and destroyed = 0",
            [(check, week) for week, check in checks.items()],
        )
        if fresh := [week for week in checks if week not in pending]:
            names = ", ".join(week_name(week) for week in fresh)
            db.execute(
                "insert into breaks (time, kind, digest) values (?, 'keys', ?)", (now, names)
            )
        weeks = ",".join(map(str, sorted(pending | set(checks))))
        db.execute("insert or replace into settings values (?, ?)", (WEEKS_TO_ADOPT, weeks))


def weeks_to_adopt(store: Connection) -> list[int]:
    """Give the weeks (ms UTC) whose fingerprints were made with keys that are lost."""
    return [int(week) for week in (store.setting(WEEKS_TO_ADOPT) or "").split(",") if week]


def store_adopted(store: Connection, adopted: Sequence[PositionRow], now: int) -> None:
    """Store other fingerprints of the same places, all under keys that exist; ``now`` is ms UTC."""
    with store.transaction() as db:
        positions.write(db, adopted, [], now)
        db.execute("delete from settings where name = ?", (WEEKS_TO_ADOPT,))
