"""Reads blocks, counts them in a batch, and stores counts and positions in one transaction."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.checkpoint_batch import BatchBuilder
from donkeywatch.counting.rolling_windows import RollingWindows
from donkeywatch.errors import DatabaseUnavailableError
from donkeywatch.ingest.detector import create_detector
from donkeywatch.ingest.lateness import LatenessRules
from donkeywatch.ingest.line_reader import QueryColumns
from donkeywatch.ingest.pseudonymiser import Pseudonymiser
from donkeywatch.publish.engine_status import CommitHealth, Status
from donkeywatch.runtime import installation_state, watermark
from donkeywatch.runtime.clock_gate import ClockGate
from donkeywatch.runtime.commit_scheduler import CommitScheduler
from donkeywatch.runtime.data_destroyer import DataDestroyer
from donkeywatch.runtime.deduplication import Deduplicator
from donkeywatch.runtime.due_work import DueWork
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.runtime.ordered_work_queue import BlockQueue
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.runtime.releaser import Releaser
from donkeywatch.runtime.rolling_view import RollingView
from donkeywatch.runtime.state_opening import open_state
from donkeywatch.runtime.window_closer import WindowCloser
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.positions import GenerationPosition
from donkeywatch.store import database_opening
from donkeywatch.store.segment_aggregation import Aggregator

TICK_BYTES = 16 << 20
"""Log bytes read in one tick at the most, so that a tick ends soon."""
_ENGINE_IDS = itertools.count()
"""SQLite counts a connection's changes from 0: with the engine's number they stay unique."""


class Engine:
    """Owns the state directory; stepped by `tick`, with the time given from outside.

    ``now`` is the wall clock, ms UTC. Without ``reference_data`` the files are read at once.
    """

    def __init__(
        self, settings: Settings, now: int, reference_data: ReferenceData | None = None
    ) -> None:
        self.settings = settings
        self.reference_data = reference_data or ReferenceData.load(settings)
        database_opening.ensure_state_directory(settings.state)
        self._lock = database_opening.lock(settings.state)
        try:
            self._open(settings, now)
        except (sqlite3.OperationalError, OSError) as error:
            self._lock.close()
            raise database_opening.unavailable_error(
                settings.state / state_files.DATABASE, error
            ) from None
        except BaseException:
            self._lock.close()
            raise

    def _open(self, settings: Settings, now: int) -> None:
        self.now = now
        lists = self.reference_data
        detector = create_detector(settings, lists.lexicon, lists.shadow)
        state = open_state(settings, lists, detector, now, lambda: self.now, self._begin_reading)
        self.lost_weeks = state.lost_weeks
        self.store, self.backups, self.streams = state.store, state.backups, state.streams
        self._keys, self._digest, self._state_id = state.keys, state.lexicon_digest, state.state_id
        lateness = LatenessRules.of_seconds(settings.time.lateness, settings.time.future)
        self._pseudonymiser = Pseudonymiser(self.reference_data.countries, self._keys, lateness)
        self.topics = detector.topics
        self._batch_builder = BatchBuilder(detector.topics)
        self.deduplicator = Deduplicator(self.store, self._keys, self._batch_builder)
        self.rolling = RollingWindows(len(detector.topics), self.store.segments)
        self._block_queue = BlockQueue(self.streams)
        store, keys, retention = self.store, self._keys, settings.retention
        self.destroyer = DataDestroyer(store, self.backups, keys, retention, self._renew)
        aggregator = Aggregator(store, self._block_queue.submit_aggregation)
        self.window_closer = WindowCloser(store, self.destroyer, aggregator)
        self.scheduler = CommitScheduler(settings.checkpoint, settings.follow.scan_interval)
        self._engine_id = next(_ENGINE_IDS)
        self.clock_gate = ClockGate(self.store, self.streams, lateness)
        self._due_work = DueWork(
            self.window_closer,
            RollingView(self.rolling, self.store),
            Releaser(self.store, settings.release),
            self.clock_gate,
        )
        self._commits = CommitHealth()

    def tick(
        self, now: int, steady: int | None = None, should_stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Scan, read, commit and close what is due; true when more is to be read or closed.

        ``now`` is the wall clock and ``steady`` a clock that never jumps, both ms. Once
        ``should_stop`` says so no further block is read, so that signals and commits are not kept
        waiting. When a commit or a new key cannot be written, a later tick tries again from the
        last commit; StateError when the database is damaged. Nothing is read while no clock is
        believed.
        """
        steady = now if steady is None else steady
        self.now = now
        try:
            time = self.look_at_clock(now, steady)
            if time is None:
                return False
            self.now = time
            busy = self._read(time, steady, should_stop)
            if not busy:
                self._block_queue.stop_workers()
            self.clock_gate.advance_coverage()
            if self.scheduler.commit_due(steady):
                self.commit(time, steady)
            elif self._due_work.remains:
                self._perform_due_work(time)
        except (sqlite3.Error, OSError) as error:
            self._recover(error, steady)
            return False
        return busy or self._due_work.remains

    def scan_sources(self, steady: int) -> None:
        """Look at the files of every source, reading nothing."""
        for stream in self.streams:
            stream.follower.scan(steady)

    def watched_files(self) -> list[Path | int]:
        """List the logs, the directories of their files, and the rotated files that may grow."""
        followers = [stream.follower for stream in self.streams]
        directories = set[Path]().union(*(each.log.directories() for each in followers))
        rotated = chain.from_iterable(each.growing_rotated_files() for each in followers)
        return [*(each.log.path for each in followers), *directories, *rotated]

    @property
    def lag(self) -> int:
        """Bytes on disk that are not counted yet."""
        return sum(stream.follower.registry.lag_bytes for stream in self.streams)

    def _read(self, now: int, steady: int, should_stop: Callable[[], bool]) -> bool:
        self.scan_sources(steady)
        budget = TICK_BYTES
        while True:
            for stream in self.streams:
                ready = self.clock_gate.may_read(stream, steady)
                while ready and budget > 0 and not stream.is_putting_back:
                    block = stream.follower.read(steady)
                    if block is None:
                        break
                    self.ingest_block(stream, block, now)
                    budget = 0 if should_stop() else budget - block.consumed
            self.drain(now)
            if not any(stream.is_putting_back for stream in self.streams):
                return budget <= 0
            self.commit_batch(self.counted_positions(), now)
            self.clock_gate.roll_back_waiting(steady)

    def ingest_block(self, stream: FollowedSource, block: LineBlock, now: int) -> None:
        """Take one block of a source to be counted; not yet stored."""
        for done in self._block_queue.submit(stream, block):
            self._record(*done, now)

    def drain(self, now: int) -> None:
        """Count every block that was taken."""
        for done in self._block_queue.drain():
            self._record(*done, now)

    def start_workers(self) -> None:
        """Have blocks read on every core that may be used; before this process has threads."""
        self._block_queue.start_workers(self.settings.ingest.worker_count)

    def _record(
        self,
        stream: FollowedSource,
        block: LineBlock,
        positions: list[GenerationPosition],
        read: QueryColumns,
        now: int,
    ) -> None:
        if self.clock_gate.has_to_wait(stream, block.generation, read):
            return
        stream.counted_positions = positions
        rules, has_key = self._pseudonymiser.rules, self._keys.has_key
        judged = stream.judge(block.generation, read, rules, now, has_key)
        judged, too_long = self.deduplicator.new_lines(stream, block, judged)
        observations = self._pseudonymiser.pseudonymise(judged, self.window_closer.closed_until)
        self._batch_builder.record(stream.source.name, observations)
        self._batch_builder.record_too_long(stream.source.name, too_long)
        stream.outcomes.update(observations.tally, too_long=too_long)
        self.scheduler.pending_bytes += block.consumed
        stream.cover_event_times(block.generation, observations.time)

    def _begin_reading(self) -> int:
        """Commit all that was read, before the first line of a file that may be a copy.

        Returns the newest event time that is stored (ms UTC): searches of that file up to it are
        compared with the database, which holds nothing of the file itself then.
        """
        self.drain(self.now)
        self.commit_batch(self.counted_positions(), self.now)
        return self.store.newest_time()

    def _renew(self, before: int) -> None:
        """Make the fingerprints of the logs anew, before the keys of older weeks are destroyed."""
        for stream in self.streams:
            stream.follower.renew_fingerprints(before)
        self.commit_batch(self.counted_positions(), self.now)

    def look_at_clock(self, now: int, steady: int) -> int | None:
        """Give the believed time, ms UTC, or None; one that proved to be ahead is taken back."""
        if self.clock_gate.look(now, steady) and (time := self.clock_gate.time) is not None:
            self.rolling.reset()
            self.window_closer.take_back(time)
            self.commit_batch(self.counted_positions(), time)
        return self.clock_gate.time

    def watermark(self, now: int) -> int | None:
        """Event time up to which all sources are counted, less the lateness; ms UTC."""
        lateness = round(self.settings.time.lateness * SECOND)
        return watermark.watermark_of(self.streams, now, lateness)

    def final_commit(self, now: int, steady: int) -> bool:
        """The last commit of this process; false when it fails: its lines are read again."""
        try:
            self.commit(now, steady)
        except (sqlite3.Error, OSError):
            return False
        self.store.copy_counters()
        return True

    def discard_uncommitted(self) -> None:
        """Forget what was taken and is not stored."""
        self._block_queue.clear()
        self._batch_builder.take_batch()

    def counted_positions(self) -> list[GenerationPosition]:
        """Give the positions to store: behind the last counted block of each source."""
        return [
            position
            for stream in self.streams
            for position in (
                stream.counted_positions
                if stream.is_putting_back or self._block_queue.has_pending(stream)
                else stream.follower.positions()
            )
        ]

    def commit(self, now: int, steady: int) -> None:
        """Store everything read so far in one transaction, then close and show what is due."""
        time = self.clock_gate.believed_time(now, steady)
        if time is None:
            return
        now, positions = time, self.counted_positions()
        events = any(stream.follower.events for stream in self.streams)
        changed = positions or events or self._batch_builder.batch.counters
        if changed or self.scheduler.coverage_commit_due(steady):
            self.commit_batch(positions, now)
            self.scheduler.on_commit(steady)
            self.store.copy_counters(steady)
        self._perform_due_work(now)

    def _perform_due_work(self, now: int) -> None:
        caught_up = all(stream.caught_up for stream in self.streams)
        self._due_work.perform(self.watermark(now), now, caught_up=caught_up)

    def commit_batch(self, positions: list[GenerationPosition], now: int) -> None:
        """Store what was counted together with the positions behind it, in one transaction."""
        covered = watermark.take_events(self.streams, self._batch_builder)
        batch = self._batch_builder.take_batch()
        progress = [stream.progress() for stream in self.streams]
        batch.counters["commit_errors", "", ""] += self._commits.errors
        clocks = self.clock_gate.clocks
        batch.counters["clock_jumps", "", ""] += clocks.jumps
        followed = watermark.first_looks(self.streams)
        clock = {installation_state.CLOCK: str(stored)} if (stored := clocks.stored()) else {}
        finished = [stream.follower.registry.finished_to_store() for stream in self.streams]
        self.store.checkpoint(
            batch, positions, progress, covered, now, followed | clock, list(chain(*finished))
        )
        clocks.jumps = 0
        if followed:
            self.backups.request_now()
        for stream, files in zip(self.streams, finished, strict=True):
            stream.committed(positions, files)
        self.scheduler.pending_bytes = 0
        self._commits.succeeded(now)
        self._due_work.on_commit(batch.rows)

    def _recover(self, error: sqlite3.Error | OSError, steady: int) -> None:
        """Nothing of the batch was stored: go back to the last commit and read it again."""
        self._commits.failed(database_opening.reason(error))
        self.scheduler.on_failed_commit(steady)
        failure = database_opening.commit_error(self.store.path, error)
        if not isinstance(failure, DatabaseUnavailableError):
            raise failure from None
        self.discard_uncommitted()
        self.rolling.reset()
        for stream in self.streams:
            stream.roll_back()

    def start_backup_if_due(self, now: int, steady: int) -> None:
        """Begin a copy of the database if one is due; it is made in a thread of its own.

        Not before the first commit: a copy that says that nothing was ever followed would, when
        it is restored, leave out what was rotated away since.
        """
        if all(stream.never_followed for stream in self.streams) or self.clock_gate.clocks.doubted:
            return  # By the dates of a wrong clock the wrong copies would be deleted.
        self.backups.start_if_due(now, steady)
        if self.backups.errors:
            self._batch_builder.count("backup_errors", "", self.backups.errors)
            self.backups.errors = 0

    # -- what others may know ------------------------------------------------------------

    def status(self) -> Status:
        """The engine as it is now."""
        return Status(
            sources=tuple(stream.status() for stream in self.streams),
            last_commit=self._commits.last,
            last_backup=self.backups.last,
            last_commit_ok=self._commits.is_good,
            commit_errors=self._commits.errors,
            commit_trouble=self._commits.trouble,
            state_id=self._state_id,
            lexicon=self._digest,
            change_counter=(self._engine_id, self.store.connection.total_changes),
            topics=tuple((topic.id, topic.categories) for topic in self.topics),
            overdue=tuple(self.destroyer.overdue(self.clock_gate.time or 0)),
            log_blocked=self.store.log_blocked,
            engine_problems=tuple(filter(None, (self.clock_gate.clocks.problem,))),
        )

    def close(self) -> None:
        """Give everything back; what was not committed will be read again."""
        self.backups.cancel()
        self._block_queue.stop_workers()
        for stream in self.streams:
            stream.follower.close()
        self.store.close()
        self._lock.close()
