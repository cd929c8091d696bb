"""The released figures: which weeks are due, what is counted in them, and the one write of each."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.counting.calendar import WEEK, week_of
from donkeywatch.store.database_opening import connect
from donkeywatch.store.writer_connection import Connection

HORIZON = "release_horizon"
"""Setting: a week that starts before it (ms UTC) and is not decided is never released."""
COPY = "released.json"
"""File beside the database that says how many weeks were decided, for when the database is lost."""

Flagged = tuple[int, int]
"""Flagged queries, and addresses with at least one."""


@dataclass(frozen=True, slots=True)
class ExactCounts:
    """Exact counts of a window, or of a country in it; flagged ones by topic."""

    queries: int
    addresses: int
    flagged: Mapping[str, Flagged]
    coverage: float = 1.0
    """From 0 to 1."""

    def flagged_addresses(self, topic: str) -> int:
        """Addresses with at least one query that is flagged for the topic."""
        return self.flagged.get(topic, (0, 0))[1]


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """All that a release of one ISO week is made of."""

    start: int
    """Ms UTC."""
    total: ExactCounts
    hours: Mapping[int, ExactCounts]
    """Hours with queries by their start, ms UTC."""
    countries: Mapping[str, ExactCounts]
    breaks: Sequence[str] = ()
    """Kinds of the changes of the measurement in the week."""


@dataclass(frozen=True, slots=True)
class ReleasedRow:
    """One row of the table `released`; ``figures`` is a JSON object."""

    kind: str
    start: int
    topic: str
    country: str
    figures: str


@dataclass(frozen=True, slots=True)
class Decided:
    """How many weeks were decided, and the end of the newest of them, ms UTC."""

    weeks: int = 0
    until: int = 0


def weeks_due(db: sqlite3.Connection, ended_by: int) -> list[int]:
    """Closed weeks that ended by a time and are not decided, oldest first; ms UTC."""
    rows = db.execute(
        "select start from windows where kind = 'week' and closed = 1 and queries > 0"
        " and until <= ? and start >= (select coalesce(max(cast(value as integer)), 0)"
        " from settings where name = ?)"
        " and not exists (select 1 from windows h where h.kind = 'hour' and h.closed = 0"
        " and h.queries > 0 and h.start >= windows.start and h.start < windows.until)"
        " and start not in (select start from released where kind = 'week' and topic = ''"
        " and country = '') order by start",
        (ended_by, HORIZON),
    )
    return [int(start) for (start,) in rows]


def week_counts(db: sqlite3.Connection, start: int) -> WeekCounts:
    """Read what is counted in a closed week, its hours and its countries."""
    end = start + WEEK
    return WeekCounts(
        start,
        _windows(db, "week", start, start + 1)[start],
        _windows(db, "hour", start, end),
        _countries(db, start),
        [
            str(kind)
            for (kind,) in db.execute(
                "select distinct kind from breaks where time >= ? and time < ? order by kind",
                (start, end),
            )
        ],
    )


def _windows(db: sqlite3.Connection, kind: str, start: int, end: int) -> dict[int, ExactCounts]:
    flagged: dict[int, dict[str, Flagged]] = {}
    for hour, topic, queries, addresses in db.execute(
        "select start, topic, coalesce(queries, 0), coalesce(addresses_1, 0) from window_topics"
        " where kind = ? and start >= ? and start < ?",
        (kind, start, end),
    ):
        flagged.setdefault(hour, {})[topic] = (queries, addresses)
    return {
        begin: ExactCounts(queries, addresses, flagged.get(begin, {}), coverage)
        for begin, queries, addresses, coverage in db.execute(
            "select start, queries, coalesce(addresses, 0),"
            " min(1.0, covered_seconds * 1000.0 / (until - start)) from windows"
            " where kind = ? and start >= ? and start < ? and queries > 0",
            (kind, start, end),
        )
    }


def _countries(db: sqlite3.Connection, week: int) -> dict[str, ExactCounts]:
    flagged: dict[str, dict[str, Flagged]] = {}
    for country, topic, queries, addresses in db.execute(
        "select country, topic, queries, addresses from window_country_topics"
        " where kind = 'week' and start = ?",
        (week,),
    ):
        flagged.setdefault(country, {})[topic] = (queries, addresses)
    return {
        country: ExactCounts(queries, addresses, flagged.get(country, {}))
        for country, queries, addresses in db.execute(
            "select country, queries, addresses from window_countries"
            " where kind = 'week' and start = ?",
            (week,),
        )
    }


def insert(store: Connection, rows: Sequence[ReleasedRow], now: int) -> None:
    """Store all that is ever released of a week in one transaction; ``now`` is ms UTC."""
    with store.transaction() as db:
        db.executemany(
            "insert into released (kind, start, topic, country, figures, released_at)"
            " values (?, ?, ?, ?, ?, ?)",
            [(row.kind, row.start, row.topic, row.country, row.figures, now) for row in rows],
        )
    remember(store.path.parent, decided(store.connection))


def decided(db: sqlite3.Connection) -> Decided:
    """Read which weeks were decided, by the table."""
    (weeks, newest) = db.execute(
        "select count(*), max(start) from released where kind = 'week' and topic = ''"
        " and country = ''"
    ).fetchone()
    return Decided(int(weeks), 0 if newest is None else int(newest) + WEEK)


def remember(state: Path, weeks: Decided) -> None:
    """Write beside the database which weeks were decided; OSError when that fails."""
    path = state / COPY
    part = path.with_suffix(".part")
    with open(part, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump({"weeks": weeks.weeks, "until": weeks.until}, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def remembered(state: Path) -> Decided:
    """Read what was written beside the database; nothing where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        document = json.loads((state / COPY).read_text("utf-8"))
        return Decided(int(document["weeks"]), int(document["until"]))
    return Decided()


def reconcile(store: Connection) -> None:
    """Refuse the weeks that a database before this one may have released.

    The file beside it knows of more weeks where this database is new, or came from a copy. Then
    no week that started before the newest of them ended is released again; what this one knows to
    have been released stays.
    """
    state = store.path.parent
    before, here = remembered(state), decided(store.connection)
    if here.weeks < before.weeks or here.until < before.until:
        raise_horizon(store.connection, before.until)
    current = Decided(here.weeks, max(here.until, before.until))
    if current != before:
        remember(state, current)


def refuse_before(database: Path, now: int) -> None:
    """Release no week of a restored database that may have been released by ``now``, ms UTC."""
    db = connect(database)
    with contextlib.closing(db):
        raise_horizon(db, week_of(now))


def raise_horizon(db: sqlite3.Connection, horizon: int) -> None:
    """Release no more week that starts before a time, ms UTC; the time never goes back."""
    db.execute(
        "insert into settings values (?1, ?2) on conflict do update set value ="
        " max(cast(value as integer), cast(excluded.value as integer))",
        (HORIZON, str(horizon)),
    )
