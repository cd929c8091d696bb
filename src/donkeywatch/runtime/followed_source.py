"""What is known of one source while it is counted: its files, event time, coverage, outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from donkeywatch.counting.calendar import SECOND, WEEK
from donkeywatch.counting.coverage import Coverage, CoveredTime
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.counting.observations import Times
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.regex import Regex
from donkeywatch.ingest.formats.registry import create_format
from donkeywatch.ingest.lateness import ACCEPTED, HasKey, JudgedQueries, LatenessRules
from donkeywatch.ingest.line_reader import LineReader, QueryColumns
from donkeywatch.ingest.log_copy_recogniser import Recogniser
from donkeywatch.ingest.timestamps import TimestampParser
from donkeywatch.publish.engine_status import SourceStatus
from donkeywatch.runtime import source_notices
from donkeywatch.settings.schema import Source
from donkeywatch.sources.follower import Follower
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.positions import FinishedFile, GenerationPosition
from donkeywatch.sources.wrappers import WRAPPERS, longest_line
from donkeywatch.store.positions import SourceProgress

FOLLOWED_KEY_PREFIX = "followed:"
"""Setting that says that a source was followed before, so that what is new was not there then."""


@dataclass(slots=True)
class FollowedSource:
    """One source: its files, its reader, and how far it is counted."""

    source: Source
    follower: Follower
    reader: BlockReader
    frontier: EventTimeFrontier
    coverage: Coverage
    last_committed: SourceProgress
    """What the database holds."""
    max_gap_ms: int
    """Longest silence (ms) of a server that is up; a longer one is taken for an outage."""
    backfill_frontier: EventTimeFrontier | None = None
    """The frontier of the archives being counted, which may be far behind the live one."""
    backfill_coverage: Coverage = field(default_factory=Coverage)
    was_unobserved: bool = True
    """The log was not followed until now: it was not there, or this process was not."""
    counted_positions: list[GenerationPosition] = field(default_factory=list)
    """Positions behind the last block that was counted, where others are being read."""
    never_followed: bool = False
    """It was never followed by any process."""
    upgraded: bool = False
    """The database is of version 0.1, and its files were not looked at since."""
    is_waiting_for_clock: bool = False
    """The log's next lines wait for the clock."""
    waiting_since: int = 0
    """When lines were last found to wait, of the log or of a rotated file (ms of a steady
    clock)."""
    is_putting_back: bool = False
    """Blocks of them were read, which will be read again."""
    frontiers: dict[int, tuple[EventTimeFrontier, EventTimeFrontier]] = field(default_factory=dict)
    """Of rotated files that had to wait for the clock, by generation, as committed and as it is:
    the log may have gone on meanwhile, and would make their lines too late."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Lines by outcome since the start of this process."""
    committed_outcomes: Counter[str] = field(default_factory=Counter)
    """Of these, what the database holds."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Lines of copies that were not counted, by reason, since the start of this process."""
    unknowable: Counter[int] = field(default_factory=Counter)
    """Searches of the archive that is read, by hour (ms UTC), whose week's key is destroyed."""
    recognisers: dict[tuple[int, int], Recogniser] = field(default_factory=dict)
    """By the generation whose lines are compared with what is counted, and until when they are."""

    def progress(self) -> SourceProgress:
        """The row to store."""
        frontier = self.frontier
        return SourceProgress(
            self.source.name,
            frontier.max_time,
            frontier.candidate,
            frontier.confirmations,
            self.coverage.decided_until,
        )

    @property
    def first_follow_unrecorded(self) -> bool:
        """Tell whether it is followed for the first time ever and that is not stored yet."""
        return self.never_followed and not self.follower.last_scan_failed

    def _stored_frontier(self) -> EventTimeFrontier:
        stored = self.last_committed
        return EventTimeFrontier.restored(stored.newest, stored.candidate, stored.confirmations)

    def frontier_of(self, generation: int) -> EventTimeFrontier:
        """Give the frontier by which the lines of a file are judged."""
        if self.backfill_frontier is not None:
            return self.backfill_frontier
        _, frontier = self.frontiers.get(generation, (None, self.frontier))
        return frontier

    def judge(
        self, generation: int, read: QueryColumns, rules: LatenessRules, now: int, has_key: HasKey
    ) -> JudgedQueries:
        """Decide on the times of a file's searches, as `LatenessRules.judge` does.

        In a rotated file that had to wait for the clock, stamps of a wrong one may have become past
        meanwhile: behind them none is too late as long as its week has a key.
        """
        frontier = self.frontier_of(generation)
        if self.backfill_frontier is not None or generation not in self.frontiers:
            return rules.judge(read, frontier, now, has_key)
        judged = replace(rules, max_lateness=2 * WEEK).judge(read, frontier, now, has_key)
        times = judged.time[judged.verdict == ACCEPTED]
        self.frontier.advance(times[times > (self.frontier.max_time or 0)])
        return judged

    def cover_event_times(self, generation: int, times: Times) -> None:
        """Queries of a file with these event times (ms UTC) were counted: the time between is
        covered. What is beyond its frontier may be an odd stamp, and covers nothing."""
        frontier = self.frontier_of(generation).max_time or 0
        coverage = self.coverage if self.backfill_frontier is None else self.backfill_coverage
        if len(times) and times.max() > frontier:
            times = times[times <= frontier]
        coverage.cover_event_times(times, self.max_gap_ms)

    @property
    def caught_up(self) -> bool:
        """Tell whether everything that is there is counted."""
        return self.follower.caught_up and not self.is_waiting_for_clock

    def has_unread(self, end: int) -> bool:
        """Tell whether lines from before ``end`` (ms UTC) may be there that are not counted."""
        unread = not (
            self.caught_up
            or self.is_waiting_for_clock
            or self.follower.last_scan_failed
            or self.follower.live_unreadable
        )
        return unread and (self.frontier.max_time or 0) < end

    def is_ahead(self, future: int) -> bool:
        """Tell whether event time or coverage came further than the clock allows (ms UTC)."""
        return max(self.frontier.max_time or 0, self.coverage.decided_until or 0) > future

    def rewind_to(self, now: int, future: int) -> None:
        """Forget how far a clock that was ahead of ``now`` had let event time come."""
        frontier = self.frontier
        if frontier.max_time is not None and frontier.max_time > future:
            frontier.rewind(now, 0, 0)
        self.coverage.rewind(now)

    def advance_coverage(self, now: int, *, jumped: bool) -> None:
        """While the log is followed and all of it is read, its seconds are covered."""
        follower = self.follower
        if follower.bytes_lost and self.caught_up:
            self.coverage.skip_until(now)
            follower.bytes_lost = False
        if (
            follower.last_scan_failed
            and not follower.registry.has_missing_files
            and not self.was_unobserved
        ):
            # A file may have come and gone meanwhile: a gap, whatever is found afterwards. At a
            # start the log's past is still to be read, and tells itself what it covers.
            self.coverage.skip_until(now)
        elif follower.live is None or follower.registry.has_missing_files or not self.caught_up:
            # What this time was worth is known when the log, or its lost part, is found. What
            # else stood in a log that was emptied long after the last look, nobody knows.
            self.was_unobserved |= follower.live is None or (
                follower.registry.has_missing_files and self._unobserved_too_long(now)
            )
        elif jumped or (self.was_unobserved and self._unobserved_too_long(now)):
            self.coverage.skip_until(now)
            self.was_unobserved = False
        else:
            self.coverage.cover_until(now)
            self.was_unobserved = False

    def _unobserved_too_long(self, now: int) -> bool:
        """Tell whether nothing was known of this log for longer than a running server is silent."""
        return (
            self.coverage.decided_until is None
            or now - self.coverage.decided_until > self.max_gap_ms
        )

    def take_coverage(self) -> list[CoveredTime]:
        """Give the spans that are covered since the last call."""
        if self.follower.bytes_lost and self.follower.events["lost_bytes"]:
            # When it was lost is not known yet; a restart would forget it, so it costs a second.
            self.coverage.skip_until((self.coverage.decided_until or 0) + SECOND)
        return self.coverage.take() + self.backfill_coverage.take()

    def recogniser(self, block: LineBlock, make: Callable[[], Recogniser]) -> Recogniser:
        """Give the recogniser of the file that a block is from."""
        name = block.generation, block.beginning
        if name not in self.recognisers:
            # No block of the file's earlier readings comes behind this one.
            for former in [each for each in self.recognisers if each[0] == block.generation]:
                del self.recognisers[former]
            self.recognisers[name] = make()
        return self.recognisers[name]

    def committed(
        self, positions: Sequence[GenerationPosition], finished: Sequence[FinishedFile] = ()
    ) -> None:
        """Note that what is counted is in the database, with these positions and files."""
        self.follower.committed(positions, finished)
        reading, is_live = self.follower.reading(), self.backfill_frontier is None
        self.recognisers = {
            name: recogniser
            for name, recogniser in self.recognisers.items()
            # Each holds rows of an hour; of an archive, blocks may still be on their way.
            if name[0] in reading and not (recogniser.is_past_log_before and is_live)
        }
        self.frontiers = {
            generation: (replace(frontier), frontier)
            for generation, (_, frontier) in self.frontiers.items()
            if generation in reading
        }
        self.follower.events.clear()
        self.counted_positions = []
        self.never_followed &= self.follower.last_scan_failed
        self.last_committed, self.committed_outcomes = self.progress(), Counter(self.outcomes)

    def roll_back(self) -> None:
        """Forget what was read since the last commit."""
        stored = self.last_committed
        self.outcomes = Counter(self.committed_outcomes)
        self.recognisers.clear()
        self.counted_positions = []
        self.follower.roll_back()
        self.frontier.rewind(stored.newest, stored.candidate, stored.confirmations)
        self.frontiers = {
            generation: (committed, replace(committed))
            for generation, (committed, _) in self.frontiers.items()
        }
        self.coverage.take()
        self.backfill_coverage.take()
        self.coverage.decided_until = stored.covered_until
        # A loss is told once; the time it costs has just been forgotten.
        self.follower.bytes_lost |= self.follower.events["lost_bytes"] > 0

    def status(self) -> SourceStatus:
        """Give what others may know of it."""
        follower = self.follower
        return SourceStatus(
            name=self.source.name,
            following=follower.live is not None
            and not follower.last_scan_failed
            and not follower.live_unreadable,
            caught_up=self.caught_up,
            lag_bytes=follower.registry.lag_bytes,
            offset_bytes=live.fingerprint.offset if (live := follower.live) is not None else 0,
            last_event=self.frontier.max_time,
            error="; ".join(filter(None, self._problems())) or None,
        )

    def _problems(self) -> tuple[str | None, ...]:
        follower, waits = self.follower, None
        if follower.registry.waiting:
            waits = f"{follower.log.path}: old lines in a rotated file wait for a confirmed clock"
        has_searches = self.frontier.max_time is not None
        format_notice = source_notices.wrong_format(self.outcomes, had_searches=has_searches)
        withheld = source_notices.withheld(self.left_out["withheld"])
        return follower.error, waits, format_notice, withheld

    def wait_for_clock(self, generation: int, *, is_behind: bool) -> None:
        """Put the lines of a file back that were read, until the clock is confirmed.

        One that ``is_behind`` the log begins where the log has passed long ago.
        """
        live = self.follower.live
        if live is None or live.id == generation:
            self.is_waiting_for_clock = True
        else:
            self.follower.registry.waiting.add(generation)
            frontier = EventTimeFrontier() if is_behind else self._stored_frontier()
            self.frontiers.setdefault(generation, (frontier, frontier))
        self.is_putting_back = True

    @property
    def waits(self) -> bool:
        """Tell whether lines wait for the clock, in the log or in a rotated file."""
        return self.is_waiting_for_clock or bool(self.follower.registry.waiting)

    def stop_waiting(self) -> None:
        """Read the lines again that have waited for the clock."""
        self.is_waiting_for_clock = False
        self.follower.registry.waiting.clear()


def log_of(source: Source, sources: Sequence[Source] = ()) -> LogPaths:
    """The log that a source's settings describe, beside those of the other ``sources``."""
    others = [other.path for other in sources if other is not source]
    earlier = [other.path for other in sources[: sources.index(source)]] if others else []
    wrapper = WRAPPERS[source.wrapper] if source.wrapper else None
    return LogPaths(
        source.name,
        source.path,
        longest_line(source.max_line) if wrapper else source.max_line,
        source.rotated,
        source.start == "end",
        tuple(others),
        tuple(earlier),
        wrapper,
    )


def line_reader(source: Source, detector: Detector) -> LineReader:
    """The reader that a source's settings describe."""
    form = create_format(source)
    return LineReader(
        format=form,
        clock=TimestampParser(
            ZoneInfo(source.timezone) if source.timezone else None, source.time_format
        ),
        syntax="enode-go" if source.format == "enode-go" else source.query_syntax,
        encoding=source.encoding,
        max_line_bytes=source.max_line,
        detector=detector,
        wrapper=WRAPPERS[source.wrapper] if source.wrapper else None,
        own_stamps=not isinstance(form, Regex) or form.has_stamp,
    )
