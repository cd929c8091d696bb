"""The generations of one log, and the open files that hold some of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from donkeywatch.counting.calendar import MINUTE, SECOND
from donkeywatch.sources.fingerprints import LASTING, Fingerprint, FingerprintKeys
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_state import (
    FINISHED,
    OPEN,
    READ,
    SKIPPED,
    VANISHED,
    GenerationState,
)
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.log_file import CompressedFile, PlainFile
from donkeywatch.sources.positions import FinishedFile, GenerationPosition

OpenFile = PlainFile | CompressedFile
BY_LAST_READ = attrgetter("last_read", "id")
"""Sorts generations by when they were read last."""

LAST_LINE_DELAY = 5 * SECOND
"""A rotated file that has not grown for so long has written its last line (ms)."""
DESCRIPTOR_HOLD_TIME = MINUTE
"""A drained rotated file keeps its descriptor for so long, and longer if nothing names it (ms)."""
MAX_DRAINED_OPEN = 32
"""Fully read rotated files that are kept open; more than these are closed early."""
COMPRESSING_MS = 10 * MINUTE
"""How long a rotated file that is gone may take to turn up again, compressed."""


class GenerationRegistry:
    """Owns the open files; ``now`` is a steady clock, ms."""

    def __init__(
        self,
        source: str,
        stored: Sequence[GenerationPosition],
        finished: Sequence[FinishedFile],
        number: Callable[[], int],
        keys: FingerprintKeys,
        counted_otherwise: int = 0,
    ) -> None:
        self.all_generations = [Generation.restored(position) for position in stored]
        """Every generation that is not finished, oldest first."""
        logs = sorted((g for g in self.all_generations if g.was_live), key=BY_LAST_READ)
        for i, generation in enumerate(logs, 1):
            generation.live_number = 2 * i
        self._live_number = 2 * len(logs)
        """Number of the last that came to stand at the log's path. They rise by two, so that one
        that was missed in between has a number of its own."""
        self.finished = {(each.device, each.inode): each for each in finished}
        """Rotated files that need no look while they stay as they are, by device and inode."""
        # At the same moment, the archive was counted after the log.
        otherwise = counted_otherwise and counted_otherwise + 1
        self._latest = max(otherwise, *(p.turn for p in stored), 0)
        """When any of them was read last, or an archive of the source was counted."""
        self._latest_stored = self._latest
        """The same, of what is committed."""
        self._unstored: dict[tuple[int, int], FinishedFile] = {}
        self._last_log = logs[-1] if logs else None
        if self._last_log is not None:
            self._last_log.is_last_log = True
        self.blocks_read = 0
        """Blocks that were read of any of them."""
        self.active = [g for g in self.all_generations if g.state is OPEN or g.is_last_log]
        """Those with a file, with something to store, or that are looked for, oldest first; the
        others are history, and cost nothing until a file is compared."""
        self.inspected_files: dict[tuple[int, int], tuple[int, int]] = {}
        """Files that need not be looked into while they stay as they were: inode to size and
        time of change. A verdict rests on which files are open, and on what is counted."""
        self.waiting: set[int] = set()
        """Generations whose lines wait for the clock to be confirmed."""
        self._source = source
        self._number = number
        self._keys = keys

    @property
    def live(self) -> Generation | None:
        """The generation at the log's own path."""
        return next((g for g in self.open() if g.is_live), None)

    def open(self) -> list[Generation]:
        """Those with a file."""
        return [g for g in self.active if g.file is not None]

    @property
    def lag_bytes(self) -> int:
        """Bytes on disk that are not counted yet, a partial last line included."""
        lag = 0
        for generation in self.open():
            size = generation.size
            if generation.is_live and generation.file is not None:
                size = max(size, generation.file.size() or 0)  # It may not have had its turn.
            lag += max(0, size - generation.fingerprint.offset)
        return lag

    def in_turn(self, *, live_first: bool = False) -> list[Generation]:
        """Give those with a file in the order in which they are read, rotated ones before the log.

        One that is not begun may be a copy of one that is, with lines that this has yet to give.
        """
        live = self.live

        def turn(generation: Generation) -> tuple[int, int, int]:
            if generation.is_live:
                return (0 if live_first else 3), 0, generation.id
            if generation.is_begun:
                return 1, 0, generation.id
            # Numbers do not tell: what was the log at the last look is found before older ones.
            modified = generation.file.modified() if generation.file else 0
            return (4 if live is not None and live.is_begun else 2), modified, generation.id

        return sorted((g for g in self.open() if g.id not in self.waiting), key=turn)

    def held(self, identity: tuple[int, int]) -> Generation | None:
        """Give the generation that has a file open, by device and inode."""
        return next((g for g in self.open() if g.file and g.file.identity == identity), None)

    def without_file(self) -> list[Generation]:
        """Those whose file has vanished, and whose rest is being looked for."""
        return [g for g in self.active if g.file is None and g.state is OPEN]

    @property
    def has_missing_files(self) -> bool:
        """Tell whether the rest of some generation is looked for, whose file has vanished."""
        return bool(self.without_file())

    @property
    def has_unfinished_files(self) -> bool:
        """Tell whether the rest of a file is looked for, or of a rotated one waited for."""
        rotated = (g for g in self.open() if not g.is_live)
        return self.has_missing_files or any(g.size > g.fingerprint.offset for g in rotated)

    def closed_generations(self) -> list[Generation]:
        """Those whose file has gone, or was given back."""
        return [g for g in self.all_generations if g.file is None]

    def new(self, mark: Fingerprint, state: GenerationState = OPEN) -> Generation:
        """A generation that was not there before."""
        generation = Generation(self._number(), self._source, mark, state)
        self.all_generations.append(generation)
        self.active.append(generation)
        return generation

    def is_latest(self, generation: Generation) -> bool:
        """Tell whether no other file of the source was read or counted since this one."""
        return generation.last_read >= self._latest

    def may_have_missed_log(self) -> bool:
        """Tell whether an unknown rotated file may have been the log between two looks.

        It was not, where the next log has had its turn.
        """
        live = self.live
        return live is None or not live.read_attempted

    def note_last_read(self, generation: Generation) -> None:
        """Note that a generation was read.

        The rest of a log that has a successor is often read behind that one's first lines: it is
        not the last log again.
        """
        last = self._last_log
        if generation.was_live and last is not None and last.live_number > generation.live_number:
            return
        self._latest += 1
        generation.last_read = self._latest
        if generation.was_live:
            self._note_last_log(generation)

    def note_live(self, generation: Generation) -> None:
        """Note that a generation has come to stand at the log's path."""
        if not generation.is_live:
            self._live_number += 2
            generation.live_number = self._live_number
        generation.is_live = generation.was_live = True

    def note_missed_log(self, generation: Generation) -> None:
        """Note that a generation was the log between two looks, before the one that is now."""
        generation.was_live, generation.live_number = True, self._live_number + 1
        if self.live is not None:
            generation.live_number = self.live.live_number - 1

    def note_fronts(self) -> None:
        """Note how unread files begin: where they are gone at the next look, that is told."""
        for generation in self.open():
            generation.note_front(self._keys)

    def note_read(self, generation: Generation, block: LineBlock) -> None:
        """Note that a block was read of a generation."""
        self.blocks_read += 1
        if not block.compare_until or generation.continues_log:
            self.note_last_read(generation)

    def _note_last_log(self, generation: Generation | None) -> None:
        if self._last_log is not None:
            self._last_log.is_last_log = False
        if generation is not None:
            generation.is_last_log = True
        self._last_log = generation

    def note_new(self, number: int, *, went_on: bool) -> None:
        """Note that a file that is compared had searches that were not counted before.

        Until then it is not taken for the last log, whose end the next one is compared with, if
        it may be a copy. Where the log goes on in it, and one is newer than the log before
        (``went_on``), nothing behind is compared any more.
        """
        for generation in self.all_generations:
            if generation.id == number:
                if not generation.continues_log:
                    self.note_last_read(generation)
                generation.is_past_log_before |= generation.continues_log and went_on

    def wake(self, generation: Generation) -> None:
        """Have a generation looked at again when something is stored."""
        if generation not in self.active:
            insort(self.active, generation, key=attrgetter("id"))

    def drained(self, now: int) -> list[tuple[Generation, bool]]:
        """Give rotated files that are read to their end and may be closed.

        True where one has to be, though a scan might not come upon it: there are too many.
        """
        done = [g for g in self.open() if g.state is READ and not g.is_live and not g.changed()]
        excess = len(done) - MAX_DRAINED_OPEN
        return [
            (generation, i < excess)
            for i, generation in enumerate(done)
            if now - generation.last_change
            >= (DESCRIPTOR_HOLD_TIME if generation.was_live else LAST_LINE_DELAY)
        ]

    def attach(self, generation: Generation, file: OpenFile, now: int) -> None:
        """Read a generation from this file from now on."""
        self.wake(generation)
        generation.switch_file(file, self._keys)
        if generation.fingerprint.week == LASTING:
            generation.renew_fingerprint(self._keys, LASTING + 1)
        # Where it is no log but a copy, or another one was read since, what follows in it may
        # have been counted from there.
        generation.is_resumed = generation.fingerprint.offset > 0
        read_last = generation.was_live and self.is_latest(generation)
        if not (generation.is_resumed and read_last) or generation.state.is_skipped:
            generation.compare_until = None
        elif generation.compare_until is None:
            generation.compare_until = 0
        generation.state = OPEN
        generation.is_begun, generation.read_attempted = False, False
        generation.blocks_before = self.blocks_read
        generation.is_past_log_before &= generation.is_resumed and read_last
        generation.is_archive = isinstance(file, CompressedFile)
        generation.last_change, generation.may_have_more = now, True

    def detach(self, generation: Generation, now: int) -> None:
        """Close a generation's file; one that was read to its end is finished."""
        generation.close()
        generation.is_live, generation.last_change = False, now
        if generation.state is READ:
            generation.state = FINISHED
        # What was left alone because this file was open has to be asked again.
        self.inspected_files.clear()

    def add_finished(self, file: FinishedFile) -> None:
        """Remember that a rotated file need not be opened while it stays as it is."""
        self.finished[file.device, file.inode] = self._unstored[file.device, file.inode] = file

    def forget_gone(self, present: Collection[tuple[int, int]], now: int) -> None:
        """Forget finished files that are not among those ``present``, by device and inode.

        History that is gone may still be in the middle of being compressed.
        """
        for identity in self.finished.keys() - present:
            self._unstored[identity] = replace(self.finished.pop(identity), gone=True)
        for generation in self.all_generations:
            if generation.state is SKIPPED and generation.identity not in present:
                generation.last_change = generation.last_change or now
                if now - generation.last_change >= COMPRESSING_MS:
                    generation.state = VANISHED
                    self.wake(generation)

    def finished_to_store(self) -> list[FinishedFile]:
        """List what has changed among the finished files since the last commit."""
        return list(self._unstored.values())

    def close_if_unused(self, file: OpenFile) -> None:
        """Close a file that no generation took."""
        if not any(g.file is file for g in self.active):
            file.close()

    def roll_back(self) -> None:
        """Go back to what is committed; open files stay open, so nothing rotated is lost."""
        self.inspected_files.clear()
        for generation in self.active:
            generation.roll_back()
        self._latest = self._latest_stored
        logs = (g for g in self.all_generations if g.was_live and g.fingerprint.offset)
        self._note_last_log(max(logs, key=BY_LAST_READ, default=None))

    def committed(self, positions: Iterable[GenerationPosition]) -> None:
        """These positions are in the database; what has nothing else to wait for may rest."""
        stored = {position.id: position for position in positions}
        turns = (position.turn for position in stored.values())
        self._latest_stored = max(self._latest_stored, *turns, 0)
        for generation in self.active:
            if generation.id in stored:
                generation.committed(stored[generation.id])
        self.all_generations = [g for g in self.all_generations if not g.is_over or g.changed()]
        self.active = [
            g
            for g in self.active
            if g.file is not None or g.changed() or g.is_last_log or g.state is OPEN
        ]

    def finished_stored(self, files: Iterable[FinishedFile]) -> None:
        """Note that these are in the database; more may have been finished meanwhile."""
        for file in files:
            if self._unstored.get((file.device, file.inode)) is file:
                del self._unstored[file.device, file.inode]
