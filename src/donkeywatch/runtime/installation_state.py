"""What a state directory keeps of its installation: lasting key, id, clock, weekly keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from donkeywatch.errors import StateError
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.runtime.believed_time import StoredClock
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.store import lost_keys
from donkeywatch.store.store import Store
from donkeywatch.store.writer_connection import STATE_ID

CLOCK = "clock"
"""Setting that holds a `StoredClock`."""
INSTALLED_KEY = "installed"
"""Setting that says that the lasting key was made for this database."""


def refuse_orphaned_keys(settings: Settings) -> None:
    """A database that has vanished is never replaced silently: all would count again."""
    path = settings.state / state_files.DATABASE
    empty = not path.exists() or path.stat().st_size == 0
    if empty and keyring.has_week_keys(settings.key_directory):
        raise StateError(
            f"{path} is empty or gone, but {settings.key_directory} holds the keys of a"
            " database that was in use",
            "`donkeywatch recover` goes on from the newest good backup; `donkeywatch reset`"
            " begins anew",
        )


def load_install_key(settings: Settings, store: Store) -> bytes:
    """The lasting key, made at the first start.

    Where it is lost since, as with a key directory in memory, there is a new one.
    """
    installed = store.setting(INSTALLED_KEY) is not None
    if installed and (new := keyring.new_install_key(settings.key_directory)):
        keyring.store_install_key(settings.key_directory, new)
        return new
    installation_key = keyring.install_key(settings.key_directory, fresh=not installed)
    if not installed:
        store.set(INSTALLED_KEY, "1")
    return installation_key


def state_id(store: Store) -> str:
    """The name that tells a database from others, made at the first start; it means nothing."""
    known = store.setting(STATE_ID)
    if known is not None:
        return known
    new = secrets.token_hex(8)
    store.set(STATE_ID, new)
    return new


def stored_clock(store: Store) -> StoredClock | None:
    """Read what a database knows of the clock; None where nothing was ever committed."""
    text = store.setting(CLOCK)
    if text is not None:
        return StoredClock.parse(text)
    newest = store.last_commit()  # Written by an archive, or by an older version.
    return None if newest is None else StoredClock(newest)


def plausible_time(store: Store, now: int) -> int:
    """``now``, or the time of the last commit where the wall clock can hardly be right; ms UTC."""
    stored = stored_clock(store)
    return now if stored is None else stored.plausible(now)


def open_keys(settings: Settings, store: Store, now: int) -> Keyring:
    """The weekly keys; a break at ``now`` (ms UTC) says which are lost.

    An address counts as another one in those weeks, and the next start finds the logs again.
    """

    def replace_lost(checks: Mapping[int, bytes]) -> None:
        lost_keys.replace(store, checks, now)

    known = store.weekly_keys()
    return Keyring(settings.key_directory, known, store.register_key, replace_lost)
