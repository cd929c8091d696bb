"""Processes that read blocks beside this one, each on a core of its own, results in order.

Reading has no state, so it can be spread; what is read is counted by one process alone. Blocks
and results pass through memory that has no name; nothing of a log is written anywhere.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import resource
import signal
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing.connection import Connection, Pipe

import numpy as np

from donkeywatch.arrival.blocks import BlockReader
from donkeywatch.arrival.sightings import Sightings

ROOM = 3 << 19
"""Bytes of the longest block that is handed over, and half of what its result may take."""
SLOTS = 6
"""Blocks that each process holds: one being read, and some to go on with during a commit."""


class Gone(Exception):
    """A process of the crew has ended: its blocks have to be read again."""


class _Worker:
    """One process, its pipe and its memory; forked, so it shares what is loaded."""

    def __init__(self, readers: Sequence[BlockReader]) -> None:
        self.memory = [mmap.mmap(-1, 3 * ROOM) for _ in range(SLOTS)]
        self.pipe, other = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _serve(other, self.memory, readers)
            finally:
                os._exit(0)
        other.close()

    def end(self) -> None:
        """Let the process go and wait for it."""
        self.pipe.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        for memory in self.memory:
            with contextlib.suppress(BufferError):
                memory.close()


class Crew:
    """Some processes; blocks are put in and their sightings come out in the same order.

    To be made while this process has a single thread.
    """

    def __init__(self, readers: Sequence[BlockReader], processes: int) -> None:
        gc.freeze()  # The pages of what is loaded stay shared.
        self._workers = [_Worker(readers) for _ in range(processes)]
        self._next = self._oldest = 0

    @property
    def full(self) -> bool:
        """Is a result to be taken out before another block is put in?"""
        return self._next - self._oldest >= SLOTS * len(self._workers)

    def put(self, reader: int, raw: bytes) -> None:
        """Hand over a block for one of the readers; Gone when there is nobody to take it."""
        worker, slot = self._place(self._next)
        self._next += 1
        if len(raw) > ROOM:
            raise Gone
        worker.memory[slot][: len(raw)] = raw
        try:
            worker.pipe.send((slot, reader, len(raw)))
        except OSError:
            raise Gone from None

    def get(self) -> Sightings:
        """The sightings of the oldest block that was put in; Gone when its reader is gone."""
        worker, slot = self._place(self._oldest)
        self._oldest += 1
        try:
            told = worker.pipe.recv()
        except (EOFError, OSError):
            raise Gone from None
        return told if isinstance(told, Sightings) else _unpacked(worker.memory[slot], *told)

    def _place(self, number: int) -> tuple[_Worker, int]:
        count = len(self._workers)
        return self._workers[number % count], number // count % SLOTS

    def dismiss(self) -> None:
        """End all processes; what they were reading is lost."""
        for worker in self._workers:
            worker.end()


def _serve(pipe: Connection, memory: Sequence[mmap.mmap], readers: Sequence[BlockReader]) -> None:
    """The life of a worker: until its pipe is closed, be it by the end of the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _let_go(pipe.fileno())
    with contextlib.suppress(EOFError, OSError):
        while True:
            slot, reader, length = pipe.recv()
            seen = readers[reader].block(memory[slot][:length])
            pipe.send(_packed(memory[slot], seen) or seen)


def _let_go(kept: int) -> None:
    """Close every file of the other process: its lock must not outlive it."""
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(3, kept)
    os.closerange(kept + 1, min(highest, 1 << 16))


def _packed(memory: mmap.mmap, seen: Sightings) -> tuple[int, int, bool, dict[str, int]] | None:
    """Lay the columns down in memory; None when they do not fit."""
    folds = bool((seen.alternative != seen.time).any())
    columns = [seen.time.tobytes(), seen.address.tobytes(), seen.codes.tobytes()]
    if folds:
        columns.append(seen.alternative.tobytes())
    at = ROOM
    if at + sum(map(len, columns)) > len(memory):
        return None
    for column in columns:
        memory[at : at + len(column)] = column
        at += len(column)
    return len(seen.time), len(seen.codes), folds, dict(seen.tally)


def _unpacked(
    memory: mmap.mmap, count: int, topics: int, folds: bool, tally: dict[str, int]
) -> Sightings:
    ends = np.cumsum([ROOM, 8 * count, 16 * count, topics * count, 8 * count * folds]).tolist()
    time, address, codes, other = (memory[at:end] for at, end in pairwise(ends))
    times = np.frombuffer(time, np.int64)
    return Sightings(
        times,
        np.frombuffer(other, np.int64) if folds else times,
        np.frombuffer(address, np.uint8).reshape(count, 16),
        np.frombuffer(codes, np.uint8).reshape(topics, count),
        Counter(tally),
    )
