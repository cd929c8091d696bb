"""The privacy boundary: parsed queries go in, pseudonymised observations come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, WEEK, floor_to
from donkeywatch.counting.event_time import EventTimeFrontier
from donkeywatch.counting.observations import Observations, Pseudonyms, Times
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.line_reader import QueryColumns
from donkeywatch.ingest.pseudonyms import AddressColumn, pseudonyms


@dataclass(frozen=True, slots=True)
class LatenessRules:
    """When a line is late, too late or from the future; all in ms."""

    lateness: int
    future: int
    max_lateness: int = WEEK
    """How long an hour's segment exists for late lines."""


ACCEPTED, FUTURE, TOO_LATE = range(3)
TIME_REJECTIONS = {FUTURE: "future", TOO_LATE: "too_late"}
"""Outcomes of searches that are not counted for their time."""
Verdicts = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """The searches of a block with what is decided on their times; all columns are as long.

    ``time`` (ms UTC) is the event time, chosen where a repeated hour gives two, ``before`` the
    frontier before each, ``verdict`` ACCEPTED, FUTURE or TOO_LATE; the first two mean nothing where
    it is FUTURE.
    """

    read: QueryColumns
    time: Times
    before: Times
    verdict: Verdicts

    def where(self, chosen: npt.NDArray[np.bool_]) -> JudgedQueries:
        """Give some of the searches, with the tally of the other lines."""
        return JudgedQueries(
            self.read.filter(chosen), self.time[chosen], self.before[chosen], self.verdict[chosen]
        )

    def with_tally(self, tally: Counter[str]) -> JudgedQueries:
        """Give the same searches with another tally of the other lines."""
        return JudgedQueries(
            replace(self.read, outcomes=tally), self.time, self.before, self.verdict
        )

    def outcomes(self) -> Counter[str]:
        """Count the lines that are not counted as a query, by outcome."""
        outcomes = Counter(self.read.outcomes)
        if self.verdict.any():
            for code, name in TIME_REJECTIONS.items():
                outcomes[name] += int(np.count_nonzero(self.verdict == code))
        return outcomes


@dataclass(frozen=True, slots=True)
class Pseudonymiser:
    """Replaces addresses by countries and pseudonyms in the queries of a source."""

    countries: CountryLookup
    keyring: Keyring
    rules: LatenessRules

    def judge(self, read: QueryColumns, frontier: EventTimeFrontier, now: int) -> JudgedQueries:
        """Decide on the times of searches; ``now`` is the wall clock, ms UTC.

        Advances the frontier over searches that were counted before, too, so that the verdicts do
        not depend on what is left out as a copy.
        """
        verdict = np.zeros(len(read.time), np.uint8)
        newest = now + self.rules.future
        if not len(read.time) or read.time.max() <= newest:
            time, before, timely = self._admit(read, frontier)
            if timely is not None:
                verdict[~timely] = TOO_LATE
            return JudgedQueries(read, time, before, verdict)
        past = read.time <= newest
        verdict[~past] = FUTURE
        time, before = read.time.copy(), read.time.copy()
        time[past], before[past], timely = self._admit(read.filter(past), frontier)
        if timely is not None:
            verdict[np.flatnonzero(past)[~timely]] = TOO_LATE
        return JudgedQueries(read, time, before, verdict)

    def _admit(
        self, read: QueryColumns, frontier: EventTimeFrontier
    ) -> tuple[Times, Times, npt.NDArray[np.bool_] | None]:
        """Times decided on, the frontier before each, and which are not too late; None: all."""
        has_alternative = (
            read.alternative is not read.time and (read.alternative != read.time).any()
        )
        time, before = frontier.advance(read.time, read.alternative if has_alternative else None)
        if not len(time):
            return time, before, None
        oldest, newest = int(time.min()), int(time.max())
        if oldest >= before.max() - self.rules.max_lateness and (
            (week := floor_to(oldest, WEEK)) == floor_to(newest, WEEK)
            and self.keyring.key(week) is not None
        ):
            return time, before, None
        timely = time >= before - self.rules.max_lateness
        timely[timely] = self._key_available(time[timely])
        return time, before, timely

    def pseudonymise(self, judged: JudgedQueries, closed_until: int) -> Observations:
        """Look up countries, and replace addresses by pseudonyms, of what can be counted.

        ``closed_until`` is the end of the last closed hour, ms UTC.
        """
        tally = judged.outcomes()
        if judged.verdict.any():
            judged = judged.where(judged.verdict == ACCEPTED)
        queries, time, before = judged.read, judged.time, judged.before
        address = queries.address
        tally["query"] += len(time)
        hashed = self._pseudonyms(time, address, 0)
        return Observations(
            time=time,
            pseudonym=hashed,
            previous_pseudonym=self._pseudonyms(time, address, WEEK, hashed),
            country=self.countries.lookup(address),
            categories=queries.codes,
            is_late=self._late(time, before, closed_until),
            tally=+tally,
        )

    def _late(self, time: Times, before: Times, closed_until: int) -> npt.NDArray[np.bool_]:
        """Tell which queries are late: their hour had closed. Nearly always none is."""
        if not len(time):
            return np.zeros(0, bool)
        newest = max(int(before.max()) - self.rules.lateness, closed_until)
        if floor_to(int(time.min()), HOUR) + HOUR > newest:
            return np.zeros(len(time), bool)
        closed = np.maximum(before - self.rules.lateness, closed_until)
        late: npt.NDArray[np.bool_] = time // HOUR * HOUR + HOUR <= closed
        return late

    def _key_available(self, time: Times) -> np.ndarray:
        has_key = np.ones(len(time), bool)
        for week, selection in _split_by_week(time):
            if self.keyring.key(week) is None:
                has_key[selection] = False
        return has_key

    def _pseudonyms(
        self,
        time: Times,
        address: AddressColumn,
        weeks_back_ms: int,
        fallback: Pseudonyms | None = None,
    ) -> Pseudonyms:
        """Pseudonyms under the key of the week ``weeks_back_ms`` ms before each line's own.

        Where that is destroyed, those of ``fallback``: each address still has one of its own.
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
    weeks = (time - FIRST_MONDAY) // WEEK * WEEK + FIRST_MONDAY
    for week in np.unique(weeks).tolist():
        yield week, weeks == week
