"""Opening the state directory: database, keys, and what a change of measurement breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from donkeywatch.counting.calendar import SECOND
from donkeywatch.ingest import keyring, lexicon_model
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.fingerprint_keys import ContentKeys
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.runtime import (
    fleet_lexicons,
    installation_state,
    lexicon_promotion,
    series_breaks,
    source_opening,
)
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.settings.schema import Settings
from donkeywatch.store import lost_keys
from donkeywatch.store.backups import Backups
from donkeywatch.store.store import Store


@dataclass(frozen=True, slots=True)
class OpenState:
    """What one start opens; the store is closed by whoever owns this."""

    store: Store
    keys: Keyring
    state_id: str
    lexicon_digest: str
    backups: Backups
    streams: list[FollowedSource]
    lost_weeks: list[int]
    """Weeks (ms UTC) whose keys were lost, and that go on under others from this start on."""


def open_state(
    settings: Settings,
    materials: ReferenceData,
    detector: Detector,
    now: int,
    clock: Callable[[], int],
    begin: Callable[[], int],
) -> OpenState:
    """Open the state of a locked directory; ``now`` is the wall clock and ``clock`` a later look.

    Both are ms UTC. ``begin`` is called before a file is read that may be a copy, as `Follower`
    tells. StateError where the keys and the database do not belong together.
    """
    keyring.ensure_directory(settings.key_directory)
    installation_state.refuse_orphaned_keys(settings)
    topics = [topic.id for topic in detector.topics]
    store = Store(settings.state, topics, ships_to_fleet=settings.fleet.ships)
    try:
        moment = installation_state.plausible_time(store, now)
        install = installation_state.load_install_key(settings, store)
        state_id = installation_state.state_id(store)
        keys = installation_state.open_keys(settings, store, moment)
        digest = lexicon_model.digest(materials.lexicon, install)
        countries = materials.countries.digest
        shadow = series_breaks.OFF
        if materials.shadow is not None:
            shadow = lexicon_model.digest(materials.shadow, install)
        lexicon_promotion.record_promotion(store, digest, moment)
        series_breaks.record_measurement_changes(store, settings, digest, shadow, countries, moment)
        if settings.fleet.ships:
            fleet_lexicons.record_lexicon(store, settings, materials.lexicon, moment)
        interval = round(settings.backup.interval * SECOND)
        backups = Backups(store.path, interval, settings.backup.keep)
        backups.destroy_expired(keys.destroyed_weeks())
        content_keys = ContentKeys(keys, install, clock)
        if lost := lost_keys.weeks_to_adopt(store):
            source_opening.adopt_logs(settings, store, detector, moment, content_keys, lost)
        streams = source_opening.open_sources(settings, store, detector, content_keys, begin)
    except BaseException:
        store.close()
        raise
    return OpenState(store, keys, state_id, digest, backups, streams, lost)
