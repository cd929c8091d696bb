"""Block to observations to ledger to checkpoint: the one way every line takes."""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from itertools import chain

from donkeywatch import installation
from donkeywatch.arrival import keyring, lexicon
from donkeywatch.arrival.copies import leave_out_counted
from donkeywatch.arrival.detector import Detector
from donkeywatch.arrival.fingerprints import ContentKeys
from donkeywatch.arrival.observe import Observer, Rules
from donkeywatch.arrival.recognition import Recogniser
from donkeywatch.arrival.sightings import Sightings
from donkeywatch.closing import Closer
from donkeywatch.counting.ledger import Ledger
from donkeywatch.counting.rolling import Rolling
from donkeywatch.counting.windows import HOUR, SECOND
from donkeywatch.desk import Desk
from donkeywatch.errors import Unavailable
from donkeywatch.machine import trim
from donkeywatch.materials import Materials
from donkeywatch.pace import Pace
from donkeywatch.settings import Settings
from donkeywatch.sources.block import Block
from donkeywatch.status import Status
from donkeywatch.store import database
from donkeywatch.store.backups import Backups
from donkeywatch.store.positions import Position
from donkeywatch.store.store import TICKS_SINCE, Store
from donkeywatch.stream import FOLLOWED, Stream, adopt_logs, open_streams
from donkeywatch.timekeeping import Timekeeper

