"""A word list that ran in the shadow takes over: the break, and the factors between its series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.sorting import group_sums
from donkeywatch.estimation.splice import SpliceFactor, splice_factor
from donkeywatch.ingest.extended.evidence import SHADOW, shadow_name
from donkeywatch.store import segments, series_changes, splices
from donkeywatch.store.store import Store


def record_promotion(store: Store, lexicon: str, now: int) -> bool:
    """Record a break of the lexicon with its splice factors, where the list in use was the shadow.

    ``lexicon`` is the digest of the list that is used from ``now`` (ms UTC) on. Break and factors
    are one transaction: whatever ends the process leaves the old state or the new one.
    """
    before = store.setting("break:lexicon")
    shadow = store.setting(series_changes.in_use(SHADOW))
    if before is None or lexicon == before or lexicon != shadow:
        return False
    since = _began_together(store)
    topics = [name for name in store.topics if SHADOW not in series_changes.components(name)]
    factors = {topic: _factor(store, topic, since, now) for topic in topics}
    known = {topic: factor for topic, factor in factors.items() if factor is not None}
    splices.record(store, lexicon, known, since, now)
    return True


def _began_together(store: Store) -> int:
    """Since when both lists were compared with the same queries, of those still there; ms UTC."""
    row = store.connection.execute(
        "select coalesce((select max(time) from breaks where kind in ('lexicon', 'normalisation')),"
        " 0), coalesce((select min(hour) from segments), 0)"
    ).fetchone()
    names = (f"any.{SHADOW}", f"any.{SHADOW}.extended")
    changes = [
        time for name in names for time in series_changes.changes_of_series(store.connection, name)
    ]
    return max([*map(int, row), *changes])


def _factor(store: Store, series: str, since: int, until: int) -> SpliceFactor | None:
    """The factor of a series, by the rows whose keys are not destroyed."""
    pair = (series, shadow_name(series))
    keys: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    for rows in segments.load(store.connection, since, until + HOUR, pair):
        flagged = rows.flagged.any(axis=0)
        keys.append(rows.pseudonym[flagged])
        counts.append(rows.flagged[:, flagged].astype(np.int64))
    if not keys:
        return None
    old, new = _sums_by_address(np.concatenate(keys), np.concatenate(counts, axis=1))
    return splice_factor(old, new)


def _sums_by_address(keys: np.ndarray, counts: np.ndarray) -> Sequence[np.ndarray]:
    return [group_sums(keys, column)[1].astype(np.int64) for column in counts]
