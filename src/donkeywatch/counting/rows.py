"""The ledger's rows: how often a pseudonym asked in a minute, and how much of it was flagged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Countries, Observations, Pseudonyms
from donkeywatch.counting.windows import HOUR, MINUTE

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one hour, one row per pseudonym, country and minute.

    ``minute`` counts from the start of the hour (0-59); ``flagged`` has one row per topic.
    ``previous`` is None once the older key is destroyed.
    """

    hour: int
    pseudonym: Pseudonyms
    previous: Pseudonyms | None
    country: Countries
    minute: npt.NDArray[np.uint8]
    queries: Counts
    flagged: Counts

    def __len__(self) -> int:
        return len(self.pseudonym)

    def where(self, keep: npt.NDArray[np.bool_]) -> Rows:
        """The rows that ``keep`` is true for."""
        return Rows(
            self.hour,
            self.pseudonym[keep],
            None if self.previous is None else self.previous[keep],
            self.country[keep],
            self.minute[keep],
            self.queries[keep],
            self.flagged[:, keep],
        )

    def between(self, start: int, end: int) -> Rows:
        """The rows whose minute lies in [start, end), both ms and whole minutes."""
        if start <= self.hour and self.hour + HOUR <= end:
            return self
        time = self.hour + self.minute.astype(np.int64) * MINUTE
        return self.where((time >= start) & (time < end))


def rows_of(seen: Observations) -> Iterator[Rows]:
    """Group observations into rows, hour by hour in rising order."""
    hours = seen.time // HOUR * HOUR
    for hour in np.unique(hours).tolist():
        chosen = np.flatnonzero(hours == hour)
        minute = ((seen.time[chosen] - hour) // MINUTE).astype(np.uint8)
        yield compacted(
            Rows(
                hour,
                seen.pseudonym[chosen],
                seen.previous[chosen],
                seen.country[chosen],
                minute,
                np.ones(len(chosen), np.int64),
                (seen.categories[:, chosen] > 0).astype(np.int64),
            )
        )


def compacted(rows: Rows) -> Rows:
    """The same counts with one row per pseudonym, country and minute, sorted by them."""
    if not len(rows):
        return rows
    order = np.lexsort((rows.minute, rows.country, rows.pseudonym))
    pseudonym, country, minute = rows.pseudonym[order], rows.country[order], rows.minute[order]
    new = np.empty(len(order), bool)
    new[0] = True
    new[1:] = (
        (pseudonym[1:] != pseudonym[:-1])
        | (country[1:] != country[:-1])
        | (minute[1:] != minute[:-1])
    )
    first = np.flatnonzero(new)
    return Rows(
        rows.hour,
        pseudonym[first],
        None if rows.previous is None else rows.previous[order][first],
        country[first],
        minute[first],
        np.add.reduceat(rows.queries[order], first),
        np.add.reduceat(rows.flagged[:, order], first, axis=1),
    )


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of several segments of one hour, compacted."""
    bridged = all(part.previous is not None for part in parts)
    return compacted(
        Rows(
            parts[0].hour,
            np.concatenate([part.pseudonym for part in parts]),
            np.concatenate([part.previous for part in parts if part.previous is not None])
            if bridged
            else None,
            np.concatenate([part.country for part in parts]),
            np.concatenate([part.minute for part in parts]),
            np.concatenate([part.queries for part in parts]),
            np.concatenate([part.flagged for part in parts], axis=1),
        )
    )
