"""The factors between the series of word lists that took over from each other."""

from __future__ import annotations

from collections.abc import Mapping

from donkeywatch.estimation.splice import SpliceFactor
from donkeywatch.store.writer_connection import Connection


def record(
    store: Connection, lexicon: str, factors: Mapping[str, SpliceFactor], since: int, now: int
) -> None:
    """Record a changed lexicon with the factors of its series, in one transaction.

    ``lexicon`` is its digest; both lists were compared with the same queries ``since`` then, and
    the new one is used from ``now`` on, both ms UTC.
    """
    with store.transaction() as db:
        db.execute("insert or replace into settings values ('break:lexicon', ?)", (lexicon,))
        db.execute(
            "insert into breaks (time, kind, digest) values (?, 'lexicon', ?)", (now, lexicon)
        )
        db.executemany(
            "insert into splices values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (now, topic, since, *each.factor[:3], each.old, each.new, each.addresses)
                for topic, each in factors.items()
            ],
        )
