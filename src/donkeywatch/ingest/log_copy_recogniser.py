"""Recognises searches that were counted before, in whatever file they turn up again.

A search is known by its address, as a pseudonym under the key of its week, and by its time: that
is what the rows of an hour hold. They are kept for a week or two and destroyed with the key; of
weeks before nothing can be counted any more. Nothing else of a log's content is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, WEEK, floor_to
from donkeywatch.counting.observations import Pseudonyms, Times
from donkeywatch.counting.tick_counts import TICK_MS, TICKS_PER_MINUTE, Rows
from donkeywatch.ingest.address_mac import AddressColumn, pseudonyms
from donkeywatch.ingest.counted_searches import CountedSearches, search_keys
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.line_reader import QueryColumns

Mask = npt.NDArray[np.bool_]
Lines = Callable[[Set[bytes]], Sequence[bytes]]
MIN_RUN = 3
"""Different searches in a row that have to be known where one alone may be a coincidence."""
MIN_KNOWN_SHARE = 0.1
"""Known share of the older searches of a block from which each of them is believed."""
MIN_MASKED = 20
"""Unknown searches, and different times of theirs, from which a copy with other addresses shows."""
MASKED_SHARE = 0.99
"""Share of unknown searches that have the time of a counted one, in a copy with other addresses."""
MASKED_OF_COUNTED = 0.3
"""Share of what is counted in the same time that such a copy has at the least."""
FEWER_ADDRESSES = 4
"""A file is taken for a copy with masked addresses if an address has at least so many times as many
searches in it as in the hours that are counted."""
MAX_HOURS = 4
"""Hours whose rows are held in memory for one file."""


@dataclass(frozen=True, slots=True)
class _Searches:
    """Some searches as they are compared; ``key`` joins pseudonym and tick."""

    time: Times
    hour: Times
    tick: npt.NDArray[np.int64]
    pseudonym: Pseudonyms
    key: Pseudonyms
    is_unknowable: Mask

    def hours(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Give the hours (start in ms UTC) and where in the columns each one's searches are."""
        for hour in np.unique(self.hour).tolist():
            yield hour, np.flatnonzero(self.hour == hour)

    def where(self, places: npt.NDArray[np.int64] | Mask) -> _Searches:
        """Give some of them."""
        return _Searches(
            self.time[places], self.hour[places], self.tick[places], self.pseudonym[places],
            self.key[places], self.is_unknowable[places],
        )  # fmt: skip


class SearchOutcome(IntEnum):
    """What becomes of a line of a file that may be a copy."""

    NEW = 0
    """It is counted."""
    KNOWN = 1
    """It was counted before."""
    WITHHELD = 2
    """It is unknown, but at the time of a counted one: a copy with other addresses, it seems."""
    UNKNOWABLE = 3
    """It is of a week whose key is destroyed: nobody can tell whether it was counted."""


