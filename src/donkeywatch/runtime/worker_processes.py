"""Processes that read blocks and aggregate windows beside this one, with results in order.

Both have no state, so they can be spread over the cores; what is read is counted, stored and
closed by one process alone. Everything passes through memory that has no name; nothing of a log
is written anywhere.
"""

from __future__ import annotations

import contextlib
import gc
import math
import mmap
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.window_aggregates import RowColumns, Window, WindowAggregate, aggregate
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.byte_columns import PADDING
from donkeywatch.ingest.line_reader import QueryColumns

SLOT_BYTES = 9 << 19
"""Bytes of the longest block, or of the rows to aggregate, that is handed over at once.

What was read in a block takes the place of the block.
"""
SLOTS_PER_WORKER = 8
"""What each process holds: one block being read, and some to go on with during a commit."""
COLUMN_ALIGNMENT = 8
"""Bytes of the widest item: every column begins at a multiple of it."""

DAEMON_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that go to every process of a group: the daemon obeys them and ends its workers."""


class WorkerDied(Exception):
    """A worker process has ended: its blocks have to be read again."""


class _ColumnSlot(NamedTuple):
    """Where a column lies in shared memory, its type and its shape."""

    kind: str
    shape: tuple[int, ...]
    at: int


class _Worker:
    """One process, its pipe and its memory; forked, so it shares what is loaded."""

    def __init__(self, readers: Sequence[BlockReader]) -> None:
        self.memory = [mmap.mmap(-1, SLOT_BYTES + PADDING) for _ in range(SLOTS_PER_WORKER)]
        self.cancelled = mmap.mmap(-1, SLOTS_PER_WORKER)
        """What need not be done any more, if it is not begun: a byte for each place."""
        self.pipe, other = Pipe()
        # Held back until the worker ignores them: one that comes at once would end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, DAEMON_SIGNALS)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    _ignore_daemon_signals(before)
                    _worker_main(other, self.memory, self.cancelled, readers)
                finally:
                    os._exit(0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other.close()

    def end(self) -> None:
        """Let the process go and wait for it."""
        self.pipe.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        for memory in (*self.memory, self.cancelled):
            with contextlib.suppress(BufferError):
                memory.close()


class WorkerPool:
    """Some processes; what is put in comes out in the same order, read or aggregated.

    To be made while this process has a single thread.
    """

    def __init__(self, readers: Sequence[BlockReader], processes: int) -> None:
        gc.freeze()  # The pages of what is loaded stay shared.
        self._workers = [_Worker(readers) for _ in range(processes)]
        self._next = self._oldest = 0

    @property
    def full(self) -> bool:
        """Tell whether a result has to be taken out before another block is put in."""
        return self._next - self._oldest >= SLOTS_PER_WORKER * len(self._workers)

    @property
    def ready(self) -> bool:
        """Tell whether the oldest that was put in is done, or will never be."""
        return self._slot_of(self._oldest)[0].pipe.poll()

    def submit_block(self, reader: int, raw: bytes | memoryview) -> int:
        """Hand over a block for one of the readers; WorkerDied when nobody takes it.

        Returns the number by which it may be cancelled.
        """
        worker, slot = self._slot_of(self._next)
        if len(raw) > SLOT_BYTES:
            raise WorkerDied
        worker.memory[slot][: len(raw)] = raw
        worker.memory[slot][len(raw) : len(raw) + PADDING] = bytes(PADDING)
        return self._send(worker, slot, reader, len(raw))

    def fits(self, columns: RowColumns) -> bool:
        """Tell whether there is room for so many rows."""
        return (
            sum(column.nbytes + COLUMN_ALIGNMENT for column in _present_columns(columns))
            <= SLOT_BYTES
        )

    def submit_aggregation(self, columns: RowColumns, spans: Sequence[Window]) -> int:
        """Hand over rows to aggregate, as `submit_block` does with a block."""
        worker, slot = self._slot_of(self._next)
        slots = _write_columns(worker.memory[slot], 0, _present_columns(columns))
        return self._send(worker, slot, list(spans), slots)

    def _send(self, worker: _Worker, slot: int, task: object, size: object) -> int:
        self._next += 1
        worker.cancelled[slot] = 0
        try:
            worker.pipe.send((slot, task, size))
        except OSError:
            raise WorkerDied from None
        return self._next - 1

    def cancel(self, number: int) -> None:
        """It need not be done any more; something comes out for it all the same."""
        worker, slot = self._slot_of(number)
        worker.cancelled[slot] = 1

    def next_result(self) -> QueryColumns | list[WindowAggregate] | None:
        """Take the result of the oldest that was put in; None where it was cancelled.

        WorkerDied when the process that had it is gone.
        """
        worker, slot = self._slot_of(self._oldest)
        self._oldest += 1
        try:
            reply = worker.pipe.recv()
        except (EOFError, OSError):
            raise WorkerDied from None
        return _read_result(worker.memory[slot], *reply) if isinstance(reply, tuple) else reply

    def _slot_of(self, number: int) -> tuple[_Worker, int]:
        count = len(self._workers)
        return self._workers[number % count], number // count % SLOTS_PER_WORKER

    def shutdown(self) -> None:
        """End all processes; what they were reading is lost."""
        for worker in self._workers:
            worker.end()


def _ignore_daemon_signals(mask: Iterable[int]) -> None:
    """Ignore what a terminal or a service manager sends to all processes, and lift the block."""
    for number in DAEMON_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _worker_main(
    pipe: Connection,
    memory: Sequence[mmap.mmap],
    cancelled: mmap.mmap,
    readers: Sequence[BlockReader],
) -> None:
    """The life of a worker: until its pipe is closed, be it by the end of the other process."""
    _close_inherited_files(pipe.fileno())
    with contextlib.suppress(EOFError, OSError):
        while True:
            slot, task, size = pipe.recv()
            if cancelled[slot]:
                pipe.send(None)
                continue
            if isinstance(task, list):
                pipe.send(aggregate(RowColumns(*_view_columns(memory[slot], size)), task))
                continue
            queries = readers[task].read_in_place(
                np.frombuffer(memory[slot], np.uint8, size + PADDING)
            )
            pipe.send(_write_result(memory[slot], queries) or queries)


def _close_inherited_files(kept: int) -> None:
    """Close every file of the other process: its lock must not outlive it."""
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(3, kept)
    os.closerange(kept + 1, min(highest, 1 << 16))


def _write_result(
    memory: mmap.mmap, queries: QueryColumns
) -> tuple[list[_ColumnSlot], dict[str, int]] | None:
    """Lay the columns down in memory; None when they do not fit."""
    columns: list[npt.NDArray[Any]] = [queries.time, queries.address, queries.codes]
    columns += [queries.alternative] if bool((queries.alternative != queries.time).any()) else []
    lying = _write_columns(memory, 0, columns)
    return None if lying is None else (lying, dict(queries.outcomes))


def _read_result(
    memory: mmap.mmap, lying: Sequence[_ColumnSlot], tally: dict[str, int]
) -> QueryColumns:
    # Copied, since the next block is laid down in the same place.
    time, address, codes, *other = (column.copy() for column in _view_columns(memory, lying))
    return QueryColumns(time, other[0] if other else time, address, codes, Counter(tally))


def _present_columns(columns: RowColumns) -> list[npt.NDArray[Any]]:
    return [column for column in columns if column is not None]


def _write_columns(
    memory: mmap.mmap, at: int, columns: Sequence[npt.NDArray[Any]]
) -> list[_ColumnSlot] | None:
    """Lay columns down one behind the other; None when there is no room."""
    slots = []
    for column in columns:
        at += -at % COLUMN_ALIGNMENT
        if at + column.nbytes > len(memory):
            return None
        slots.append(_ColumnSlot(column.dtype.str, column.shape, at))
        lying = np.frombuffer(memory, column.dtype, column.size, at)
        lying.reshape(column.shape)[...] = column
        at += column.nbytes
    return slots


def _view_columns(memory: mmap.mmap, lying: Sequence[_ColumnSlot]) -> list[npt.NDArray[Any]]:
    """Columns where they lie."""
    return [
        np.frombuffer(memory, slot.kind, math.prod(slot.shape), slot.at).reshape(slot.shape)
        for slot in lying
    ]
