"""The privacy boundary: parsed queries go in, pseudonymised observations come out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import WEEK, floor_to
from donkeywatch.counting.observations import Observations, Pseudonyms, Times
from donkeywatch.ingest.address_mac import AddressColumn, pseudonyms
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.lateness import ACCEPTED, JudgedQueries, LatenessRules, week_starts


@dataclass(frozen=True, slots=True)
class Pseudonymiser:
    """Replaces addresses by countries and pseudonyms in the queries of a source."""

    countries: CountryLookup
    keyring: Keyring
    rules: LatenessRules

    def pseudonymise(self, judged: JudgedQueries, closed_until: int) -> Observations:
        """Look up countries, and replace addresses by pseudonyms, of what can be counted.

        ``closed_until`` is the end of the last closed hour, ms UTC.
        """
        tally = judged.outcomes()
        if judged.verdict.any():
            judged = judged.where(judged.verdict == ACCEPTED)
        queries, time = judged.read, judged.time
        address = queries.address
        tally["query"] += len(time)
        hashed = self._pseudonyms(time, address, 0)
        return Observations(
            time=time,
            pseudonym=hashed,
            previous_pseudonym=self._pseudonyms(time, address, WEEK, hashed),
            country=self.countries.lookup(address),
            categories=queries.codes,
            is_late=self.rules.are_late(time, judged.before, closed_until),
            tally=+tally,
        )

    def _pseudonyms(
        self,
        time: Times,
        address: AddressColumn,
        weeks_back_ms: int,
        fallback: Pseudonyms | None = None,
    ) -> Pseudonyms:
        """Pseudonyms under the key of the week ``weeks_back_ms`` ms before each line's own.

        Where that key is destroyed, a line has its pseudonym in ``fallback``, so that distinct
        addresses keep distinct ones; without a fallback it is 0.
        """
        hashed = np.zeros(len(time), np.uint64) if fallback is None else fallback.copy()
        for week, chosen in _split_by_week(time):
            key = self.keyring.key(week - weeks_back_ms)
            if key is not None and isinstance(chosen, slice):
                return pseudonyms(address, key)
            if key is not None:
                hashed[chosen] = pseudonyms(address[chosen], key)
        return hashed


def _split_by_week(time: Times) -> Iterator[tuple[int, slice | npt.NDArray[np.bool_]]]:
    """Start of each ISO week (ms) that some times lie in, and which of them do: all, or some."""
    if not len(time):
        return
    first, last = (floor_to(int(end), WEEK) for end in (time.min(), time.max()))
    if first == last:
        yield first, slice(None)
        return
    weeks = week_starts(time)
    for week in np.unique(weeks).tolist():
        yield week, weeks == week