SearchOutcomes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Recogniser:
    """Compares the searches of one file with what was counted before it was opened.

    ``load`` gives the committed rows of an hour (start in ms UTC); ``until`` is the event time of
    the newest search that was counted by then. Rows of hours before ``exact_since`` hold minutes.
    """

    load: Callable[[int], Iterable[Rows]]
    keyring: Keyring
    until: int
    exact_since: int = 0
    before: bytes | None = None
    """The end of the file that was the log before, where the log goes on in this one after a
    rotation: a search about the time of the newest one there is known if its line stands there.
    None in a copy, where searches that are known come before those."""
    newest_before: int | None = None
    """Event time of that newest search (ms UTC); None: that of the newest counted one."""
    withholds: bool = True
    """A copy with other addresses is refused."""
    is_foreign: bool = True
    """The file may be the log of another server, whose searches have the same addresses."""
    last_outcome: SearchOutcome | None = None
    """The lot of the last search of the file so far, which lines that are no search share."""
    is_past_log_before: bool = False
    """A search was newer than the log before, of which the file is no copy."""
    unknowable: Counter[int] = field(default_factory=Counter)
    """Searches by hour (ms UTC) that nobody can tell of; the caller takes them."""
    _hours: dict[int, CountedSearches] = field(default_factory=dict)
    _run: int = 0
    """Different known searches in a row at the end of the last block."""
    _lines_before: Counter[bytes] | None = None
    _known_by_line: list[tuple[Times, AddressColumn]] = field(default_factory=list)
    """Searches that stand in the log before, and are not taken out of the rows yet."""

    def recognise(self, read: QueryColumns, lines: Lines = lambda _: ()) -> SearchOutcomes:
        """Tell what becomes of the searches of the next block of the file, in their order.

        ``lines`` gives the lines of all searches of the block, in their order, or nothing where no
        line of the block is in the set it is called with. It is called right after a rotation only.
        """
        outcomes = np.zeros(len(read.time), np.uint8)
        if self.before and len(read.time) and int(read.time.min()) > self.until + MINUTE:
            self.before, self._lines_before = b"", Counter()
        older = np.flatnonzero(np.minimum(read.time, read.alternative) <= self.until)
        if len(older) and self.before is not None and self._are_at_end(read, older):
            # As right after most rotations: no rows have to be loaded.
            known = older[self._stand_before(older, lines)]
            outcomes[known] = SearchOutcome.KNOWN
            self._known_by_line.append((read.time[known], read.address[known]))
        elif len(older):
            self._recognise_older(read, older, outcomes, lines)
        newer = self.newest_before is not None and read.time > self.newest_before
        self.is_past_log_before |= self.before is not None and bool(
            (newer & (outcomes == SearchOutcome.NEW)).any()
        )
        return outcomes

    def _recognise_older(
        self,
        read: QueryColumns,
        older: npt.NDArray[np.int64],
        outcomes: SearchOutcomes,
        lines: Lines,
    ) -> None:
        """Tell what becomes of the searches at the places ``older``, by the rows."""
        for time, address in self._known_by_line:
            self._take(self._searches(time, address))
        self._known_by_line.clear()
        searches, is_counted = self._find(
            read.time[older], read.alternative[older], read.address[older]
        )
        accepted, newest = self._accept(searches, is_counted), np.zeros(len(older), bool)
        at_end = searches.time >= self._end_before
        if accepted[~at_end].any():
            self.before = None
        if self.before is not None:
            newest = at_end
            by_line = np.flatnonzero(is_counted & newest)
            accepted[by_line] = self._stand_before(older[by_line], lines)
        self._take(searches.where(accepted))
        outcomes[older[accepted]] = SearchOutcome.KNOWN
        unknowable = ~accepted & searches.is_unknowable
        outcomes[older[unknowable]] = SearchOutcome.UNKNOWABLE
        hours, counts = np.unique(searches.hour[unknowable], return_counts=True)
        self.unknowable.update(dict(zip(hours.tolist(), counts.tolist(), strict=True)))
        unknown = ~accepted & ~searches.is_unknowable
        if self.withholds and self._is_masked(searches.where(unknown & ~newest)):
            outcomes[older[unknown]] = SearchOutcome.WITHHELD
            self.before = None

    @property
    def _end_before(self) -> int:
        """The event time (ms UTC) from which on searches are of the end of the log before."""
        newest = self.until if self.newest_before is None else self.newest_before
        return floor_to(min(self.until, newest) - TICK_MS, SECOND)

    def _are_at_end(self, read: QueryColumns, older: npt.NDArray[np.int64]) -> bool:
        time = read.time[older]
        is_sure = bool((read.alternative[older] == time).all())
        return is_sure and int(time.min()) >= self._end_before

    def _find(
        self, time: Times, alternative: Times, address: AddressColumn
    ) -> tuple[_Searches, Mask]:
        """Look searches up; in the repeated hour of a clock change either reading may be right."""
        searches = self._searches(time, address)
        is_counted = self._are_counted(searches)
        doubtful = np.flatnonzero(~is_counted & (alternative != time))
        if len(doubtful):
            again = self._are_counted(self._searches(alternative[doubtful], address[doubtful]))
            time = time.copy()
            time[doubtful[again]] = alternative[doubtful[again]]
            searches, is_counted[doubtful[again]] = self._searches(time, address), True
        return searches, is_counted

    def _searches(self, time: Times, address: AddressColumn) -> _Searches:
        hour = time // HOUR * HOUR
        tick = (time - hour) // TICK_MS
        coarse = hour < self.exact_since
        tick[coarse] = tick[coarse] // TICKS_PER_MINUTE * TICKS_PER_MINUTE
        pseudonym = np.zeros(len(time), np.uint64)
        sealed = np.zeros(len(time), bool)
        living, destroyed = set(self.keyring.active_weeks()), self.keyring.destroyed_weeks()
        for week in {floor_to(each, WEEK) for each in np.unique(hour).tolist()}:
            chosen = (time >= week) & (time < week + WEEK)
            if week in destroyed:
                sealed |= chosen
            elif week in living and (key := self.keyring.key(week)) is not None:
                pseudonym[chosen] = pseudonyms(address[chosen], key)
        return _Searches(time, hour, tick, pseudonym, search_keys(pseudonym, tick), sealed)

    def _are_counted(self, searches: _Searches) -> Mask:
        is_counted = np.zeros(len(searches.time), bool)
        for hour, places in searches.hours():
            is_counted[places] = self._counted(hour).find(searches.key[places])
        return is_counted & ~searches.is_unknowable

    def _counted(self, hour: int) -> CountedSearches:
        if hour not in self._hours:
            if len(self._hours) >= MAX_HOURS:
                del self._hours[min(self._hours)]
            self._hours[hour] = CountedSearches.of(list(self.load(hour)))
        return self._hours[hour]

    def _take(self, searches: _Searches) -> None:
        for hour, places in searches.hours():
            self._counted(hour).take(searches.key[places], searches.tick[places])

    def _stand_before(self, places: npt.NDArray[np.int64], lines: Lines) -> Mask:
        """Tell of which searches the lines stand in the log before, each of its lines once.

        An address may search again at the very time of the newest counted search: there, only the
        line itself tells a copy from what is new.
        """
        if not len(places):
            return np.zeros(0, bool)
        if self._lines_before is None:
            self._lines_before = Counter(filter(None, (self.before or b"").split(b"\n")))
        before, stand = self._lines_before, np.zeros(len(places), bool)
        texts = lines(before.keys())
        for i, place in enumerate(places.tolist() if texts else ()):
            stand[i] = before[texts[place]] > 0
            before[texts[place]] -= int(stand[i])
        return stand

    def _accept(self, searches: _Searches, is_counted: Mask) -> Mask:
        """Tell which of the searches that were found are believed to be the counted ones.

        Where stamps are whole seconds, only few among many are not in a file that may be the log
        of another server.
        """
        differs = np.ones(len(is_counted), bool)
        differs[1:] = searches.key[1:] != searches.key[:-1]
        run = np.cumsum(~is_counted)
        lengths = np.bincount(run, is_counted & differs, minlength=1)
        lengths[0] += self._run
        self._run = int(lengths[-1]) if is_counted[-1] else 0
        has_fractions = bool((searches.time % SECOND != 0).any())
        sure = has_fractions or not self.is_foreign
        believed = sure or bool(is_counted.mean() >= MIN_KNOWN_SHARE)
        accepted: Mask = is_counted & (believed | (lengths[run] >= MIN_RUN))
        return accepted

    def _is_masked(self, searches: _Searches) -> bool:
        """Tell whether unknown searches have the times of counted ones that were not found."""
        if len(searches.time) < MIN_MASKED or bool((searches.hour < self.exact_since).any()):
            return False
        explained = counted = queries = addresses = 0
        for hour, places in searches.hours():
            held, tick = self._counted(hour), searches.tick[places]
            times, lines = np.unique(tick, return_counts=True)
            explained += int(np.minimum(lines, held.by_tick[times]).sum())
            counted += int(held.by_tick[times[0] : times[-1] + 1].sum())
            queries, addresses = queries + held.queries, addresses + held.addresses
        unknown = len(searches.time)
        if explained < MASKED_SHARE * unknown or unknown < MASKED_OF_COUNTED * counted:
            return False
        if len(np.unique(searches.time // TICK_MS)) >= MIN_MASKED:
            return True
        queries_per_address = unknown / len(np.unique(searches.pseudonym))
        return queries_per_address >= FEWER_ADDRESSES * queries / max(1, addresses)
