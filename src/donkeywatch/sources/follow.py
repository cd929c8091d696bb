"""Following one log through rotation, truncation and restarts, by the content of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from donkeywatch.counting.windows import MINUTE, SECOND
from donkeywatch.errors import SourceError
from donkeywatch.sources.block import Block
from donkeywatch.sources.files import (
    CompressedFile,
    Damaged,
    PlainFile,
    gone,
    is_compressed,
    open_file,
)
from donkeywatch.sources.generations import DONE, LOST, OPEN, SKIPPED, Changed, Generation
from donkeywatch.sources.identity import Identity
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import HEAD, Mark, is_part_of, last_line_end, mark_at
from donkeywatch.store.positions import Position

SETTLE = 5 * SECOND
"""A rotated file that has not grown for so long has written its last line (ms)."""
GRACE = 15 * SECOND
"""How long a generation's missing bytes are looked for before they count as lost (ms)."""
RELEASE = MINUTE
"""A drained rotated file keeps its descriptor for so long, and longer if nothing names it (ms)."""
MAX_OPEN = 32
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16."""


class Follower:
    """Owns the open files of one source; time comes in as ``now``, ms UTC."""

    def __init__(
        self,
        log: Log,
        key: bytes,
        stored: Sequence[Position],
        number: Callable[[], int],
        *,
        fresh: bool,
    ) -> None:
        self.log = log
        self.error: str | None = None
        self.events: Counter[str] = Counter()
        self.blind = True
        """The last scan could not tell what is there."""
        self.lost = False
        """Bytes went unread since this was last cleared: the coverage has a gap."""
        self._key = key
        self._number = number
        self._fresh = fresh
        self.known = [Generation.restored(position) for position in stored]
        """Every generation there has been, oldest first."""
        self._identity = Identity(key)
        self._hidden = False
        """A file may not be read that may hold the rest of a generation."""
        self._names: dict[tuple[int, int], tuple[int, int]] = {}

    # -- what is known -------------------------------------------------------------------

    @property
    def live(self) -> Generation | None:
        """The generation at the log's own path."""
        return next((g for g in self._open() if g.live), None)

    @property
    def caught_up(self) -> bool:
        """Everything that is there has been read."""
        return not self.blind and not any(g.unread for g in self._open())

    @property
    def searching(self) -> bool:
        """Some generation's counted file has vanished, and its rest is being looked for."""
        return any(g.file is None and g.state == OPEN for g in self.known)

    @property
    def lag(self) -> int:
        """Bytes on disk that are not counted yet, a partial last line included."""
        return sum(max(0, g.size - g.mark.offset) for g in self._open())

    @property
    def offset(self) -> int:
        """Bytes counted of the live file."""
        return self.live.mark.offset if self.live else 0

    def _open(self) -> list[Generation]:
        return [g for g in self.known if g.file is not None]

    # -- finding files -------------------------------------------------------------------

    def scan(self, now: int) -> None:
        """Look at the log's path and at its rotated siblings."""
        self.error, self.blind, self._hidden = None, True, False
        try:
            self._scan_live(now)
            self._scan_siblings(now)
            self._give_up_lost(now)
            self._release_drained(now)
        except SourceError as error:
            self.error = str(error)
        except Damaged:
            self.error = f"{self.log.name}: a compressed file is damaged or not complete yet"
        except OSError as error:
            # Out of descriptors, forbidden, stale: nothing is known, so nothing has changed.
            self.events["read_errors"] += 1
            self.error = f"{self.log.path}: {error.strerror}"
        else:
            self.blind = self._hidden
            self._fresh = False

    def _scan_live(self, now: int) -> None:
        live = self.live
        try:
            state = self.log.path.stat()
        except OSError as error:
            if not gone(error):
                raise
            if live:
                self._retire(live, now)
            self.error = f"{self.log.path}: not there yet"
            return
        identity = (state.st_dev, state.st_ino)
        held = next((g for g in self._open() if g.file and g.file.identity == identity), None)
        if held is not None:
            self._go_live(held, now)
            return
        file = open_file(self.log.path)
        try:
            generation = self._at_live_path(file, live)
            self._go_live(generation, now)
            self._attach(generation, file, now)
        finally:
            self._close_unless_held(file)

    def _go_live(self, generation: Generation, now: int) -> None:
        for other in self._open():
            if other.live and other is not generation:
                self._retire(other, now)
        generation.live = True

    def _at_live_path(
        self, file: PlainFile | CompressedFile, live: Generation | None
    ) -> Generation:
        """Whose content a file is that has come to stand at the log's path."""
        if file.read(0, 2) in WIDE:
            raise SourceError(
                f"{self.log.path} is UTF-16", "have the server write UTF-8 or a one-byte encoding"
            )
        old = live.file if live else None
        replaced = isinstance(old, PlainFile) and old.stat().st_nlink == 0 and old.size() > 0
        # Not renamed but replaced: a rewritten log that holds all of the old one goes on.
        if live and old and replaced and is_part_of(old, file):
            return live
        return self._known_or_new(file)

    def _known_or_new(self, file: PlainFile | CompressedFile) -> Generation:
        """The generation without a file that this content belongs to, or a new one."""
        found = self._identity.of(file, [g for g in self.known if g.file is None])
        generation = found.generation
        if generation is not None and not self._identity.has_rival(generation, file, self.log):
            return generation
        if generation is None and found.shorter is not None:
            # All of its head is there: a log that lost its end, in a power cut say. What is
            # left is counted.
            found.shorter.mark = mark_at(file, last_line_end(file), self._key)
            found.shorter.size = file.size() or 0
            return found.shorter
        if self._fresh and self.log.from_end:
            return self._new(mark_at(file, last_line_end(file), self._key))
        return self._new(Mark())

    def _retire(self, generation: Generation, now: int) -> None:
        generation.live, generation.since, generation.unread = False, now, True
        self.events["rotations"] += 1

    def _scan_siblings(self, now: int) -> None:
        held = {g.file.identity for g in self._open() if g.file}
        for path, state in sorted(self.log.siblings(), key=lambda found: found[1].st_mtime_ns):
            identity = (state.st_dev, state.st_ino)
            signature = (state.st_size, state.st_mtime_ns)
            if identity in held or not state.st_size or self._names.get(identity) == signature:
                continue
            try:
                decided = self._consider(path, now)
            except (Damaged, SourceError):
                decided = False
            except OSError as error:
                decided = gone(error)
                if not decided:
                    self.events["read_errors"] += 1
                    self.error = f"{path}: {error.strerror}"
                    # It may hold the rest of what is being looked for.
                    self._hidden |= self.searching
            if decided:
                self._names[identity] = signature

    def _consider(self, path: Path, now: int) -> bool:
        """Take up a sibling if it has something unread; true when it need not be asked again."""
        file = open_file(path)
        try:
            if any(g.file is not None and is_part_of(file, g.file) for g in self._open()):
                return True  # A copy or a twin: asked again when that file is given up.
            found = self._identity.of(file, self.known)
            if found.generation is not None and found.generation.file is not None:
                if not found.generation.is_intact(self._key):
                    return False  # Truncated under our eyes: whose content this is, reading tells.
                found = self._identity.of(file, [g for g in self.known if g.file is None])
            generation = found.generation
            if generation is None and found.covered:
                return True
            if generation is None and self._fresh:
                self._skip(file, path)
                return True
            if generation is not None and generation.state == SKIPPED:
                return True
            if generation is not None and not file.read(generation.mark.offset, 1):
                generation.state = DONE
                return True
            if generation is None:
                generation = self._new(Mark())
                self.events["rotations"] += 1
            self._attach(generation, file, now)
            return True
        finally:
            self._close_unless_held(file)

    def _close_unless_held(self, file: PlainFile | CompressedFile) -> None:
        if not any(g.file is file for g in self.known):
            file.close()

    def _skip(self, file: PlainFile | CompressedFile, path: Path) -> None:
        """What was rotated away before the first start is history: `backfill` reads it."""
        if is_compressed(path):
            head = file.read(0, HEAD)
            self._new(mark_at(file, len(head), self._key), SKIPPED)
        else:
            self._new(mark_at(file, last_line_end(file), self._key), DONE)

    def _new(self, mark: Mark, state: str = OPEN) -> Generation:
        generation = Generation(self._number(), self.log.name, mark, state)
        self.known.append(generation)
        return generation

    def _attach(self, generation: Generation, file: PlainFile | CompressedFile, now: int) -> None:
        if generation.file is not None:
            generation.file.close()
        generation.file, generation.state = file, OPEN
        generation.finished = isinstance(file, CompressedFile)
        generation.since, generation.unread = now, True

    def take_up(self, path: Path, now: int) -> Generation | None:
        """Open a finished archive for `read`; None when all of it has been counted.

        OSError and SourceError as the file gives them; Damaged when it does not decode.
        """
        file = open_file(path)
        try:
            found = self._identity.of(file, self.known)
            generation = found.generation
            if generation is None and found.covered:
                return None
            if generation is not None and generation.state == SKIPPED:
                self.known.remove(generation)
                generation = None
            if generation is not None and not file.read(generation.mark.offset, 1):
                return None
            generation = generation or self._new(Mark())
            self._attach(generation, file, now)
            generation.live = path.resolve() == self.log.path.resolve()
            generation.finished = not generation.live
            return generation
        finally:
            self._close_unless_held(file)

    # -- reading -------------------------------------------------------------------------

    def read(self, now: int) -> Block | None:
        """The next whole lines, rotated files before the live one; None when all is read."""
        for generation in sorted(self._open(), key=lambda g: (g.live, g.id)):
            block = self._read(generation, now)
            if block is not None:
                return block
        return None

    def _read(self, generation: Generation, now: int) -> Block | None:
        try:
            size = generation.file.size() if generation.file else None
            if size is not None and size > generation.size:
                generation.size, generation.since = size, now
            settled = not generation.live and now - generation.since >= SETTLE
            final = generation.finished or settled
            block = generation.read(self._key, self.log.limit, final=final)
        except Changed:
            self._truncated(generation, now)
            return None
        except (Damaged, OSError) as error:
            self.events["read_errors"] += 1
            if isinstance(error, OSError):
                generation.unread = True
                self.error = f"{self.log.path}: {error.strerror}"
            else:
                self.error = f"{self.log.name}: a compressed file is damaged or not complete yet"
                self._detach(generation, now)
            return None
        generation.unread = block is not None
        if block is not None:
            generation.state = OPEN
        elif final:
            generation.state = DONE
        return block

    def _truncated(self, generation: Generation, now: int) -> None:
        """The counted bytes are gone from this file: look for them elsewhere, start it anew."""
        self.events["truncations"] += 1
        file = generation.file
        if not isinstance(file, PlainFile):
            self._detach(generation, now)
            return
        if file.size() >= generation.mark.offset:
            self.events["generation_mismatches"] += 1
        live, generation.live = generation.live, False
        generation.file, generation.since = None, now
        self._names.clear()
        fresh = self._known_or_new(file)
        self._attach(fresh, file, now)
        fresh.live = live

    def _detach(self, generation: Generation, now: int) -> None:
        if generation.file is not None:
            generation.file.close()
        generation.file, generation.live, generation.since = None, False, now
        # What was left alone because this file was open has to be asked again.
        self._names.clear()

    def _give_up_lost(self, now: int) -> None:
        for generation in self.known:
            if generation.file is None and generation.state == OPEN and not self._hidden:
                generation.since = generation.since or now
                if now - generation.since >= GRACE:
                    self._give_up(generation)

    def _release_drained(self, now: int) -> None:
        """Give descriptors back, but never the last way to lines that are not committed."""
        drained = [g for g in self._open() if g.state == DONE and not g.live and not g.changed()]
        excess = len(drained) - MAX_OPEN
        for i, generation in enumerate(drained):
            if now - generation.since >= RELEASE and (i < excess or self._can_go(generation)):
                self._detach(generation, now)

    def _give_up(self, generation: Generation) -> None:
        unread = generation.size - generation.mark.offset
        generation.state = LOST if unread > 0 else DONE
        if unread > 0:
            self.events["abandoned_bytes"] += unread
            self.lost = True

    def _can_go(self, generation: Generation) -> bool:
        """A file that is deleted, or that a scan would find again if it grew."""
        file = generation.file
        if not isinstance(file, PlainFile):
            return True
        state = file.stat()
        if state.st_nlink == 0:
            return True
        named = {(s.st_dev, s.st_ino) for _, s in self.log.siblings()}
        if file.identity in named:
            self._names[file.identity] = (state.st_size, state.st_mtime_ns)
            return True
        return False

    # -- checkpoints ---------------------------------------------------------------------

    def positions(self) -> list[Position]:
        """Rows that changed since the last commit."""
        return [g.position() for g in self.known if g.changed()]

    def committed(self) -> None:
        """The positions are in the database."""
        for generation in self.known:
            generation.committed()

    def roll_back(self) -> None:
        """Go back to what is committed; open files stay open, so nothing rotated is lost."""
        for generation in self.known:
            generation.roll_back()

    def close(self) -> None:
        """Close all files; their positions stay."""
        for generation in self._open():
            self._detach(generation, 0)
