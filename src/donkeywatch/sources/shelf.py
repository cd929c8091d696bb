"""The generations of one log, and the open files that hold some of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from donkeywatch.sources.files import CompressedFile, PlainFile
from donkeywatch.sources.generations import OPEN, Generation
from donkeywatch.sources.marks import Mark
from donkeywatch.store.positions import Position

Descriptor = PlainFile | CompressedFile


class Shelf:
    """Owns the open files; ``now`` is a steady clock, ms."""

    def __init__(
        self, source: str, stored: Sequence[Position], number: Callable[[], int], key: bytes
    ) -> None:
        self.known = [Generation.restored(position) for position in stored]
        """Every generation there has been, oldest first."""
        self.awake = [generation for generation in self.known if generation.state == OPEN]
        """Those with a file, with something to store, or that are looked for, oldest first. The
        others, one for each rotation there ever was, cost nothing until a file is compared."""
        self.verdicts: dict[tuple[int, int], tuple[int, int]] = {}
        """Files that need not be looked into while they stay as they were: inode to size and
        time of change. A verdict rests on which files are open, and on what is counted."""
        self._source = source
        self._number = number
        self._key = key

    @property
    def live(self) -> Generation | None:
        """The generation at the log's own path."""
        return next((g for g in self.open() if g.live), None)

    def open(self) -> list[Generation]:
        """Those with a file."""
        return [g for g in self.awake if g.file is not None]

    def missing(self) -> list[Generation]:
        """Those whose file has vanished, and whose rest is being looked for."""
        return [g for g in self.awake if g.file is None and g.state == OPEN]

    def closed(self) -> list[Generation]:
        """Those whose file has gone, or was given back."""
        return [g for g in self.known if g.file is None]

    def new(self, mark: Mark, state: str = OPEN) -> Generation:
        """A generation that was not there before."""
        generation = Generation(self._number(), self._source, mark, state)
        self.known.append(generation)
        self.awake.append(generation)
        return generation

    def attach(self, generation: Generation, file: Descriptor, now: int) -> None:
        """Read a generation from this file from now on."""
        if generation not in self.awake:
            insort(self.awake, generation, key=attrgetter("id"))
        generation.read_from(file, self._key)
        generation.state = OPEN
        generation.finished = isinstance(file, CompressedFile)
        generation.since, generation.unread = now, True

    def detach(self, generation: Generation, now: int) -> None:
        """Close a generation's file."""
        generation.close()
        generation.live, generation.since = False, now
        # What was left alone because this file was open has to be asked again.
        self.verdicts.clear()

    def close_unless_held(self, file: Descriptor) -> None:
        """Close a file that no generation took."""
        if not any(g.file is file for g in self.awake):
            file.close()

    def roll_back(self) -> None:
        """Go back to what is committed; open files stay open, so nothing rotated is lost."""
        self.verdicts.clear()
        for generation in self.awake:
            generation.roll_back()

    def committed(self, positions: Iterable[Position]) -> None:
        """These positions are in the database; what has nothing else to wait for may rest."""
        stored = {position.id: position for position in positions}
        for generation in self.awake:
            if generation.id in stored:
                generation.committed(stored[generation.id])
        self.awake = [g for g in self.awake if g.file is not None or g.state == OPEN or g.changed()]
