"""What is written to the one SQLite database: above all the one transaction per checkpoint."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, WEEK, week_name
from donkeywatch.counting.checkpoint_batch import Batch
from donkeywatch.counting.coverage import CoveredTime, seconds_by_hour
from donkeywatch.counting.tick_counts import Rows
from donkeywatch.counting.window_aggregates import WindowAggregate
from donkeywatch.store import counter_floors, covered_times, outbox, segments, window_tables
from donkeywatch.store import positions as places
from donkeywatch.store.positions import FinishedFileRow, PositionRow, SourceProgress
from donkeywatch.store.segments import ExpiredHours
from donkeywatch.store.writer_connection import Connection

COPY = 10 * SECOND
"""Time between two copies of the counters (ms)."""
TICKS_SINCE = "ticks_since"
"""Setting: rows of hours before it (ms UTC) hold minutes, since version 0.1 wrote them."""
BACKFILLED = "backfilled"
"""Setting: when archives were last counted, ms UTC."""
UPGRADED = "upgraded"
"""Setting: when version 0.1 last stored anything (ms UTC), until the logs were looked at again."""


class Store(Connection):
    """Writes of the engine; every public method that changes anything is one transaction."""

    def __init__(self, state: Path, topics: Sequence[str], *, ships_to_fleet: bool = False) -> None:
        super().__init__(state)
        self._copied = -COPY
        self._ships_to_fleet = ships_to_fleet
        self.topics = tuple(topics)

    def checkpoint(
        self,
        batch: Batch,
        positions: Sequence[PositionRow],
        progress: Sequence[SourceProgress],
        covered: Sequence[CoveredTime],
        now: int,
        metadata: Mapping[str, str] | None = None,
        finished: Sequence[FinishedFileRow] = (),
    ) -> None:
        """Store counts, segments, coverage, positions, finished files and small facts together."""
        self.check_is_there()
        with self.transaction() as db:
            for rows in batch.rows:
                segments.insert(db, rows, self.topics)
                segments.merge_small_segments(db, rows.hour, self.topics)
            window_tables.add(db, batch, seconds_by_hour(covered))
            covered_times.add(db, covered)
            self._raise_counters(db, batch.counters)
            db.executemany(
                "insert or replace into settings values (?, ?)", list((metadata or {}).items())
            )
            places.write(db, positions, progress, now)
            places.write_finished(db, finished)

    def windows_due(self, kind: str, watermark: int) -> list[tuple[int, int]]:
        """Start and end of the windows of a calendar kind that wait to be closed, oldest first."""
        return self.connection.execute(
            "select start, until from windows where kind = ? and closed = 0 and until <= ?"
            " order by start",
            (kind, watermark),
        ).fetchall()

    def segments(self, start: int, end: int) -> Iterator[Rows]:
        """The committed rows of the minutes in [start, end) ms."""
        return segments.load(self.connection, start, end, self.topics)

    def missing_queries(self, hours: Mapping[int, int]) -> int:
        """Count how many of so many queries of hours (ms UTC) cannot have been counted.

        Where an hour has fewer queries than that, the rest is missing. Of hours that are not kept
        any more nothing is known.
        """
        kept = "select coalesce(min(start), 0) from windows where kind = 'hour'"
        (oldest,) = self.connection.execute(kept).fetchone()
        counted = dict(
            self.connection.execute(
                "select start, queries from windows where kind = 'hour' and start between ? and ?",
                (min(hours, default=0), max(hours, default=0)),
            )
        )
        return sum(
            max(0, queries - counted.get(hour, 0))
            for hour, queries in hours.items()
            if hour >= oldest
        )

    def queries(self, kind: str, start: int) -> int:
        """The queries that were counted in a window."""
        (row,) = self.connection.execute(
            "select queries from windows where kind = ? and start = ?", (kind, start)
        ).fetchone()
        return int(row)

    def close_hour(self, start: int, merged: Rows | None, figures: WindowAggregate) -> bool:
        """Store a closed hour's figures; false if the counts disagree.

        ``merged`` are its rows, to be written again where their segments were many.
        """
        with self.transaction() as db:
            if merged is not None:
                segments.delete(db, start, start + HOUR)
                segments.insert(db, merged, self.topics)
            outbox.add_where(db, start, wanted=self._ships_to_fleet)
            return window_tables.close(db, "hour", start, figures, self.topics)

    def close_week(self, start: int, figures: WindowAggregate) -> bool:
        """Store a closed week's figures; false if the counts disagree."""
        with self.transaction() as db:
            return window_tables.close(db, "week", start, figures, self.topics)

    def replace_rolling(self, rolling: Mapping[str, tuple[int, int, WindowAggregate]]) -> None:
        """Replace the rolling windows by newer ones."""
        with self.transaction() as db:
            window_tables.replace_rolling(db, rolling, self.topics)

    def increment_counter(self, name: str, subject: str = "", amount: int = 1) -> None:
        """Raise a counter outside a checkpoint."""
        with self.transaction() as db:
            db.execute(
                "insert into counters values (?, ?, '', ?)"
                " on conflict do update set value = value + excluded.value",
                (name, subject, amount),
            )

    def positions(self, source: str) -> list[tuple[Any, ...]]:
        """Rows of all generations of a source, oldest first."""
        return places.load(self.connection, source)

    def finished_files(self, source: str) -> list[tuple[Any, ...]]:
        """Rows of the rotated files of a source that need not be opened while they stay so."""
        return places.finished(self.connection, source)

    def newest_time(self) -> int:
        """End of the newest tick with a counted search, ms UTC; 0 where nothing was counted.

        Where the rows of a week are destroyed, it is the end of the week.
        """
        (sealed,) = self.connection.execute(
            "select coalesce(max(week) + ?, 0) from weekly_keys where destroyed = 1", (WEEK,)
        ).fetchone()
        newest = segments.newest_time(self.connection)
        if newest <= int(self.setting(TICKS_SINCE) or 0):
            newest = -(-newest // MINUTE) * MINUTE  # Only the minute of it is known.
        return max(int(sealed), newest)

    def forget_positions_but_of(self, sources: Sequence[str]) -> None:
        """Forget how far the logs of other sources are counted.

        Another source may read on in them, so that a position is out of date when a source comes
        back; its files are compared with what is stored then.
        """
        if places.has_others(self.connection, sources):  # A database may be locked at a start.
            with self.transaction() as db:
                places.forget_but_of(db, sources)

    def next_generation(self) -> int:
        """A number no generation has yet."""
        row = self.connection.execute("select coalesce(max(id), 0) + 1 from generations")
        return int(row.fetchone()[0])

    def progress(self, source: str) -> SourceProgress:
        """Read how far a source has been counted in event time."""
        return places.progress(self.connection, source)

    def rolling_end(self) -> int:
        """End of the rolling windows that are shown, ms UTC; 0 when there are none."""
        row = self.connection.execute(
            "select coalesce(max(until), 0) from windows where kind not in ('hour', 'week')"
        )
        return int(row.fetchone()[0])

    def record_break(self, kind: str, digest: str, now: int) -> bool:
        """Record a changed lexicon, country database, format or normalisation as a break.

        The first value ever seen is no break. True when something changed.
        """
        before = self.setting(f"break:{kind}")
        if before == digest:
            return False
        with self.transaction() as db:
            db.execute("insert or replace into settings values (?, ?)", (f"break:{kind}", digest))
            if before is not None:
                db.execute(
                    "insert into breaks (time, kind, digest) values (?, ?, ?)",
                    (now, kind, digest),
                )
        return before is not None

    def add_break(self, kind: str, digest: str, now: int) -> None:
        """Record something else across which no trend may be drawn."""
        with self.transaction() as db:
            db.execute(
                "insert into breaks (time, kind, digest) values (?, ?, ?)", (now, kind, digest)
            )

    # -- keys and retention --------------------------------------------------------------

    def weekly_keys(self) -> dict[int, tuple[bytes, bool]]:
        """Per week with a key: its proof and whether it is sealed."""
        rows = self.connection.execute("select week, key_check, destroyed from weekly_keys")
        return {week: (proof, bool(sealed)) for week, proof, sealed in rows}

    def register_key(self, week: int, key_check: bytes) -> None:
        """Record a new key before the first pseudonym is made with it; it is on the disk then."""
        with self.durable_transaction() as db:
            db.execute(
                "insert into weekly_keys values (?, ?, ?, 0)"
                " on conflict do update set key_check = excluded.key_check where destroyed = 0",
                (week, week_name(week), key_check),
            )

    def has_queries(self, start: int, end: int, unit: int) -> bool:
        """Tell whether each span of ``unit`` from ``start`` to ``end`` has queries, all ms UTC.

        The span that begins at ``end`` is the last one.
        """
        row = self.connection.execute(
            "select count(distinct start / ?1) from windows where kind = 'hour' and queries > 0"
            " and start >= ?2 and start < ?3 + ?1",
            (unit, start, end),
        )
        return int(row.fetchone()[0]) >= (end - start) // unit + 1

    def newest_hour(self) -> int:
        """The newest hour there is, ms UTC."""
        row = self.connection.execute("select max(start) from windows where kind = 'hour'")
        return int(row.fetchone()[0] or 0)

    def take_back(self, start: int, week: int) -> None:
        """Count what lies at or after the hour ``start`` (ms UTC) as `future`.

        The records of the weeks from ``week`` on, whose keys the caller destroys, go with it.
        Windows do not tell sources: the one with most queries is said to have logged it.
        """
        with self.transaction() as db:
            counter_floors.keep(db, counter_floors.counters(db))
            segments.delete(db, start, 1 << 60)
            queries, late, flagged = window_tables.take_back(db, start)
            covered_times.take_back(db, start)
            (source,) = db.execute(
                "select coalesce((select subject from counters where name = 'lines'"
                " and detail = 'query' order by value desc limit 1), '')"
            ).fetchone()
            changes = Counter({("flagged", *key): -n for key, n in flagged.items()})
            changes["lines", source, "query"] = -queries
            changes["lines", source, "future"] = queries
            changes["late_lines", source, ""] = -late
            self._raise_counters(db, changes)
            db.execute("delete from weekly_keys where week >= ?", (week,))

    @staticmethod
    def _raise_counters(db: sqlite3.Connection, amounts: Mapping[counter_floors.Key, int]) -> None:
        db.executemany(
            "insert into counters values (?, ?, ?, ?)"
            " on conflict do update set value = value + excluded.value",
            [(*key, value) for key, value in amounts.items() if value],
        )

    def copy_counters(self, steady: int | None = None) -> None:
        """Copy the counters into a file, for when the database is damaged; as far as possible.

        Not so soon after the last time by the clock ``steady``, ms, if that is given.
        """
        if steady is None or steady - self._copied >= COPY:
            self._copied = steady or 0
            with contextlib.suppress(OSError, sqlite3.Error):
                counter_floors.copy(self.connection, self.path.parent)

    def last_commit(self) -> int | None:
        """When positions were stored last, ms UTC."""
        (newest,) = self.connection.execute("select max(changed) from generations").fetchone()
        return None if newest is None else int(newest)

    def record_key_destruction(self, week: int) -> None:
        """Record that the keys before ``week``, which has ended and closed, are destroyed.

        The caller destroys them after this, and calls `delete_sealed`. All that was committed
        before is on the disk with it.
        """
        with self.durable_transaction() as db:
            db.execute(
                "update weekly_keys set destroyed = 1, key_check = x'' where week < ? and"
                " destroyed = 0",
                (week,),
            )
            places.forget_fingerprints(db, week)
            outbox.forget_before(db, week)

    def delete_sealed(self) -> None:
        """Destroy what was made with keys that are destroyed; goes on where it was cut off.

        Some hours at a time, so that the write-ahead log, which is copied back after each, stays
        short: that takes half as long as all at once.
        """
        self._checkpoint_thread.submit(bool).result()  # While that copies, nobody else may.
        self.connection.execute("pragma synchronous = normal")
        try:
            for hours in self._expired_hours():
                self._destroy(hours)
                self.connection.execute("pragma wal_checkpoint(passive)").fetchall()
        finally:
            self.sync_commits(enabled=self._syncs_commits)
        self.truncate_log()

    def delete_some_sealed(self) -> bool:
        """Destroy some hours of what was made with keys that are destroyed; true if more is left.

        The caller has the write-ahead log copied back, and empties it at last.
        """
        expired = self._expired_hours()
        if expired:
            self._destroy(expired[0])
        return len(expired) > 1

    def _expired_hours(self) -> list[ExpiredHours]:
        sealed = self.connection.execute("select max(week) from weekly_keys where destroyed = 1")
        (newest,) = sealed.fetchone()
        return [] if newest is None else segments.expired_hours(self.connection, int(newest) + WEEK)

    def _destroy(self, hours: ExpiredHours) -> None:
        destroy = segments.delete_previous_pseudonyms if hours.previous_only else segments.delete
        with self.transaction() as db:
            destroy(db, hours.start, hours.end)

    def prune(self, kind: str, before: int) -> None:
        """Forget the closed windows of a kind that end before a time; counters stay."""
        with self.transaction() as db:
            if window_tables.prune(db, kind, before):
                db.execute("insert or replace into settings values (?, '1')", (f"pruned:{kind}",))
