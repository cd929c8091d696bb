"""How often each pseudonym asked in a tick of 60 ms, and how much of it was flagged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import HOUR, MINUTE
from donkeywatch.counting.observations import Countries, Observations, Pseudonyms, Times
from donkeywatch.counting.sorting import run_sums, stable_argsort, take_items
from donkeywatch.counting.window_aggregates import CountColumn, Counts, RowColumns

TICK_MS = 60
"""Length of a tick: the finest time that is stored of a query. An hour of them fits 16 bits, and
it tells two queries of one address apart where a copy of the log is compared with the rows."""
TICKS_PER_MINUTE = MINUTE // TICK_MS
Ticks = npt.NDArray[np.uint16]
"""Ticks since the start of the hour, 0 to 59,999."""
Selection = slice | Counts
"""Some items of a column: a span of them, or their places."""
CHUNK_ROWS = 1 << 16
"""Rows that are counted at a time, where there is a choice."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one hour, one row per pseudonym, country and tick, sorted by them.

    ``tick`` counts `TICK_MS` from the start of the hour; ``flagged`` has one row per topic.
    ``previous`` is None once the older key is destroyed.
    """

    hour: int
    pseudonym: Pseudonyms
    previous: Pseudonyms | None
    country: Countries
    tick: Ticks
    queries: CountColumn
    flagged: CountColumn

    def __len__(self) -> int:
        return len(self.pseudonym)

    def take(self, places: Counts) -> Rows:
        """The rows at some places, in their order."""
        return Rows(
            self.hour,
            take_items(self.pseudonym, places),
            None if self.previous is None else take_items(self.previous, places),
            take_items(self.country, places),
            take_items(self.tick, places),
            take_items(self.queries, places),
            take_items(self.flagged, places),
        )

    def row_slice(self, low: int, high: int) -> Rows:
        """The rows from ``low`` to ``high``; nothing is copied."""
        cut = slice(low, high)
        return Rows(
            self.hour,
            self.pseudonym[cut],
            None if self.previous is None else self.previous[cut],
            self.country[cut],
            self.tick[cut],
            self.queries[cut],
            self.flagged[:, cut],
        )

    def between(self, start: int, end: int) -> Rows:
        """The rows whose tick lies in [start, end), both ms and whole minutes."""
        low, high = ticks_between(self.hour, start, end)
        if high - low == HOUR // TICK_MS:
            return self
        return self.take(np.flatnonzero((self.tick >= low) & (self.tick < high)))


RowRange = tuple[Rows, int, int]
"""Rows of a segment: the first of them, and the one behind the last."""


def ticks_between(hour: int, start: int, end: int) -> tuple[int, int]:
    """Give the ticks of an hour that lie in [start, end) ms: the first, and one past the last."""
    low, high = ((min(max(time - hour, 0), HOUR)) // TICK_MS for time in (start, end))
    return low, high


def split_by_hour(time: Times) -> Iterator[tuple[int, Selection]]:
    """Start of each hour (ms) that some times lie in, in rising order, and which of them do."""
    if not len(time):
        return
    first, last = (int(end) // HOUR for end in (time.min(), time.max()))
    if first == last:
        yield first * HOUR, slice(None)
        return
    hours = time // HOUR - first
    wide = last - first > 1 << 16
    for hour in (np.unique(hours) if wide else np.flatnonzero(np.bincount(hours))).tolist():
        places = np.flatnonzero(hours == hour)
        low, high = int(places[0]), int(places[-1]) + 1
        # Nearly always the lines of an hour stand together.
        yield (first + hour) * HOUR, slice(low, high) if high - low == len(places) else places


def group_observations(
    observations: Observations, hours: Iterable[tuple[int, Selection]]
) -> Iterator[Rows]:
    """Group observations into rows, by `split_by_hour` their times."""
    for hour, chosen in hours:
        tick = ((observations.time[chosen] - hour) // TICK_MS).astype(np.uint16)
        yield group(
            Rows(
                hour,
                observations.pseudonym[chosen],
                observations.previous_pseudonym[chosen],
                observations.country[chosen],
                tick,
                np.ones(len(tick), np.uint8),
                (observations.categories[:, chosen] > 0).view(np.uint8),
            )
        )


def group(rows: Rows) -> Rows:
    """The same counts with one row per pseudonym, country and tick, sorted by them."""
    if not len(rows):
        return rows
    order, pseudonym, key = _sort_order(rows)
    new = np.empty(len(order), bool)
    new[0] = True
    np.not_equal(pseudonym[1:], pseudonym[:-1], out=new[1:])
    new[1:] |= key[1:] != key[:-1]
    first = np.flatnonzero(new)
    if len(first) == len(order):
        return rows.take(order)
    key = take_items(key, first)
    return Rows(
        rows.hour,
        take_items(pseudonym, first),
        None if rows.previous is None else take_items(rows.previous, take_items(order, first)),
        (key >> 16).astype(np.uint16),
        key.astype(np.uint16),
        run_sums(take_items(rows.queries, order), first).astype(np.uint32),
        _sum_flagged(rows.flagged, order, first),
    )


def split_by_pseudonym(segments: Sequence[Rows]) -> Iterator[list[RowRange]]:
    """The rows of sorted segments by ranges of pseudonyms: no address is in two pieces.

    A piece is so short that it is sorted in a processor's own memory, in half the time.
    """
    count = -(-sum(map(len, segments)) // CHUNK_ROWS)
    if count < 2:
        if count:
            yield [(rows, 0, len(rows)) for rows in segments]
        return
    low = min(int(rows.pseudonym[0]) for rows in segments if len(rows))
    high = max(int(rows.pseudonym[-1]) for rows in segments if len(rows))
    bounds = np.array([low + (high - low) * i // count for i in range(1, count)], np.uint64)
    cuts = [[0, *np.searchsorted(rows.pseudonym, bounds).tolist(), len(rows)] for rows in segments]
    for i in range(count):
        cut = [
            (rows, bounds[i], bounds[i + 1]) for rows, bounds in zip(segments, cuts, strict=True)
        ]
        if parts := [(rows, low, high) for rows, low, high in cut if low < high]:
            yield parts


def to_columns(cuts: Sequence[RowRange], *, timed: bool) -> RowColumns:
    """Some rows one behind the other, under their own pseudonyms."""
    minute = None
    if timed:
        hour = np.array([rows.hour // MINUTE for rows, _, _ in cuts], np.int32)
        minute = np.repeat(hour, [high - low for _, low, high in cuts])
        ticks = np.concatenate([rows.tick[low:high] for rows, low, high in cuts])
        minute += ticks // TICKS_PER_MINUTE
    return RowColumns(
        np.concatenate([rows.pseudonym[low:high] for rows, low, high in cuts]),
        np.concatenate([rows.country[low:high] for rows, low, high in cuts]),
        np.concatenate([rows.queries[low:high] for rows, low, high in cuts]),
        np.concatenate([rows.flagged[:, low:high] for rows, low, high in cuts], axis=1),
        minute,
    )


def _key(rows: Rows) -> npt.NDArray[np.uint32]:
    """Country and tick in one number."""
    return (rows.country.astype(np.uint32) << np.uint32(16)) | rows.tick


def _sort_order(rows: Rows) -> tuple[Counts, Pseudonyms, npt.NDArray[np.uint32]]:
    """The order by pseudonym, country and tick, and both keys in it.

    A log is nearly in the order of the others.
    """
    order = stable_argsort(rows.pseudonym)
    pseudonym, key = take_items(rows.pseudonym, order), take_items(_key(rows), order)
    same = pseudonym[1:] == pseudonym[:-1]
    descents = np.flatnonzero(same & (key[1:] < key[:-1]))
    if len(descents):
        # Only the rows of those pseudonyms are sorted again.
        unsorted = np.unique(pseudonym[descents])
        low, high = (np.searchsorted(pseudonym, unsorted, side) for side in ("left", "right"))
        lengths = high - low
        rank = np.repeat(np.arange(len(unsorted), dtype=np.uint64), lengths)
        places = np.arange(lengths.sum()) + np.repeat(low - np.cumsum(lengths) + lengths, lengths)
        sorting = np.argsort(rank << 32 | key[places])
        order[places], key[places] = order[places][sorting], key[places][sorting]
    return order, pseudonym, key


def _sum_flagged(flagged: CountColumn, order: Counts, first: Counts) -> CountColumn:
    """Sums of the flagged, of which there are few, over the rows that become one."""
    sums = np.zeros((len(flagged), len(first)), np.uint32)
    for column, totals in zip(flagged, sums, strict=True):
        if column.any():
            places = np.flatnonzero(take_items(column != 0, order))
            row = np.searchsorted(first, places, "right") - 1
            np.add.at(totals, row, column[order[places]])
    return sums


def merge(parts: Sequence[Rows]) -> Rows:
    """All rows of several segments of one hour, compacted."""
    return parts[0] if len(parts) == 1 else group(concat(parts))


def concat(parts: Sequence[Rows]) -> Rows:
    """All rows of several segments of one hour, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    has_previous = all(part.previous is not None for part in parts)
    return Rows(
        parts[0].hour,
        np.concatenate([part.pseudonym for part in parts]),
        np.concatenate([part.previous for part in parts if part.previous is not None])
        if has_previous
        else None,
        np.concatenate([part.country for part in parts]),
        np.concatenate([part.tick for part in parts]),
        np.concatenate([part.queries for part in parts]),
        np.concatenate([part.flagged for part in parts], axis=1),
    )
