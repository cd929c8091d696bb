"""Ships closed hours to the fleet: reads what is committed, and changes nothing here."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from donkeywatch.counting.calendar import HOUR, SECOND, WEEK, week_name, week_of
from donkeywatch.counting.observations import Pseudonyms
from donkeywatch.counting.sorting import run_sums
from donkeywatch.counting.tick_counts import Rows, concat
from donkeywatch.fleet import hour_commit_records, tables
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.warehouse import Columns, Warehouse
from donkeywatch.ingest import keyring
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.store import database_opening, outbox, segments
from donkeywatch.store.outbox import OutboxEntry

LEXICONS = "fleet_lexicons"
"""Setting: since when (ms UTC) which word list is counted with, as pairs with a digest in JSON."""


def ship_pending(settings: Settings, warehouse: Warehouse, now: int) -> Iterator[OutboxEntry]:
    """Ship every closed hour that has not arrived, oldest first; each entry when it has arrived.

    ``now`` is ms UTC. WarehouseError where one cannot be shipped: a later call begins with it.
    """
    path = settings.state / state_files.DATABASE
    with closing(database_opening.connect(path, read_only=True)) as db:
        for entry in outbox.pending(db):
            _ship(settings, warehouse, db, entry, now)
            yield entry


def _ship(
    settings: Settings, warehouse: Warehouse, db: sqlite3.Connection, entry: OutboxEntry, now: int
) -> None:
    db.execute("begin")  # Rows and totals of one moment, however the hour goes on.
    try:
        topics = _topics(db, entry.hour)
        parts = list(segments.load(db, entry.hour, entry.hour + HOUR, topics))
        (covered,) = db.execute(
            "select covered_seconds from windows where kind = 'hour' and start = ?", (entry.hour,)
        ).fetchone()
        checks = _key_checks(settings, db, entry.hour)
        lexicon = _lexicon(db, entry.hour)
    finally:
        db.execute("rollback")
    server = str(settings.fleet.server)
    record = ServerHour(
        server=server,
        hour=entry.hour,
        version=entry.version,
        batch=secrets.randbits(64),
        shipped_at=now,
        key_check=checks[0],
        previous_check=checks[1],
        lexicon=lexicon,
        topics=topics,
        queries=sum(int(part.queries.sum()) for part in parts),
        flagged=tuple(
            sum(int(part.flagged[n].sum()) for part in parts) for n in range(len(topics))
        ),
        covered_seconds=covered,
    )
    if parts:
        rows = concat(parts)
        week = week_of(entry.hour)
        if record.key_check:
            columns = _columns(record, week, rows, rows.pseudonym)
            warehouse.insert("pseudonym_rows", columns)
        if record.previous_check and rows.previous is not None:
            columns = _columns(record, week - WEEK, rows, rows.previous)
            warehouse.insert("pseudonym_rows", columns)
    hour_commit_records.write(warehouse, record)


def _topics(db: sqlite3.Connection, hour: int) -> tuple[str, ...]:
    """Give the topics of an hour, those of its rows first, in their order."""
    rows = db.execute("select distinct topics from segments where hour = ? order by id", (hour,))
    named = [name for (text,) in rows for name in text.split(",") if name]
    others = db.execute(
        "select topic from window_topics where kind = 'hour' and start = ?", (hour,)
    )
    return tuple(dict.fromkeys([*named, *(name for (name,) in others)]))


def _key_checks(settings: Settings, db: sqlite3.Connection, hour: int) -> tuple[str, str]:
    """Tell which keys an hour's rows are under, where these are the fleet's; else empty texts.

    Rows under a key of this server's own would tell the fleet nothing, so they stay here.
    """
    shared = keyring.shared_key_checks(settings.key_directory)
    registered = dict(
        db.execute("select week, key_check from weekly_keys where destroyed = 0").fetchall()
    )
    week = week_of(hour)
    current, previous = (
        check if (check := registered.get(each, b"").hex()) == shared.get(week_name(each)) else ""
        for each in (week, week - WEEK)
    )
    return current, previous


def _lexicon(db: sqlite3.Connection, hour: int) -> str:
    """Give the digest of the word list that an hour was counted with; empty where none is known."""
    row = db.execute("select value from settings where name = ?", (LEXICONS,)).fetchone()
    known = [digest for since, digest in json.loads(row[0]) if since <= hour] if row else []
    return str(known[-1]) if known else ""


def _columns(record: ServerHour, key_week: int, rows: Rows, pseudonyms: Pseudonyms) -> Columns:
    """The rows of an hour without their moments: a row a pseudonym and country, sorted by them."""
    order = np.lexsort((rows.country, pseudonyms))
    pseudonym, country = pseudonyms[order], rows.country[order]
    key_changes = np.empty(len(order), bool)
    key_changes[:1] = True
    key_changes[1:] = (pseudonym[1:] != pseudonym[:-1]) | (country[1:] != country[:-1])
    first = np.flatnonzero(key_changes)
    flagged = np.stack([run_sums(topic[order], first) for topic in rows.flagged], axis=1)
    lists: list[list[int]] = [[]] * len(first)
    for place in np.flatnonzero(flagged.any(axis=1)).tolist():
        lists[place] = flagged[place].tolist()
    return {
        "key_week": [key_week // SECOND] * len(first),
        "hour": [record.hour // SECOND] * len(first),
        "server": [record.server] * len(first),
        "batch": [record.batch] * len(first),
        "pseudonym": pseudonym[first].tolist(),
        "country": country[first].tolist(),
        "queries": run_sums(rows.queries[order], first).tolist(),
        "flagged": lists,
        "expires": [tables.expiry(key_week, record.shipped_at) // SECOND] * len(first),
    }
