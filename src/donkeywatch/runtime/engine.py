"""Block to observations to ledger to checkpoint: the one way every line takes."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from itertools import chain

from donkeywatch.counting.ledger import Ledger
from donkeywatch.counting.rolling import Rolling
from donkeywatch.counting.windows import SECOND
from donkeywatch.errors import Unavailable
from donkeywatch.ingest import keyring, lexicon
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.fingerprints import ContentKeys
from donkeywatch.ingest.observe import ACCEPTED, Observer, Rules
from donkeywatch.ingest.sightings import Sightings
from donkeywatch.publish.status import CommitHealth, Status
from donkeywatch.runtime import installation, pipelines
from donkeywatch.runtime.block_queue import Desk
from donkeywatch.runtime.deduplication import Deduplicator
from donkeywatch.runtime.machine import trim
from donkeywatch.runtime.materials import Materials
from donkeywatch.runtime.pipeline import Stream
from donkeywatch.runtime.rolling_view import RollingView
from donkeywatch.runtime.scheduler import Pace
from donkeywatch.runtime.timekeeper import Timekeeper
from donkeywatch.runtime.window_closer import Closer
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.block import Block
from donkeywatch.sources.positions import Position
from donkeywatch.store import database
from donkeywatch.store.backups import Backups
from donkeywatch.store.store import Store

BUDGET = 16 << 20
"""Log bytes read in one tick at the most, so that a tick ends soon."""
_NUMBERS = itertools.count()
"""A reload opens the database anew, and its changes are counted from none again."""


class Engine:
    """Owns the state directory; stepped by `tick`, with the time given from outside.

    ``now`` is the wall clock, ms UTC. Without ``materials`` the files are read at once.
    """

    def __init__(self, settings: Settings, now: int, materials: Materials | None = None) -> None:
        self.settings = settings
        self.materials = materials or Materials.load(settings)
        database.prepare(settings.state)
        self._lock = database.lock(settings.state)
        try:
            self._open(settings, now)
        except (sqlite3.OperationalError, OSError) as error:
            self._lock.close()
            raise database.unavailable(settings.state / database.DATABASE, error) from None
        except BaseException:
            self._lock.close()
            raise

    def _open(self, settings: Settings, now: int) -> None:
        self.now = now
        words, countries = self.materials.lexicon, self.materials.countries
        detector = Detector(words, settings.ingest.matcher)
        keyring.prepare(settings.key_directory)
        installation.refuse_orphaned_keys(settings)
        self.store = Store(settings.state, [topic.id for topic in detector.topics])
        try:
            moment = installation.plausible_time(self.store, now)
            install = installation.key(settings, self.store)
            self._keys = installation.open_keys(settings, self.store, moment)
            self._digest = lexicon.digest(words, install)
            installation.note_breaks(self.store, settings, self._digest, countries.digest, moment)
            interval = round(settings.backup.interval * SECOND)
            self.backups = Backups(self.store.path, interval, settings.backup.keep)
            self.backups.destroy_outlived(self._keys.sealed())
            keys = ContentKeys(self._keys, install, lambda: self.now)
            if lost := self._keys.lost:
                pipelines.adopt_logs(settings, self.store, detector, moment, keys, lost)
            begin = self._begin_reading
            self.streams = pipelines.open_streams(settings, self.store, detector, keys, begin)
        except BaseException:
            self.store.close()
            raise
        rules = Rules(round(settings.time.lateness * SECOND), round(settings.time.future * SECOND))
        self._observer = Observer(countries, self._keys, rules)
        self.topics = detector.topics
        self._ledger = Ledger(detector.topics)
        self.deduplicator = Deduplicator(self.store, self._keys, self._ledger)
        self.rolling = Rolling(len(detector.topics), self.store.segments)
        self._desk = Desk(self.streams)
        self.closer = Closer(
            self.store, self.backups, self._keys, settings.retention, self._desk.reckon, self._renew
        )
        self.pace = Pace(settings.checkpoint, settings.follow.scan)
        self._view = RollingView(self.rolling, self.store)
        self._number = next(_NUMBERS)
        self._unfinished = False
        self.timekeeper = Timekeeper(self.store, self.streams, rules)
        self._commits = CommitHealth()

    # -- the daemon's step ---------------------------------------------------------------

    def tick(
        self, now: int, steady: int | None = None, enough: Callable[[], bool] = lambda: False
    ) -> bool:
        """Scan, read, commit and close what is due; true when more is waiting to be read.

        ``now`` is the wall clock and ``steady`` a clock that never jumps, both ms. Once
        ``enough`` says so no further block is read, so that signals and commits are not kept
        waiting. When a commit or a new key cannot be written, a later tick tries again from the
        last commit; StateError when the database is damaged. Without a time nothing is read.
        """
        steady = now if steady is None else steady
        self.now = now
        try:
            time = self.look_at_clock(now, steady)
            if time is None:
                return False
            self.now = time
            busy = self._read(time, steady, enough)
            if not busy:
                self._desk.dismiss()
            self.timekeeper.follow()
            if self.pace.due(steady):
                self.commit(time, steady)
            elif self._unfinished:
                self._close(time)
        except (sqlite3.Error, OSError) as error:
            self._recover(error, steady)
            return False
        return busy or self._unfinished

    def look(self, steady: int) -> None:
        """Look at the files of every source, reading nothing."""
        for stream in self.streams:
            stream.follower.scan(steady)

    @property
    def lag(self) -> int:
        """Bytes on disk that are not counted yet."""
        return sum(stream.follower.lag for stream in self.streams)

    def _read(self, now: int, steady: int, enough: Callable[[], bool]) -> bool:
        self.look(steady)
        budget = BUDGET
        while True:
            for stream in self.streams:
                ready = self.timekeeper.ready(stream, steady)
                while ready and budget > 0 and not stream.putting_back:
                    block = stream.follower.read(steady)
                    if block is None:
                        break
                    self.take(stream, block, now)
                    budget = 0 if enough() else budget - block.consumed
            self.settle(now)
            if not any(stream.putting_back for stream in self.streams):
                return budget <= 0
            self.store_batch(self.positions(), now)
            self.timekeeper.put_back(steady)

    def take(self, stream: Stream, block: Block, now: int) -> None:
        """Take one block of a source to be counted; not yet stored."""
        for done in self._desk.take(stream, block):
            self._count(*done, now)

    def settle(self, now: int) -> None:
        """Count every block that was taken."""
        for done in self._desk.rest():
            self._count(*done, now)

    def enlist(self) -> None:
        """Have blocks read on every core that may be used; before this process has threads."""
        self._desk.enlist(self.settings.ingest.usable)

    def _count(
        self, stream: Stream, block: Block, positions: list[Position], read: Sightings, now: int
    ) -> None:
        if self.timekeeper.holds(stream, block.generation, read):
            return
        stream.settled = positions
        frontier = stream.frontier_of(block.generation)
        judged = self._observer.judge(read, frontier, now)
        stream.note_judged(block.generation, judged.time[judged.verdict == ACCEPTED])
        judged, too_long = self.deduplicator.new_lines(stream, block, judged)
        seen = self._observer.observe(judged, self.closer.closed_until)
        self._ledger.record(stream.source.name, seen)
        self._ledger.record_too_long(stream.source.name, too_long)
        stream.tally.update(seen.tally, too_long=too_long)
        self.pace.pending += block.consumed
        stream.read(seen.time[seen.time <= (frontier.newest or 0)])

    def _begin_reading(self) -> int:
        """Store all that was read before a file that may be a copy; until when to compare it.

        What is compared with is in the database then, and nothing of the file itself.
        """
        self.settle(self.now)
        self.store_batch(self.positions(), self.now)
        return self.store.newest_time()

    def _renew(self, before: int) -> None:
        """Make the fingerprints of the logs anew, before the keys of older weeks are destroyed."""
        for stream in self.streams:
            stream.follower.renew_fingerprints(before)
        self.store_batch(self.positions(), self.now)

    def look_at_clock(self, now: int, steady: int) -> int | None:
        """The time that is believed; what rested on a later one is taken back."""
        if self.timekeeper.look(now, steady) and (time := self.timekeeper.time) is not None:
            self.rolling.forget()
            self.closer.take_back(time)
            self.store_batch(self.positions(), time)
        return self.timekeeper.time

    def watermark(self, now: int) -> int | None:
        """Event time up to which all sources are counted, less the lateness; ms UTC."""
        lateness = round(self.settings.time.lateness * SECOND)
        return pipelines.watermark_of(self.streams, now, lateness)

    def finish(self, now: int, steady: int) -> bool:
        """The last commit of this process; false when it fails: its lines are read again."""
        try:
            self.commit(now, steady)
        except (sqlite3.Error, OSError):
            return False
        self.store.copy_counters()
        return True

    def forget(self) -> None:
        """Forget what was taken and is not stored."""
        self._desk.clear()
        self._ledger.take()

    def positions(self) -> list[Position]:
        """Where counting stands: of a source whose blocks are being read, behind the last one."""
        return [
            position
            for stream in self.streams
            for position in (
                stream.settled
                if stream.putting_back or self._desk.holds(stream)
                else stream.follower.positions()
            )
        ]

    def commit(self, now: int, steady: int) -> None:
        """Store everything read so far in one transaction, then close and show what is due."""
        time = self.timekeeper.believed(now, steady)
        if time is None:
            return
        now, positions = time, self.positions()
        events = any(stream.follower.events for stream in self.streams)
        if positions or events or self._ledger.batch.counters or self.pace.stale(steady):
            self.store_batch(positions, now)
            self.pace.stored(steady)
            self.store.copy_counters(steady)
        self._close(now)

    def _close(self, now: int) -> None:
        """Close and show what is due; what takes long is done a piece at a time."""
        unfinished, self._unfinished = self._unfinished, False
        watermark, keeper = self.watermark(now), self.timekeeper
        if watermark is None:
            return
        closed = self.closer.closed_until
        self.closer.close(watermark, now, keeper.sure(watermark), confirmed=keeper.clocks.proven)
        # The rolling windows, which the end of a week makes anew, come after it.
        caught_up = all(stream.caught_up for stream in self.streams)
        self._unfinished = self.closer.counting or self._view.show(watermark, caught_up=caught_up)
        if self.closer.closed_until > closed or (unfinished and not self._unfinished):
            trim()

    def store_batch(self, positions: list[Position], now: int) -> None:
        """Store what was counted together with the positions behind it, in one transaction."""
        covered = pipelines.take_events(self.streams, self._ledger)
        batch = self._ledger.take()
        progress = [stream.progress() for stream in self.streams]
        batch.counters["commit_errors", "", ""] += self._commits.errors
        clocks = self.timekeeper.clocks
        batch.counters["clock_jumps", "", ""] += clocks.jumps
        followed = pipelines.first_looks(self.streams)
        clock = {installation.CLOCK: str(stored)} if (stored := clocks.stored()) else {}
        finished = [stream.follower.finished_files() for stream in self.streams]
        self.store.checkpoint(
            batch, positions, progress, covered, now, followed | clock, list(chain(*finished))
        )
        clocks.jumps = 0
        if followed:
            self.backups.hasten()
        for stream, files in zip(self.streams, finished, strict=True):
            stream.committed(positions, files)
        self.pace.pending = 0
        self._commits.succeeded(now)
        self._view.record(batch.rows)

    def _recover(self, error: sqlite3.Error | OSError, steady: int) -> None:
        """Nothing of the batch was stored: go back to the last commit and read it again."""
        self._commits.failed(database.reason(error))
        self.pace.failed(steady)
        failure = database.failure(self.store.path, error)
        if not isinstance(failure, Unavailable):
            raise failure from None
        self.forget()
        self.rolling.forget()
        for stream in self.streams:
            stream.roll_back()

    def back_up(self, now: int, steady: int) -> None:
        """Begin a copy of the database if one is due; it is made in a thread of its own.

        Not before the first commit: a copy that says that nothing was ever followed would, when
        it is restored, leave out what was rotated away since.
        """
        if all(stream.new for stream in self.streams) or self.timekeeper.clocks.doubted:
            return  # By a wrong clock the wrong copies would be the oldest.
        self.backups.step(now, steady)
        if self.backups.errors:
            self._ledger.count("backup_errors", "", self.backups.errors)
            self.backups.errors = 0

    # -- what others may know ------------------------------------------------------------

    def status(self) -> Status:
        """The engine as it is now."""
        return Status(
            sources=tuple(stream.status() for stream in self.streams),
            last_commit=self._commits.last,
            last_backup=self.backups.last,
            commit_good=self._commits.good,
            commit_errors=self._commits.errors,
            commit_trouble=self._commits.trouble,
            lexicon=self._digest,
            revision=(self._number, self.store.connection.total_changes),
            topics=tuple((topic.id, topic.categories) for topic in self.topics),
            overdue=tuple(self.closer.overdue(self.timekeeper.time or 0)),
            log_blocked=self.store.log_blocked,
            problems=tuple(filter(None, (self.timekeeper.clocks.problem,))),
        )

    def close(self) -> None:
        """Give everything back; what was not committed will be read again."""
        self.backups.cancel()
        self._desk.dismiss()
        for stream in self.streams:
            stream.follower.close()
        self.store.close()
        self._lock.close()
