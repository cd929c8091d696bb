"""One source on its way: its files, its reader, and where it stands in event time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from donkeywatch.arrival.blocks import BlockReader
from donkeywatch.arrival.clock import Clock
from donkeywatch.arrival.detector import Detector
from donkeywatch.arrival.formats import preset
from donkeywatch.arrival.sightings import LineReader
from donkeywatch.config import Source
from donkeywatch.counting.coverage import Coverage
from donkeywatch.counting.watermark import Frontier
from donkeywatch.counting.windows import SECOND
from donkeywatch.sources.follow import Follower
from donkeywatch.sources.log import Log
from donkeywatch.status import SourceStatus
from donkeywatch.store.positions import Position, Progress
from donkeywatch.store.store import Store

FOLLOWED = "followed:"
"""Setting that says that a source was followed before, so that what is new was not there then."""


@dataclass(slots=True)
class Stream:
    """One source on its way: its files, its reader, and where it stands in event time."""

    source: Source
    follower: Follower
    reader: BlockReader
    frontier: Frontier
    coverage: Coverage
    stored: Progress
    """What the database holds."""
    archive: Frontier | None = None
    """The frontier of the archives being counted, which may be far behind the live one."""
    archived: Coverage = field(default_factory=Coverage)
    absent: bool = True
    """The log was not followed until now: it was not there, or this process was not."""
    settled: list[Position] = field(default_factory=list)
    """Positions behind the last block that was counted, where others are being read."""
    new: bool = False
    """It was never followed by any process."""

    def progress(self) -> Progress:
        """The row to store."""
        frontier = self.frontier
        return Progress(
            self.source.name,
            frontier.newest,
            frontier.suspect,
            frontier.witnesses,
            self.coverage.until,
        )

    def tell_loss(self) -> None:
        """A loss whose time is not known yet costs a second: a restart would forget it."""
        if self.follower.lost and self.follower.events["abandoned_bytes"]:
            self.coverage.miss((self.coverage.until or 0) + SECOND)

    def silent(self, now: int, silence: int) -> bool:
        """Has more than ``silence`` ms passed since the last thing known of this log?"""
        return self.coverage.until is None or now - self.coverage.until > silence

    def committed(self, positions: Sequence[Position]) -> None:
        """What is counted is in the database, and these positions are."""
        self.follower.committed(positions)
        self.follower.events.clear()
        self.new &= self.follower.blind
        self.stored = self.progress()

    def roll_back(self) -> None:
        """Forget what was read since the last commit."""
        stored = self.stored
        self.follower.roll_back()
        self.frontier.newest = stored.newest
        self.frontier.suspect, self.frontier.witnesses = stored.suspect, stored.witnesses
        self.coverage.take()
        self.archived.take()
        self.coverage.until = stored.covered_until

    def status(self) -> SourceStatus:
        """What others may know of it."""
        follower = self.follower
        return SourceStatus(
            name=self.source.name,
            following=follower.live is not None and not follower.blind and not follower.failing,
            caught_up=follower.caught_up,
            lag_bytes=follower.lag,
            offset_bytes=follower.offset,
            last_event=self.frontier.newest,
            error=follower.error,
        )


def log_of(source: Source) -> Log:
    """The log that a source's settings describe."""
    return Log(source.name, source.path, source.max_line, source.rotated, source.start == "end")


def line_reader(source: Source, detector: Detector) -> LineReader:
    """The reader that a source's settings describe."""
    return LineReader(
        format=preset(source),
        clock=Clock(ZoneInfo(source.timezone) if source.timezone else None, source.time_format),
        syntax="enode-go" if source.format == "enode-go" else source.query_syntax,
        encoding=source.encoding,
        limit=source.max_line,
        detector=detector,
    )


def open_streams(
    sources: Sequence[Source], store: Store, detector: Detector, key: bytes
) -> list[Stream]:
    """Every source where the database says it stands; ``key`` is the lasting one."""
    numbers = itertools.count(store.next_generation())
    return [_open(source, store, detector, key, numbers.__next__) for source in sources]


def _open(
    source: Source, store: Store, detector: Detector, key: bytes, number: Callable[[], int]
) -> Stream:
    stored = store.progress(source.name)
    new = store.setting(FOLLOWED + source.name) is None
    positions = store.positions(source.name)
    return Stream(
        source,
        Follower(log_of(source), key, positions, number, fresh=new),
        BlockReader(line_reader(source, detector)),
        Frontier.restored(stored.newest, stored.suspect, stored.witnesses),
        Coverage(stored.covered_until),
        stored,
        new=new,
    )
