"""Keys for the fingerprints of log files: each week's die with the key of the week."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from donkeywatch.arrival.keyring import Keyring
from donkeywatch.counting.windows import week_of
from donkeywatch.sources.marks import LASTING


@dataclass(frozen=True, slots=True)
class ContentKeys:
    """Derives the keys of fingerprints from the weekly ones; ``now`` is a time in ms UTC.

    ``lasting`` is the installation's key, under which version 0.1 made them.
    """

    keyring: Keyring
    lasting: bytes
    now: Callable[[], int]

    def current(self) -> int:
        """Start of the newest week that has a key; of this week where none has."""
        weeks = self.keyring.unsealed()
        return weeks[-1] if weeks else week_of(self.now())

    def key(self, week: int) -> bytes | None:
        """The key of a week's fingerprints, None once it is destroyed."""
        return self.lasting if week == LASTING else _derived(self.keyring.key(week))


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The same from keys that were read, for a look at the logs that makes no key."""

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
