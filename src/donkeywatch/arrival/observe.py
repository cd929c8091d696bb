"""The door of the sealed room: sightings go in, pseudonymised observations come out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from donkeywatch.arrival.countries import Countries
from donkeywatch.arrival.keyring import Keyring
from donkeywatch.arrival.pseudonyms import Addresses, pseudonyms
from donkeywatch.arrival.sightings import Sightings
from donkeywatch.counting.observations import Observations, Pseudonyms, Times
from donkeywatch.counting.watermark import Frontier
from donkeywatch.counting.windows import HOUR, MONDAY, WEEK


@dataclass(frozen=True, slots=True)
class Rules:
    """When a line is late, too late or from the future; all in ms."""

    lateness: int
    future: int
    keep: int = WEEK
    """How long an hour's segment exists for late lines."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Countries and keys applied to the sightings of a source."""

    countries: Countries
    keyring: Keyring
    rules: Rules

    def observe(
        self, seen: Sightings, frontier: Frontier, now: int, closed_until: int
    ) -> Observations:
        """Decide on times, look up countries, and replace addresses by pseudonyms.

        ``now`` is the wall clock and ``closed_until`` the end of the last closed hour, both ms
        UTC. Moves the frontier.
        """
        tally = Counter(seen.tally)
        past = seen.time <= now + self.rules.future
        tally["future"] += int(len(past) - past.sum())
        folds = seen.alternative if bool((seen.alternative != seen.time).any()) else None
        time, before = frontier.admit(seen.time[past], None if folds is None else folds[past])
        timely = time >= before - self.rules.keep
        timely[timely] = self._unsealed(time[timely])
        tally["too_late"] += int(len(timely) - timely.sum())
        time, address = time[timely], seen.address[past][timely]
        closed = np.maximum(before[timely] - self.rules.lateness, closed_until)
        tally["query"] += len(time)
        hashed = self._hashed(time, address, 0)
        return Observations(
            time=time,
            pseudonym=hashed,
            previous=self._hashed(time, address, WEEK),
            country=self.countries.of(address),
            categories=seen.codes[:, past][:, timely],
            late=time // HOUR * HOUR + HOUR <= closed,
            tally=+tally,
        )

    def _unsealed(self, time: Times) -> np.ndarray:
        fine = np.ones(len(time), bool)
        weeks = _weeks(time)
        for week in np.unique(weeks).tolist():
            if self.keyring.key(week) is None:
                fine &= weeks != week
        return fine

    def _hashed(self, time: Times, address: Addresses, back: int) -> Pseudonyms:
        """Pseudonyms under the key of the week ``back`` ms before each line's own."""
        found = np.zeros(len(time), np.uint64)
        weeks = _weeks(time)
        for week in np.unique(weeks).tolist():
            key = self.keyring.key(week - back)
            chosen = weeks == week
            if key is not None:
                found[chosen] = pseudonyms(address[chosen], key)
        return found


def _weeks(time: Times) -> Times:
    """Start of the ISO week of each time, ms."""
    return (time - MONDAY) // WEEK * WEEK + MONDAY
