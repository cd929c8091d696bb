"""What is on its way through other processes: blocks to be read, rows to be reckoned."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from donkeywatch.counting.figures import RowColumns, Window, WindowAggregate, aggregate
from donkeywatch.ingest.sightings import QueryColumns
from donkeywatch.runtime.pipeline import SourcePipeline
from donkeywatch.runtime.worker_processes import WorkerDied, WorkerPool
from donkeywatch.sources.block import LineBlock
from donkeywatch.sources.positions import GenerationPosition
from donkeywatch.store.reckoning import OnAggregate

ParsedBlock = tuple[SourcePipeline, LineBlock, list[GenerationPosition], QueryColumns]

MAX_LOCAL_BLOCKS = 4
"""Blocks that may be read here and wait until those before them are done."""


@dataclass(slots=True)
class _PendingBlock:
    """A block, the positions of its source when it had been read, and what was read in it here."""

    stream: SourcePipeline
    block: LineBlock
    positions: list[GenerationPosition]
    seen: QueryColumns | None = None
    number: int | None = None
    """By which the crew knows it."""

    @property
    def done(self) -> bool:
        """Was it read here?"""
        return self.seen is not None

    def run(self) -> QueryColumns:
        """Read it here."""
        self.seen = self.stream.reader.read(self.block.data)
        return self.seen


@dataclass(slots=True)
class _PendingAggregation:
    """Rows to be reckoned, and who waits for their figures."""

    columns: RowColumns
    spans: Sequence[Window]
    on_result: OnAggregate
    done: bool = False
    number: int | None = None

    def run(self) -> None:
        """Reckon them here."""
        self.finish(aggregate(self.columns, self.spans))

    def finish(self, figures: list[WindowAggregate]) -> None:
        """Deliver their figures."""
        self.done = True
        self.on_result(figures)


class BlockQueue:
    """Takes blocks in and gives them out in the same order, with what was read in them.

    Everything stays here until what became of it is given out: when a process of the crew ends,
    what it had is done here. So is what the crew has no room for, rather than to wait for it.
    """

    def __init__(self, streams: Sequence[SourcePipeline]) -> None:
        self._streams = streams
        self._crew: WorkerPool | None = None
        self._waiting: deque[_PendingBlock | _PendingAggregation] = deque()
        self._deferred: deque[_PendingAggregation] = deque()
        """For which the crew had no room."""

    def start_workers(self, processes: int) -> None:
        """Have the work done by so many processes with this one; before it has threads."""
        if processes > 1 and self._crew is None and not self._waiting:
            self._crew = WorkerPool([stream.reader for stream in self._streams], processes - 1)

    def stop_workers(self) -> None:
        """Do everything here from now on."""
        if self._crew is not None:
            self._crew.shutdown()
            self._crew = None

    def submit(self, stream: SourcePipeline, block: LineBlock) -> Iterator[ParsedBlock]:
        """Take one block; gives out what is done and makes room."""
        yield from self._dispatch_all()
        taken = _PendingBlock(stream, block, stream.follower.positions())
        while self._full:
            if not self._ready and self._locally_parsed < MAX_LOCAL_BLOCKS:
                taken.run()
                break
            yield from self._complete_oldest()
        self._waiting.append(taken)
        if self._crew is None:
            yield from self.drain()
        elif not taken.done:
            try:
                taken.number = self._crew.submit_block(self._streams.index(stream), block.data)
            except WorkerDied:
                self.stop_workers()

    def submit_aggregation(
        self, columns: RowColumns, spans: Sequence[Window], deliver: OnAggregate
    ) -> None:
        """Reckon some rows; their figures are delivered at once, or while blocks are taken."""
        self._deferred.append(_PendingAggregation(columns, spans, deliver))
        # Blocks are not given out here.
        while self._deferred and not (self._full and isinstance(self._waiting[0], _PendingBlock)):
            for _ in self._dispatch_next():
                pass

    def drain(self) -> Iterator[ParsedBlock]:
        """Give out all that was taken, and deliver all that was asked."""
        yield from self._dispatch_all()
        while self._waiting:
            self._work_while_waiting()
            yield from self._complete_oldest()

    def _work_while_waiting(self) -> None:
        """Do here what waits, from the newest on, until the oldest is done."""
        while self._crew is not None and not self._ready:
            undone = [one for one in self._waiting if not one.done]
            if len(undone) < 2:
                return
            if undone[-1].number is not None:
                self._crew.cancel(undone[-1].number)
            undone[-1].run()

    @property
    def _full(self) -> bool:
        """Has the crew no room?"""
        return self._crew is not None and self._crew.full

    @property
    def _ready(self) -> bool:
        """Is the oldest done?"""
        return self._waiting[0].done or (self._crew is not None and self._crew.ready)

    @property
    def _locally_parsed(self) -> int:
        """How many blocks that were read here wait."""
        return sum(one.done for one in self._waiting)

    def _dispatch_all(self) -> Iterator[ParsedBlock]:
        while self._deferred:
            yield from self._dispatch_next()

    def _dispatch_next(self) -> Iterator[ParsedBlock]:
        """Have what was asked first reckoned, or give out or deliver what is done meanwhile."""
        if self._full and self._ready:
            yield from self._complete_oldest()
            return
        asked = self._deferred.popleft()
        if self._crew is None or self._crew.full or not self._crew.fits(asked.columns):
            asked.run()
            return
        self._waiting.append(asked)
        try:
            asked.number = self._crew.submit_aggregation(asked.columns, asked.spans)
        except WorkerDied:
            self.stop_workers()

    def _complete_oldest(self) -> Iterator[ParsedBlock]:
        """Give out or deliver the oldest there is."""
        oldest = self._waiting[0]
        found = self._worker_result() if oldest.number is not None else None
        if isinstance(oldest, _PendingBlock):
            seen = found if isinstance(found, QueryColumns) else None
            seen = oldest.seen or seen or oldest.run()
            self._waiting.popleft()
            yield oldest.stream, oldest.block, oldest.positions, seen
            return
        self._waiting.popleft()
        if isinstance(found, list) and not oldest.done:
            oldest.finish(found)
        elif not oldest.done:
            oldest.run()

    def _worker_result(self) -> QueryColumns | list[WindowAggregate] | None:
        """What the crew made of its oldest; None where it is gone, or was spared that."""
        try:
            return self._crew.next_result() if self._crew is not None else None
        except WorkerDied:
            self.stop_workers()
            return None

    def has_pending(self, stream: SourcePipeline) -> bool:
        """Is any block of a source still here?"""
        return any(isinstance(one, _PendingBlock) and one.stream is stream for one in self._waiting)

    def clear(self) -> None:
        """Forget what was taken: it will be taken again."""
        self.stop_workers()
        self._waiting.clear()
        self._deferred.clear()
