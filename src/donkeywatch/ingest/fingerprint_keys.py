"""Keys for the fingerprints of log files: each week's die with the key of the week."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from donkeywatch.counting.calendar import WEEK, week_of
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.sources.fingerprints import IN_MEMORY, LASTING

_OF_PROCESS = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class ContentKeys:
    """Derives the keys of fingerprints from the weekly ones; ``now`` is a time in ms UTC.

    ``lasting`` is the installation's key, under which version 0.1 made them.
    """

    keyring: Keyring
    lasting: bytes
    now: Callable[[], int]

    def current(self) -> int:
        """Start of the newest week that has a key and has begun; of this week where none has.

        Of the next one where an operator has destroyed the key of this one.
        """
        this = week_of(self.now())  # Keys of weeks to come go when a clock turns out to be ahead.
        living = (week for week in self.keyring.active_weeks() if week <= this)
        without = this + WEEK if this in self.keyring.destroyed_weeks() else this
        return max(living, default=without)

    def key(self, week: int) -> bytes | None:
        """The key of a week's fingerprints, None once it is destroyed."""
        if week in (LASTING, IN_MEMORY):
            return self.lasting if week == LASTING else _OF_PROCESS
        return _derived(self.keyring.key(week))


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Fingerprint keys that were read once, for commands that look at the logs and make no key."""

    weeks: Mapping[int, bytes]
    lasting: bytes

    def current(self) -> int:
        """Start of the newest week that has a key."""
        return max(self.weeks, default=LASTING)

    def key(self, week: int) -> bytes | None:
        """The key of a week's fingerprints, None where there is none."""
        return self.lasting if week == LASTING else _derived(self.weeks.get(week))


def _derived(key: bytes | None) -> bytes | None:
    """A key of its own: what is made with it tells nothing of what is made with the week's."""
    return None if key is None else blake2b(b"fingerprints", key=key, digest_size=32).digest()
