"""One consistent view of the database; everything that is shown is read here."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, SECOND, WEEK
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.estimation.correction import Accuracy
from donkeywatch.publish.window_views import WindowReader, WindowView
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import counter_floors
from donkeywatch.store.database_opening import connect
from donkeywatch.store.writer_connection import STATE_ID

NO_LIMIT = -1
"""All rows, as SQLite has it."""
BLOCK_MS = {"hour": 4 * WEEK, "week": 52 * WEEK}
"""How long the blocks are of which pages of windows consist, by kind; they begin on Mondays."""
NO_ACCURACIES: Mapping[str, Accuracy] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CountryHour:
    """What one country had in one UTC hour, for one topic: queries and flagged queries."""

    start: int
    country: str
    queries: int
    flagged: int


class Splice(NamedTuple):
    """A row of the table ``splices``; times in ms UTC."""

    time: int
    topic: str
    since: int
    factor: float
    lower: float
    upper: float
    old_queries: int
    new_queries: int
    addresses: int


@dataclass(frozen=True, slots=True)
class CountryView:
    """One country in one closed window; by topic, flagged queries and flagged addresses."""

    country: str
    queries: int
    addresses: int
    topics: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ClosedState:
    """How far the windows of a kind are closed; it changes when one of them does."""

    windows: int
    newest: int
    """Start of the newest one, ms UTC; 0 where there is none."""
    queries: int
    covered: float
    """Seconds for which the log was followed."""


@dataclass(frozen=True, slots=True)
class BlockState:
    """Some weeks of a calendar kind, and what changes when one of their windows does."""

    start: int
    end: int
    """Its windows start in [start, end) ms UTC."""
    is_closed: bool
    """All its windows are closed."""
    figures: tuple[float | None, ...]
    """Sums over its closed windows and their topics."""


@dataclass(frozen=True, slots=True)
class PageState:
    """What a page of windows consists of."""

    blocks: tuple[BlockState, ...]
    following: int | None
    """Start of the first window behind it, ms UTC; None where there is none."""

    @property
    def is_closed(self) -> bool:
        """All its windows are closed."""
        return all(block.is_closed for block in self.blocks)


class Snapshot:
    """Reads inside one transaction, so that all answers belong together."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        topics: Sequence[str],
        accuracies: Mapping[str, Accuracy],
    ) -> None:
        self._db = connection
        self._topics = tuple(topics)
        self._accuracies = accuracies
        self._reader = WindowReader(connection, topics, accuracies)

    def current(self) -> list[WindowView]:
        """The rolling windows, then the last closed hour and week, as far as there are any."""
        views = [view for kind in ROLLING_LENGTHS for view in self._newest(kind)]
        return [*views, *self._newest("hour"), *self._newest("week")]

    def _newest(self, kind: str) -> list[WindowView]:
        return self.windows(kind, "closed = 1 and queries is not null", (), limit=1, newest=True)

    def closed_week(self, start: int | None = None) -> WindowView | None:
        """The closed week that starts then (ms UTC), by default the newest."""
        if start is None:
            week = self._newest("week")
        else:
            week = self.windows("week", "closed = 1 and start = ?", (start,), limit=1)
        return week[0] if week else None

    def windows_between(
        self, kind: str, start: int, end: int, limit: int = NO_LIMIT
    ) -> list[WindowView]:
        """Windows of a calendar kind that start in [start, end) ms UTC, oldest first."""
        return self.windows(kind, "start >= ? and start < ?", (start, end), limit=limit)

    def windows(
        self,
        kind: str,
        condition: str,
        values: tuple[int, ...],
        *,
        limit: int,
        newest: bool = False,
    ) -> list[WindowView]:
        """Windows that meet a condition of ours, with their topics, oldest first or newest."""
        return self._reader.read(kind, condition, values, limit=limit, newest=newest)

    def splices(self) -> list[Splice]:
        """Factors between the series of word lists that took over from each other, oldest first."""
        rows = self._db.execute(
            "select time, topic, since, factor, lower, upper, old_queries, new_queries, addresses"
            " from splices order by time, topic"
        )
        return [Splice(*row) for row in rows]

    def state_id(self) -> str:
        """Give the id that tells this database from others; empty in one of an older version."""
        row = self._db.execute("select value from settings where name = ?", (STATE_ID,)).fetchone()
        return "" if row is None else str(row[0])

    def counters(self) -> dict[tuple[str, str, str], int]:
        """Totals by name, subject and detail."""
        return counter_floors.counters(self._db)

    def published(self) -> dict[tuple[str, str, str], int]:
        """The same for Prometheus: none is lower than it was before a recovery."""
        return counter_floors.published(self._db)

    def total_queries(self) -> int:
        """All queries ever counted."""
        row = self._db.execute(
            "select coalesce(sum(value), 0) from counters where name = 'lines' and detail = 'query'"
        )
        return int(row.fetchone()[0])

    def sources(self) -> dict[str, int | None]:
        """Newest plausible event time by source, ms UTC."""
        return dict(self._db.execute("select name, newest from sources").fetchall())

    def country_hours(
        self, topic: str, countries: Sequence[str], start: int, end: int, rest: str | None = None
    ) -> Iterator[CountryHour]:
        """Closed hours that start in [start, end) ms, by country, in no order.

        The other countries are put together and called ``rest``, or left out without it.
        """
        among = f"c.country in ({','.join('?' * len(countries))})"
        shown = f"case when {among} then c.country else ? end" if rest else "c.country"
        rows = self._db.execute(
            f"select c.start, {shown} as shown, sum(c.queries), sum(coalesce(t.queries, 0))"  # noqa: S608 - only placeholders
            " from window_countries c join windows w on w.kind = c.kind and w.start = c.start"
            " and w.closed = 1 left join window_country_topics t on t.kind = c.kind"
            " and t.start = c.start and t.country = c.country and t.topic = ?"
            " where c.kind = 'hour' and c.start >= ? and c.start < ?"
            + ("" if rest else f" and {among}")
            + " group by c.start, shown",
            (*countries, rest, topic, start, end) if rest else (topic, start, end, *countries),
        )
        return itertools.starmap(CountryHour, rows)

    def closed_starts(self, kind: str, start: int, end: int, coverage: float = 0.0) -> list[int]:
        """Starts of the closed hours or weeks in [start, end) ms that were followed for so much.

        With or without queries; coverage is from 0 to 1.
        """
        length = HOUR if kind == "hour" else WEEK
        rows = self._db.execute(
            "select start from windows where kind = ? and closed = 1"
            " and start >= ? and start < ? and covered_seconds >= ? order by start",
            (kind, start, end, coverage * length / SECOND),
        )
        return [row[0] for row in rows]

    def closed(self, kind: str, span: int) -> ClosedState:
        """Tell how far the windows of a calendar kind are closed, in the last ``span`` ms."""
        newest = self._db.execute(
            "select max(start) from windows where kind = ? and closed = 1", (kind,)
        ).fetchone()[0]
        if newest is None:
            return ClosedState(0, 0, 0, 0)
        row = self._db.execute(
            "select count(*), max(start), sum(queries), sum(covered_seconds) from windows"
            " where kind = ? and closed = 1 and start > ?",
            (kind, newest - span),
        )
        return ClosedState(*row.fetchone())

    def page_state(self, kind: str, start: int, end: int, limit: int) -> PageState:
        """Tell of the first ``limit`` windows of a calendar kind that start in [start, end) ms.

        Sums that are weighted with the hour tell where a query was, too.
        """
        row = self._db.execute(
            "select start from windows where kind = ? and start >= ? and start < ?"
            " order by start limit 1 offset ?",
            (kind, start, end, limit),
        ).fetchone()
        following = None if row is None else int(row[0])
        until = end if following is None else following
        return PageState(tuple(self._blocks(kind, start, until)), following)

    def _blocks(self, kind: str, start: int, end: int) -> Iterator[BlockState]:
        """Blocks of the windows that start in [start, end) ms UTC, oldest first."""
        length, bounds = BLOCK_MS[kind], (kind, start, end)
        of_topics = {
            row[0]: row[1:]
            for row in self._db.execute(
                "select (start - ?) / ? as block, count(*), sum(queries), sum(addresses_1),"
                " sum(addresses_2), sum(addresses_3), sum(sum_qk), sum(sum_kk),"
                " sum(start / ? * queries)"
                " from window_topics where kind = ? and start >= ? and start < ? group by block",
                (FIRST_MONDAY, length, HOUR, *bounds),
            )
        }
        for number, is_open, *of_windows in self._db.execute(
            "select (start - ?) / ? as block, count(*) - sum(closed), sum(closed),"
            " max(start * closed), sum(queries * closed), sum(late * closed),"
            " sum(addresses * closed), sum(sum_qq * closed), sum(covered_seconds * closed),"
            " sum(start / ? * queries * closed)"
            " from windows where kind = ? and start >= ? and start < ? group by block",
            (FIRST_MONDAY, length, HOUR, *bounds),
        ):
            first = FIRST_MONDAY + number * length
            figures = (*of_windows, *of_topics.get(number, ()))
            yield BlockState(max(first, start), min(first + length, end), not is_open, figures)

    @property
    def view_state(self) -> tuple[object, ...]:
        """Give all that changes how windows are shown when it changes."""
        since = self._reader.comparable_since if self._accuracies else 0
        return self._topics, sorted(self._accuracies.items()), since

    def categories(self) -> set[tuple[str, str]]:
        """Topic and category of all that was ever counted by category."""
        return set(self._db.execute("select distinct topic, category from window_categories"))

    def countries(self, kind: str, start: int) -> list[CountryView]:
        """Give the countries of one closed hour or week, most queries first."""
        rows = self._db.execute(
            "select country, queries, addresses from window_countries"
            " where kind = ? and start = ? order by queries desc, country",
            (kind, start),
        )
        views = {
            country: CountryView(country, queries, addresses, dict.fromkeys(self._topics, (0, 0)))
            for country, queries, addresses in rows
        }
        for country, topic, queries, addresses in self._db.execute(
            "select country, topic, queries, addresses from window_country_topics"
            " where kind = ? and start = ?",
            (kind, start),
        ):
            if country in views and topic in self._topics:
                views[country].topics[topic] = queries, addresses
        return list(views.values())

    def breaks(self, start: int, end: int) -> list[tuple[int, str]]:
        """Time (ms UTC) and kind of the changes of the measurement itself."""
        return self._db.execute(
            "select time, kind from breaks where time >= ? and time < ? order by time",
            (start, end),
        ).fetchall()


class Snapshots:
    """Opens snapshots of one database; each has a connection of its own, read only."""

    def __init__(
        self, state: Path, topics: Sequence[str], accuracies: Mapping[str, Accuracy] = NO_ACCURACIES
    ) -> None:
        self.path = state / DATABASE
        self._topics = tuple(topics)
        self._accuracies = accuracies

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """A consistent view for as long as the block lasts."""
        connection = connect(self.path, read_only=True)
        try:
            connection.execute("begin")
            yield Snapshot(connection, self._topics, self._accuracies)
        finally:
            connection.close()
