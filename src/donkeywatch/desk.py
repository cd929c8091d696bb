"""Blocks on their way from a file to the ledger, read here or by other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from donkeywatch.arrival.crew import Crew, Gone
from donkeywatch.arrival.sightings import Sightings
from donkeywatch.sources.block import Block
from donkeywatch.store.positions import Position
from donkeywatch.stream import Stream

Taken = tuple[Stream, Block, list[Position]]
"""A block, and the positions of its source when it had been read."""
Done = tuple[Stream, Block, list[Position], Sightings]


class Desk:
    """Takes blocks in and gives them out in the same order, with what was read in them.

    Every block stays here until its sightings are given out: when a process of the crew ends,
    what it had is read again.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._crew: Crew | None = None
        self._waiting: deque[Taken] = deque()

    def enlist(self, processes: int) -> None:
        """Have blocks read by other processes; before this one has threads."""
        if processes > 1 and self._crew is None:
            self._crew = Crew([stream.reader for stream in self._streams], processes)

    def dismiss(self) -> None:
        """Read everything here from now on."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None

    def take(self, stream: Stream, block: Block) -> Iterator[Done]:
        """Take one block; gives out what is done and makes room."""
        if self._crew is not None and self._crew.full:
            yield self._oldest()
        self._waiting.append((stream, block, stream.follower.positions()))
        if self._crew is None:
            yield from self.rest()
            return
        try:
            self._crew.put(self._streams.index(stream), block.data)
        except Gone:
            self.dismiss()

    def rest(self) -> Iterator[Done]:
        """Give out all that was taken."""
        while self._waiting:
            yield self._oldest()

    def _oldest(self) -> Done:
        stream, block, positions = self._waiting[0]
        try:
            seen = self._crew.get() if self._crew else stream.reader.block(block.data)
        except Gone:
            self.dismiss()
            seen = stream.reader.block(block.data)
        self._waiting.popleft()
        return stream, block, positions, seen

    def holds(self, stream: Stream) -> bool:
        """Is any block of a source still here?"""
        return any(taken[0] is stream for taken in self._waiting)

    def clear(self) -> None:
        """Forget what was taken: it will be taken again."""
        self.dismiss()
        self._waiting.clear()
