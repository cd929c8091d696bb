"""The door of the sealed room: sightings go in, pseudonymised observations come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.arrival.countries import Countries
from donkeywatch.arrival.keyring import Keyring
from donkeywatch.arrival.pseudonyms import Addresses, pseudonyms
from donkeywatch.arrival.sightings import Sightings
from donkeywatch.counting.observations import Observations, Pseudonyms, Times
from donkeywatch.counting.watermark import Frontier
from donkeywatch.counting.windows import HOUR, MONDAY, WEEK, floor


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
        if not past.all():
            tally["future"] += int(len(past) - past.sum())
            seen = seen.where(past)
        twice = seen.alternative is not seen.time and (seen.alternative != seen.time).any()
        folds = seen.alternative if twice else None
        time, before = frontier.admit(seen.time, folds)
        timely = time >= before - self.rules.keep
        if timely.all():
            timely = self._unsealed(time)
        else:
            timely[timely] = self._unsealed(time[timely])
        if not timely.all():
            tally["too_late"] += int(len(timely) - timely.sum())
            seen, time, before = seen.where(timely), time[timely], before[timely]
        address = seen.address
        tally["query"] += len(time)
        hashed = self._hashed(time, address, 0)
        return Observations(
            time=time,
            pseudonym=hashed,
            previous=self._hashed(time, address, WEEK, hashed),
            country=self.countries.of(address),
            categories=seen.codes,
            late=self._late(time, before, closed_until),
            tally=+tally,
        )

    def _late(self, time: Times, before: Times, closed_until: int) -> npt.NDArray[np.bool_]:
        """Whose hour had closed; nearly always the newest hour that had is before all of them."""
        if not len(time):
            return np.zeros(0, bool)
        newest = max(int(before.max()) - self.rules.lateness, closed_until)
        if floor(int(time.min()), HOUR) + HOUR > newest:
            return np.zeros(len(time), bool)
        closed = np.maximum(before - self.rules.lateness, closed_until)
        late: npt.NDArray[np.bool_] = time // HOUR * HOUR + HOUR <= closed
        return late

    def _unsealed(self, time: Times) -> np.ndarray:
        fine = np.ones(len(time), bool)
        for week, chosen in _weeks(time):
            if self.keyring.key(week) is None:
                fine[chosen] = False
        return fine

    def _hashed(
        self, time: Times, address: Addresses, back: int, instead: Pseudonyms | None = None
    ) -> Pseudonyms:
        """Pseudonyms under the key of the week ``back`` ms before each line's own.

        Where that is destroyed, those of ``instead``: each address still has one of its own.
        """
        found = np.zeros(len(time), np.uint64) if instead is None else instead.copy()
        for week, chosen in _weeks(time):
            key = self.keyring.key(week - back)
            if key is not None and isinstance(chosen, slice):
                return pseudonyms(address, key)
            if key is not None:
                found[chosen] = pseudonyms(address[chosen], key)
        return found


def _weeks(time: Times) -> Iterator[tuple[int, slice | npt.NDArray[np.bool_]]]:
    """Start of each ISO week (ms) that some times lie in, and which of them do: all, or some."""
    if not len(time):
        return
    first, last = (floor(int(end), WEEK) for end in (time.min(), time.max()))
    if first == last:
        yield first, slice(None)
        return
    weeks = (time - MONDAY) // WEEK * WEEK + MONDAY
    for week in np.unique(weeks).tolist():
        yield week, weeks == week
