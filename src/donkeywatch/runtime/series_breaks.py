"""Breaks of a series: what has changed in the measurement since the last start."""

from __future__ import annotations

from donkeywatch.ingest.extended.evidence import EXTENDED_RULES, PROFILE, SHADOW
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.settings.schema import Settings
from donkeywatch.store import series_changes
from donkeywatch.store.store import Store

OFF = "off"
"""What a part of the detection is that is not in use."""


def record_measurement_changes(
    store: Store, settings: Settings, lexicon: str, shadow: str, countries: str, now: int
) -> None:
    """Record what has changed in how is measured since the last start, ``now`` in ms UTC.

    ``lexicon`` and ``shadow`` are digests of the word lists; without a second one it is `off`.
    """
    is_new = store.setting("break:lexicon") is None
    formats = ",".join(f"{source.name}={source.parse_signature}" for source in settings.source)
    for kind, value in (
        ("lexicon", lexicon),
        ("countries", countries),
        ("format", formats),
        ("normalisation", NORMALISATION),
    ):
        store.record_break(kind, value, now)
    extended = EXTENDED_RULES if PROFILE in settings.detection.profiles else OFF
    for component, value in ((PROFILE, extended), (SHADOW, shadow)):
        _record_series_change(store, component, value, now, is_new=is_new)


def _record_series_change(
    store: Store, component: str, value: str, now: int, *, is_new: bool
) -> None:
    """Note when the series beside `paper` begin, end or change; those of `paper` go on."""
    before = store.setting(series_changes.in_use(component))
    if (before or OFF) != value and not is_new:
        name = series_changes.changes(component)
        store.set(name, " ".join([*(store.setting(name) or "").split(), str(now)]))
    if before != value:
        store.set(series_changes.in_use(component), value)
