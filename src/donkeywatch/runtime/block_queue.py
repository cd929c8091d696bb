"""What is on its way through other processes: blocks to be read, rows to be reckoned."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from donkeywatch.counting.figures import Columns, Figures, Span, figures_of
from donkeywatch.ingest.sightings import Sightings
from donkeywatch.runtime.pipeline import Stream
from donkeywatch.runtime.worker_processes import Crew, Gone
from donkeywatch.sources.block import Block
from donkeywatch.sources.positions import Position
from donkeywatch.store.reckoning import Deliver

Done = tuple[Stream, Block, list[Position], Sightings]

OWN = 4
"""Blocks that may be read here and wait until those before them are done."""


@dataclass(slots=True)
class _Taken:
    """A block, the positions of its source when it had been read, and what was read in it here."""

    stream: Stream
    block: Block
    positions: list[Position]
    seen: Sightings | None = None
    number: int | None = None
    """By which the crew knows it."""

    @property
    def done(self) -> bool:
        """Was it read here?"""
        return self.seen is not None

    def do(self) -> Sightings:
        """Read it here."""
        self.seen = self.stream.reader.block(self.block.data)
        return self.seen


@dataclass(slots=True)
class _Asked:
    """Rows to be reckoned, and who waits for their figures."""

    columns: Columns
    spans: Sequence[Span]
    deliver: Deliver
    done: bool = False
    number: int | None = None

    def do(self) -> None:
        """Reckon them here."""
        self.finish(figures_of(self.columns, self.spans))

    def finish(self, figures: list[Figures]) -> None:
        """Deliver their figures."""
        self.done = True
        self.deliver(figures)


class Desk:
    """Takes blocks in and gives them out in the same order, with what was read in them.

    Everything stays here until what became of it is given out: when a process of the crew ends,
    what it had is done here. So is what the crew has no room for, rather than to wait for it.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._crew: Crew | None = None
        self._waiting: deque[_Taken | _Asked] = deque()
        self._aside: deque[_Asked] = deque()
        """For which the crew had no room."""

    def enlist(self, processes: int) -> None:
        """Have the work done by so many processes with this one; before it has threads."""
        if processes > 1 and self._crew is None and not self._waiting:
            self._crew = Crew([stream.reader for stream in self._streams], processes - 1)

    def dismiss(self) -> None:
        """Do everything here from now on."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None

    def take(self, stream: Stream, block: Block) -> Iterator[Done]:
        """Take one block; gives out what is done and makes room."""
        yield from self._ask_rest()
        taken = _Taken(stream, block, stream.follower.positions())
        while self._full:
            if not self._ready and self._own < OWN:
                taken.do()
                break
            yield from self._oldest()
        self._waiting.append(taken)
        if self._crew is None:
            yield from self.rest()
        elif not taken.done:
            try:
                taken.number = self._crew.put(self._streams.index(stream), block.data)
            except Gone:
                self.dismiss()

    def reckon(self, columns: Columns, spans: Sequence[Span], deliver: Deliver) -> None:
        """Reckon some rows; their figures are delivered at once, or while blocks are taken."""
        self._aside.append(_Asked(columns, spans, deliver))
        # Blocks are not given out here.
        while self._aside and not (self._full and isinstance(self._waiting[0], _Taken)):
            for _ in self._ask():
                pass

    def rest(self) -> Iterator[Done]:
        """Give out all that was taken, and deliver all that was asked."""
        yield from self._ask_rest()
        while self._waiting:
            self._help()
            yield from self._oldest()

    def _help(self) -> None:
        """Do here what waits, from the newest on, until the oldest is done."""
        while self._crew is not None and not self._ready:
            undone = [one for one in self._waiting if not one.done]
            if len(undone) < 2:
                return
            if undone[-1].number is not None:
                self._crew.spare(undone[-1].number)
            undone[-1].do()

    @property
    def _full(self) -> bool:
        """Has the crew no room?"""
        return self._crew is not None and self._crew.full

    @property
    def _ready(self) -> bool:
        """Is the oldest done?"""
        return self._waiting[0].done or (self._crew is not None and self._crew.ready)

    @property
    def _own(self) -> int:
        """How many blocks that were read here wait."""
        return sum(one.done for one in self._waiting)

    def _ask_rest(self) -> Iterator[Done]:
        while self._aside:
            yield from self._ask()

    def _ask(self) -> Iterator[Done]:
        """Have what was asked first reckoned, or give out or deliver what is done meanwhile."""
        if self._full and self._ready:
            yield from self._oldest()
            return
        asked = self._aside.popleft()
        if self._crew is None or self._crew.full or not self._crew.fits(asked.columns):
            asked.do()
            return
        self._waiting.append(asked)
        try:
            asked.number = self._crew.ask(asked.columns, asked.spans)
        except Gone:
            self.dismiss()

    def _oldest(self) -> Iterator[Done]:
        """Give out or deliver the oldest there is."""
        oldest = self._waiting[0]
        found = self._told() if oldest.number is not None else None
        if isinstance(oldest, _Taken):
            seen = found if isinstance(found, Sightings) else None
            seen = oldest.seen or seen or oldest.do()
            self._waiting.popleft()
            yield oldest.stream, oldest.block, oldest.positions, seen
            return
        self._waiting.popleft()
        if isinstance(found, list) and not oldest.done:
            oldest.finish(found)
        elif not oldest.done:
            oldest.do()

    def _told(self) -> Sightings | list[Figures] | None:
        """What the crew made of its oldest; None where it is gone, or was spared that."""
        try:
            return self._crew.get() if self._crew is not None else None
        except Gone:
            self.dismiss()
            return None

    def holds(self, stream: Stream) -> bool:
        """Is any block of a source still here?"""
        return any(isinstance(one, _Taken) and one.stream is stream for one in self._waiting)

    def clear(self) -> None:
        """Forget what was taken: it will be taken again."""
        self.dismiss()
        self._waiting.clear()
        self._aside.clear()
