"""What a state directory was made with: its lasting key, and the measurement's settings."""

from __future__ import annotations

from donkeywatch.arrival import keyring
from donkeywatch.arrival.text import NORMALISATION
from donkeywatch.errors import StateError
from donkeywatch.settings import Settings
from donkeywatch.store import database
from donkeywatch.store.store import Store

INSTALLED = "installed"
"""Setting that says that the lasting key was made for this database."""


def refuse_orphaned_keys(settings: Settings) -> None:
    """A database that has vanished is never begun anew silently: all would count again."""
    path = settings.state / database.DATABASE
    empty = not path.exists() or path.stat().st_size == 0
    if empty and keyring.weeks_exist(settings.key_directory):
        raise StateError(
            f"{path} is empty or gone, but {settings.key_directory} holds the keys of a"
            " database that was in use",
            "`donkeywatch recover` goes on from the newest good backup; `donkeywatch reset`"
            " begins anew",
        )


def key(settings: Settings, store: Store) -> bytes:
    """The lasting key; refused where keys and database do not belong together."""
    installed = store.setting(INSTALLED) is not None
    lasting = keyring.install_key(settings.key_directory, fresh=not installed)
    if not installed:
        store.set(INSTALLED, "1")
    return lasting


def note_breaks(store: Store, settings: Settings, lexicon: str, countries: str, now: int) -> None:
    """Record what has changed in how is measured since the last start, ``now`` in ms UTC."""
    formats = ",".join(f"{source.name}={source.reading}" for source in settings.source)
    for kind, value in (
        ("lexicon", lexicon),
        ("countries", countries),
        ("format", formats),
        ("normalisation", NORMALISATION),
    ):
        store.note_break(kind, value, now)
