"""Which word list an hour was counted with, as the servers of a fleet compare theirs."""

from __future__ import annotations

import json

from donkeywatch.counting.calendar import HOUR, floor_to
from donkeywatch.fleet import key_receipt
from donkeywatch.fleet.shipper import LEXICONS
from donkeywatch.ingest import lexicon_model
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.settings.schema import Settings
from donkeywatch.store.store import Store

MAX_LEXICONS = 100
"""How many word lists are remembered; the hours of older ones were shipped long ago."""


def record_lexicon(store: Store, settings: Settings, lexicon: Lexicon, now: int) -> None:
    """Note which word list is counted with from this hour on (``now``, ms UTC), for the fleet.

    Nothing is noted before a key was taken: what makes the digest of all servers one comes with it.
    """
    secret = key_receipt.fleet_secret(settings)
    if secret is None:
        return
    digest = lexicon_model.digest(lexicon, secret)
    known = json.loads(store.setting(LEXICONS) or "[]")
    if not known or known[-1][1] != digest:
        # The first one is that of all hours that wait to be shipped.
        since = floor_to(now, HOUR) if known else 0
        store.set(LEXICONS, json.dumps([*known, [since, digest]][-MAX_LEXICONS:]))
