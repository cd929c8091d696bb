"""Blocks to parse and windows to aggregate, given to worker processes and returned in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from donkeywatch.counting.window_aggregates import RowColumns, Window, WindowAggregate, aggregate
from donkeywatch.ingest.line_reader import QueryColumns
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.runtime.worker_processes import WorkerDied, WorkerPool
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.positions import GenerationPosition
from donkeywatch.store.segment_aggregation import OnAggregate

ParsedBlock = tuple[FollowedSource, LineBlock, list[GenerationPosition], QueryColumns]

MAX_LOCAL_BLOCKS = 4
"""Blocks that may be read here and wait until those before them are done."""


@dataclass(slots=True)
class _PendingBlock:
    """A block, the positions of its source when it had been read, and what was read in it here."""

    stream: FollowedSource
    block: LineBlock
    positions: list[GenerationPosition]
    queries: QueryColumns | None = None
    number: int | None = None
    """The number under which the worker pool knows it."""

    @property
    def done(self) -> bool:
        """Tell whether it was parsed in this process."""
        return self.queries is not None

    def run(self) -> QueryColumns:
        """Parse it in this process."""
        self.queries = self.stream.reader.read(self.block.data)
        return self.queries


@dataclass(slots=True)
class _PendingAggregation:
    """Rows to aggregate, and who is called with the result."""

    columns: RowColumns
    spans: Sequence[Window]
    on_result: OnAggregate
    done: bool = False
    number: int | None = None

    def run(self) -> None:
        """Aggregate them in this process."""
        self.finish(aggregate(self.columns, self.spans))

    def finish(self, figures: list[WindowAggregate]) -> None:
        """Deliver their figures."""
        self.done = True
        self.on_result(figures)


class BlockQueue:
    """Takes blocks in and gives them out in the same order, with what was read in them.

    A block is kept until its result is given out: when a worker process ends, its blocks are read
    in this process. When the pool is full, this process reads some itself instead of waiting.
    """

    def __init__(self, streams: Sequence[FollowedSource]) -> None:
        self._streams = streams
        self._pool: WorkerPool | None = None
        self._waiting: deque[_PendingBlock | _PendingAggregation] = deque()
        self._deferred: deque[_PendingAggregation] = deque()
        """Aggregations that were asked for and not given to a worker yet."""

    def start_workers(self, processes: int) -> None:
        """Have the work done by so many processes with this one; before it has threads."""
        if processes > 1 and self._pool is None and not self._waiting:
            self._pool = WorkerPool([stream.reader for stream in self._streams], processes - 1)

    def stop_workers(self) -> None:
        """Do everything here from now on."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def submit(self, stream: FollowedSource, block: LineBlock) -> Iterator[ParsedBlock]:
        """Take one block; gives out what is done and makes room."""
        yield from self._dispatch_all()
        taken = _PendingBlock(stream, block, stream.follower.positions())
        while self._full:
            if not self._ready and self._locally_parsed < MAX_LOCAL_BLOCKS:
                taken.run()
                break
            yield from self._complete_oldest()
        self._waiting.append(taken)
        if self._pool is None:
            yield from self.drain()
        elif not taken.done:
            try:
                taken.number = self._pool.submit_block(self._streams.index(stream), block.data)
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
        while self._pool is not None and not self._ready:
            undone = [pending for pending in self._waiting if not pending.done]
            if len(undone) < 2:
                return
            if undone[-1].number is not None:
                self._pool.cancel(undone[-1].number)
            undone[-1].run()

    @property
    def _full(self) -> bool:
        """Tell whether the worker pool has no room."""
        return self._pool is not None and self._pool.full

    @property
    def _ready(self) -> bool:
        """Tell whether the oldest is done."""
        return self._waiting[0].done or (self._pool is not None and self._pool.ready)

    @property
    def _locally_parsed(self) -> int:
        """Count what was done in this process and waits for its turn."""
        return sum(pending.done for pending in self._waiting)

    def _dispatch_all(self) -> Iterator[ParsedBlock]:
        while self._deferred:
            yield from self._dispatch_next()

    def _dispatch_next(self) -> Iterator[ParsedBlock]:
        """Have what was asked first aggregated, or give out or deliver what is done meanwhile."""
        if self._full and self._ready:
            yield from self._complete_oldest()
            return
        pending = self._deferred.popleft()
        if self._pool is None or self._pool.full or not self._pool.fits(pending.columns):
            pending.run()
            return
        self._waiting.append(pending)
        try:
            pending.number = self._pool.submit_aggregation(pending.columns, pending.spans)
        except WorkerDied:
            self.stop_workers()

    def _complete_oldest(self) -> Iterator[ParsedBlock]:
        """Give out or deliver the oldest there is."""
        oldest = self._waiting[0]
        result = self._worker_result() if oldest.number is not None else None
        if isinstance(oldest, _PendingBlock):
            queries = result if isinstance(result, QueryColumns) else None
            queries = oldest.queries or queries or oldest.run()
            self._waiting.popleft()
            yield oldest.stream, oldest.block, oldest.positions, queries
            return
        self._waiting.popleft()
        if isinstance(result, list) and not oldest.done:
            oldest.finish(result)
        elif not oldest.done:
            oldest.run()

    def _worker_result(self) -> QueryColumns | list[WindowAggregate] | None:
        """Take the pool's result of the oldest; None where its worker is gone or skipped it."""
        try:
            return self._pool.next_result() if self._pool is not None else None
        except WorkerDied:
            self.stop_workers()
            return None

    def has_pending(self, stream: FollowedSource) -> bool:
        """Tell whether any block of a source is still here."""
        return any(
            isinstance(pending, _PendingBlock) and pending.stream is stream
            for pending in self._waiting
        )

    def clear(self) -> None:
        """Forget what was taken: it will be taken again."""
        self.stop_workers()
        self._waiting.clear()
        self._deferred.clear()
