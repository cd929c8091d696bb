"""A read-only view of a database: its hours and weeks as columns, and its breaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.errors import StateError
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.store.database_opening import connect
from donkeywatch.store.series_changes import changes_of_series, components
from donkeywatch.store.window_tables import CALENDAR_LENGTHS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OPTIONAL = ("exclusive_queries", "top_1", "top_10")
"""Columns of `window_topics` that databases of older versions lack."""
SERIES_BREAKS = ("lexicon", "format", "normalisation", "extended")
"""Kinds of breaks that part every series; a new country database parts what is by country."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Closed windows of one kind, and one topic in them: one item each, oldest first.

    ``start`` is an even grid (ms UTC) from the first window to the last; where ``stored`` is
    false the database has no closed window, and the counts are 0 and mean nothing.
    ``coverage`` is from 0 to 1. ``flagged_addresses`` has shape (3, n): addresses with at least
    1, 2 and 3 flagged queries. The last three are -1 where they were not recorded.
    """

    kind: str
    start: IntArray
    stored: BoolArray
    coverage: FloatArray
    queries: IntArray
    addresses: IntArray
    sum_qq: IntArray
    flagged: IntArray
    flagged_addresses: IntArray
    sum_qk: IntArray
    sum_kk: IntArray
    exclusive: IntArray
    top_1: IntArray
    top_10: IntArray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def length(self) -> int:
        """Length of a window in ms."""
        return CALENDAR_LENGTHS[self.kind]

    def figures(self, at: int) -> WindowAggregate:
        """One window as the estimators of `estimation.intervals` want it."""
        at_least_one, two, three = (int(n) for n in self.flagged_addresses[:, at])
        topic = TopicAggregate(
            int(self.flagged[at]),
            (at_least_one, two, three),
            int(self.sum_qk[at]),
            int(self.sum_kk[at]),
        )
        totals = (int(self.queries[at]), int(self.addresses[at]), int(self.sum_qq[at]))
        return WindowAggregate(*totals, (topic,))


@dataclass(frozen=True, slots=True)
class CountryHours:
    """What each country had in each hour of a grid; every count has shape (countries, hours)."""

    names: tuple[str, ...]
    queries: npt.NDArray[np.int32]
    flagged: npt.NDArray[np.int32] | FloatArray
    addresses: npt.NDArray[np.int32]
    flagged_addresses: npt.NDArray[np.int32]

    def rows(self, countries: Sequence[str]) -> list[int]:
        """Places of some countries, all if none is named; who never occurs is left out."""
        wanted = countries or self.names
        return [at for at, name in enumerate(self.names) if name in wanted]


@dataclass(frozen=True, slots=True)
class Break:
    """A change of the measurement itself, at a time in ms UTC."""

    time: int
    kind: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """What was measured with: a digest or version, and since when (ms UTC).

    ``digest`` is None where none was recorded, ``since`` where it never changed.
    """

    digest: str | None
    since: int | None


class Database:
    """One transaction on a database; nothing in it is changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def topics(self) -> list[str]:
        """Ids of all topics that were ever counted, by name."""
        rows = self._db.execute("select distinct topic from window_topics order by topic")
        return [row[0] for row in rows]

    def breaks(self, topic: str, since: int, until: int) -> list[Break]:
        """Changes of the measurement of a topic in [since, until) ms, oldest first."""
        rows = self._db.execute(
            "select time, kind from breaks where time >= ? and time < ? order by time, kind",
            (since, until),
        )
        of_series = changes_of_series(self._db, topic)
        changes = [Break(time, "extended") for time in of_series if since <= time < until]
        return sorted([*(Break(*row) for row in rows), *changes], key=lambda at: (at.time, at.kind))

    def splices(self, topic: str) -> list[tuple[int, Estimate]]:
        """When another list took over from the shadow (ms UTC), and by which factor a topic grew.

        Databases of older versions know of none.
        """
        if not self._db.execute("select 1 from sqlite_master where name = 'splices'").fetchone():
            return []
        rows = self._db.execute(
            "select time, factor, lower, upper from splices where topic = ? order by time", (topic,)
        )
        return [(time, Estimate(*factor)) for time, *factor in rows]

    def lexicon(self) -> tuple[str, int]:
        """Digest of the lexicon that was used last, and since when (ms UTC) it was judged alike."""
        since = self._db.execute(
            "select coalesce(max(time), 0) from breaks where kind in ('lexicon', 'normalisation')"
        ).fetchone()
        return self._setting("break:lexicon") or "", int(since[0])

    def instrument(self, kind: str, until: int) -> Instrument:
        """Give the instrument of a kind of break that was in use before ``until`` (ms UTC)."""
        changes = self._db.execute(
            "select time, digest from breaks where kind = ? order by time, id", (kind,)
        ).fetchall()
        earlier = [change for change in changes if change[0] < until]
        if earlier:
            time, digest = earlier[-1]
            return Instrument(digest or None, time)
        if changes:  # What was used before the first change is not recorded.
            return Instrument(None, None)
        row = self._setting(f"break:{kind}")
        return Instrument(row or None, None)

    def last_commit(self) -> int:
        """The newest time at which something was committed, ms UTC.

        In databases that hold no clock, it is the end of the newest closed hour.
        """
        clock = self._setting("clock")
        if clock is not None:
            return int(clock.split()[0])
        row = self._db.execute(
            "select coalesce(max(until), 0) from windows where kind = 'hour' and closed = 1"
        )
        return int(row.fetchone()[0])

    def country_names(self, since: int, until: int) -> list[str]:
        """All countries that occur in hours which start in [since, until) ms UTC, by name."""
        rows = self._db.execute(
            "select distinct country from window_countries"
            " where kind = 'hour' and start >= ? and start < ? order by country",
            (since, until),
        )
        return [row[0] for row in rows]

    def _setting(self, name: str) -> str | None:
        row = self._db.execute("select value from settings where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def windows(self, kind: str, topic: str, since: int, until: int) -> Windows:
        """Closed windows that start in [since, until) ms UTC, with one topic's counts."""
        known = {row[1] for row in self._db.execute("pragma table_info(window_topics)")}
        extra = ", ".join(f"coalesce(t.{name}, -1)" if name in known else "-1" for name in OPTIONAL)
        rows = self._db.execute(
            "select w.start, w.covered_seconds, w.queries, w.addresses, w.sum_qq,"  # noqa: S608 - our own names
            " coalesce(t.queries, 0), coalesce(t.addresses_1, 0), coalesce(t.addresses_2, 0),"
            f" coalesce(t.addresses_3, 0), coalesce(t.sum_qk, 0), coalesce(t.sum_kk, 0), {extra}"
            " from windows w left join window_topics t on t.kind = w.kind and t.start = w.start"
            " and t.topic = ? where w.kind = ? and w.closed = 1 and w.addresses is not null"
            " and w.start >= ? and w.start < ? and (t.topic is not null or not ?)"
            " order by w.start",
            (topic, kind, since, until, bool(components(topic))),
        ).fetchall()
        table = np.array(rows, np.float64).reshape(len(rows), 14)
        return _on_grid(kind, table)

    def countries(self, topic: str, grid: IntArray) -> CountryHours:
        """Every country's counts in the hours of a grid."""
        bounds = (int(grid[0]), int(grid[-1])) if len(grid) else (0, -1)
        names = [
            row[0]
            for row in self._db.execute(
                "select distinct country from window_countries"
                " where kind = 'hour' and start between ? and ? order by country",
                bounds,
            )
        ]
        place = {name: at for at, name in enumerate(names)}
        counts = np.zeros((4, len(names), len(grid)), np.int32)
        cursor = self._db.execute(
            "select c.start, c.country, c.queries, coalesce(t.queries, 0), c.addresses,"
            " coalesce(t.addresses, 0) from window_countries c left join window_country_topics t"
            " on t.kind = c.kind and t.start = c.start and t.country = c.country and t.topic = ?"
            " where c.kind = 'hour' and c.start between ? and ?",
            (topic, *bounds),
        )
        while rows := cursor.fetchmany(50_000):
            start, country, *values = zip(*rows, strict=True)
            hours = (np.array(start, np.int64) - grid[0]) // CALENDAR_LENGTHS["hour"]
            where = [place[name] for name in country]
            for column, numbers in zip(counts, values, strict=True):
                column[where, hours] = numbers
        return CountryHours(tuple(names), *counts)


def _on_grid(kind: str, table: FloatArray) -> Windows:
    """Rows in rising order of start, put in their places on an even grid."""
    length = CALENDAR_LENGTHS[kind]
    starts = table[:, 0].astype(np.int64)
    size = int((starts[-1] - starts[0]) // length) + 1 if len(starts) else 0
    place = (starts - starts[0]) // length if len(starts) else starts
    columns = np.zeros((13, size))
    columns[:, place] = table[:, 1:].T
    stored = np.zeros(size, bool)
    stored[place] = True
    grid = np.arange(size, dtype=np.int64) * length + (starts[0] if size else 0)
    whole = columns.astype(np.int64)
    return Windows(
        kind, grid, stored, np.minimum(1.0, columns[0] * SECOND / length), whole[1], whole[2],
        whole[3], whole[4], whole[5:8], whole[8], whole[9], whole[10], whole[11], whole[12],
    )  # fmt: skip


@contextmanager
def open_database(path: Path) -> Iterator[Database]:
    """A consistent view of the database at ``path``; StateError where there is none to read."""
    if not path.exists():
        raise StateError(f"there is no database {path}", "name one with --config or --database")
    try:
        connection = connect(path, read_only=True)
        try:
            connection.execute("begin")
            yield Database(connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"{path} cannot be read ({error})", "`donkeywatch verify` says what is wrong with it"
        ) from None