BUDGET = 16 << 20
"""Log bytes read in one tick at the most, so that a tick ends soon."""
AHEAD = 1 << 18
"""Rows that may wait for the rolling windows while a log is read that is behind."""
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
        self._now = now
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
            self.backups = Backups(
                self.store.path, round(settings.backup.interval * SECOND), settings.backup.keep
            )
            self.backups.destroy_outlived(self._keys.sealed())
            content_keys = ContentKeys(self._keys, install, lambda: self._now)
            if lost := self._keys.lost:
                adopt_logs(settings, self.store, detector, moment, content_keys, lost)
            self.streams = open_streams(
                settings, self.store, detector, content_keys, self._begin_comparison
            )
        except BaseException:
            self.store.close()
            raise
        rules = Rules(round(settings.time.lateness * SECOND), round(settings.time.future * SECOND))
        self._observer = Observer(countries, self._keys, rules)
        self.withholds = True
        """Searches at the times of counted ones, with other addresses, are not counted."""
        self.topics = detector.topics
        self._ledger = Ledger(detector.topics)
        self.rolling = Rolling(len(detector.topics), self.store.segments)
        self._desk = Desk(self.streams)
        self.closer = Closer(
            self.store,
            self.backups,
            self._keys,
            settings.retention,
            self._desk.reckon,
            self.renew_fingerprints,
        )
        self.pace = Pace(settings.checkpoint, settings.follow.scan)
        self._dirty = True
        self._number = next(_NUMBERS)
        self._unfinished = False
        self.timekeeper = Timekeeper(self.store, self.streams, rules)
        self._commit_good, self._commit_errors = True, 0
        self._commit_trouble = ""
        self._last_commit: int | None = None

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
        self._now = now
        try:
            time = self.look_at_clock(now, steady)
            if time is None:
                return False
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
        for stream in self.streams:
            ready = self.timekeeper.ready(stream, steady)
            while ready and budget > 0 and not stream.held:
                block = stream.follower.read(steady)
                if block is None:
                    break
                self.take(stream, block, now)
                budget = 0 if enough() else budget - block.consumed
        self.settle(now)
        if any(stream.putting_back for stream in self.streams):
            self.store_batch(self.positions(), now)
            self.timekeeper.put_back(steady)
        return budget <= 0

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
        archive = stream.archive
        if self.timekeeper.holds(stream, read):
            return
        stream.settled = positions
        frontier = stream.frontier if archive is None else archive
        name, too_long = stream.source.name, block.too_long
        if block.compare_until:
            recogniser = stream.recogniser(block, self._recogniser)
            read, too_long, left_out = leave_out_counted(
                read, too_long, block.data, stream.reader.reader, recogniser
            )
            stream.left_out.update(left_out)
            for reason, lines in left_out.items():
                self._ledger.count_left_out(name, reason, lines)
        seen = self._observer.observe(read, frontier, now, self.closer.closed_until)
        self._ledger.record(name, seen)
        self._ledger.record_too_long(name, too_long)
        stream.tally.update(seen.tally, too_long=too_long)
        self.pace.pending += block.consumed
        past = seen.time <= (frontier.newest or 0)
        stream.read(seen.time if past.all() else seen.time[past])

    def _begin_comparison(self) -> int:
        """Store all that was read before a file that may be a copy; until when to compare it.

        What is compared with is in the database then, and nothing of the file itself.
        """
        self.settle(self._now)
        self.store_batch(self.positions(), self._now)
        return self.store.newest_time()

    def _recogniser(self, block: Block) -> Recogniser:
        return Recogniser(
            lambda hour: self.store.segments(hour, hour + HOUR),
            self._keys,
            block.compare_until,
            int(self.store.setting(TICKS_SINCE) or 0),
            block.continues,
            self.withholds,
        )

    def renew_fingerprints(self, before: int) -> None:
        """Make the fingerprints of the logs anew, before the keys of older weeks are destroyed."""
        for stream in self.streams:
            stream.follower.renew_fingerprints(before)
        self.store_batch(self.positions(), self._now)

    def look_at_clock(self, now: int, steady: int) -> int | None:
        """The time that is believed; what rested on a later one is taken back."""
        if self.timekeeper.look(now, steady) and (time := self.timekeeper.time) is not None:
            self.rolling.forget()
            self.closer.take_back(time)
            self.store_batch(self.positions(), time)
        return self.timekeeper.time

    def watermark(self, now: int) -> int | None:
        """Event time up to which all sources are counted, less the lateness; ms UTC."""
        times = [now if stream.caught_up else stream.frontier.newest for stream in self.streams]
        known = [time for time in times if time is not None]
        if len(known) < len(times):
            return None
        return min(known) - round(self.settings.time.lateness * SECOND)

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
        watermark = self.watermark(now)
        if watermark is None:
            return
        closed = self.closer.closed_until
        self.closer.close(watermark, now, self.timekeeper.sure(watermark))
        # The rolling windows, which the end of a week makes anew, come after it.
        self._unfinished = self.closer.counting or self._show(watermark)
        if self.closer.closed_until > closed or (unfinished and not self._unfinished):
            trim()

    def _show(self, watermark: int) -> bool:
        """Move the rolling windows and show their figures; true when there is more to do."""
        if not all(stream.caught_up for stream in self.streams):
            if self.rolling.waiting > AHEAD:
                self.rolling.forget()
            return False
        if self.rolling.advance(watermark) or (self._dirty and not self.rolling.building):
            self.store.show(self.rolling.figures())
            self._dirty = False
        return self.rolling.building

    def store_batch(self, positions: list[Position], now: int) -> None:
        """Store what was counted together with the positions behind it, in one transaction."""
        covered: defaultdict[int, float] = defaultdict(float)
        for stream in self.streams:
            for name, amount in stream.follower.events.items():
                self._ledger.count(name, stream.source.name, amount)
            for hour, seconds in stream.covered().items():
                covered[hour] += seconds / len(self.streams)
        batch = self._ledger.take()
        progress = [stream.progress() for stream in self.streams]
        if self._commit_errors:
            batch.counters["commit_errors", "", ""] += self._commit_errors
        clocks = self.timekeeper.clocks
        batch.counters["clock_jumps", "", ""] += clocks.jumps
        followed = {FOLLOWED + stream.source.name: "1" for stream in self.streams if stream.begun}
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
        self._commit_good, self._commit_errors, self._last_commit = True, 0, now
        self._dirty |= self.rolling.record(batch.rows)

    def _recover(self, error: sqlite3.Error | OSError, steady: int) -> None:
        """Nothing of the batch was stored: go back to the last commit and read it again."""
        self._commit_good = False
        self._commit_errors += 1
        self.pace.failed(steady)
        self._commit_trouble = database.reason(error)
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
            last_commit=self._last_commit,
            last_backup=self.backups.last,
            commit_good=self._commit_good,
            commit_errors=self._commit_errors,
            commit_trouble=self._commit_trouble,
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
