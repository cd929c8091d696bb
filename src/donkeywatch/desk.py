"""What is on its way through other processes: blocks to be read, rows to be reckoned."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from donkeywatch.arrival.crew import Crew, Gone
from donkeywatch.arrival.sightings import Sightings
from donkeywatch.counting.figures import Columns, Span, figures_of
from donkeywatch.sources.block import Block
from donkeywatch.store.positions import Position
from donkeywatch.store.reckoning import Deliver
from donkeywatch.stream import Stream

Done = tuple[Stream, Block, list[Position], Sightings]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A block, and the positions of its source when it had been read."""

    stream: Stream
    block: Block
    positions: list[Position]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rows to be reckoned, and who waits for their figures."""

    columns: Columns
    spans: Sequence[Span]
    deliver: Deliver


class Desk:
    """Takes blocks in and gives them out in the same order, with what was read in them.

    Everything stays here until what became of it is given out: when a process of the crew ends,
    what it had is done here.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._crew: Crew | None = None
        self._waiting: deque[_Taken | _Asked] = deque()
        self._aside: deque[_Asked] = deque()
        """For which the crew had no room."""

    def enlist(self, processes: int) -> None:
        """Have the work done by other processes; before this one has threads."""
        if processes > 1 and self._crew is None:
            self._crew = Crew([stream.reader for stream in self._streams], processes)

    def dismiss(self) -> None:
        """Do everything here from now on."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None

    def take(self, stream: Stream, block: Block) -> Iterator[Done]:
        """Take one block; gives out what is done and makes room."""
        yield from self._ask_rest()
        yield from self._make_room()
        self._waiting.append(_Taken(stream, block, stream.follower.positions()))
        if self._crew is None:
            yield from self.rest()
            return
        try:
            self._crew.put(self._streams.index(stream), block.data)
        except Gone:
            self.dismiss()

    def reckon(self, columns: Columns, spans: Sequence[Span], deliver: Deliver) -> None:
        """Reckon some rows; their figures are delivered at once, or while blocks are taken."""
        self._aside.append(_Asked(columns, spans, deliver))
        while self._crew is not None and self._crew.full and isinstance(self._waiting[0], _Asked):
            for _ in self._oldest():
                pass
        while self._aside and not (self._crew is not None and self._crew.full):
            self._ask(self._aside.popleft())

    def rest(self) -> Iterator[Done]:
        """Give out all that was taken, and deliver all that was asked."""
        yield from self._ask_rest()
        while self._waiting:
            yield from self._oldest()

    def _ask_rest(self) -> Iterator[Done]:
        while self._aside:
            yield from self._make_room()
            self._ask(self._aside.popleft())

    def _make_room(self) -> Iterator[Done]:
        while self._crew is not None and self._crew.full:
            yield from self._oldest()

    def _ask(self, asked: _Asked) -> None:
        if self._crew is None or not self._crew.fits(asked.columns):
            asked.deliver(figures_of(asked.columns, asked.spans))
            return
        self._waiting.append(asked)
        try:
            self._crew.ask(asked.columns, asked.spans)
        except Gone:
            self.dismiss()

    def _oldest(self) -> Iterator[Done]:
        """Give out or deliver the oldest there is."""
        oldest = self._waiting[0]
        try:
            found = self._crew.get() if self._crew else None
        except Gone:
            self.dismiss()
            found = None
        if isinstance(oldest, _Asked):
            figures = found if isinstance(found, list) else None
            self._waiting.popleft()
            oldest.deliver(figures or figures_of(oldest.columns, oldest.spans))
            return
        seen = found if isinstance(found, Sightings) else None
        seen = seen or oldest.stream.reader.block(oldest.block.data)
        self._waiting.popleft()
        yield oldest.stream, oldest.block, oldest.positions, seen

    def holds(self, stream: Stream) -> bool:
        """Is any block of a source still here?"""
        return any(isinstance(one, _Taken) and one.stream is stream for one in self._waiting)

    def clear(self) -> None:
        """Forget what was taken: it will be taken again."""
        self.dismiss()
        self._waiting.clear()
        self._aside.clear()
