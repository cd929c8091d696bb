"""Finding the files of a log: at its own path, and among its rotated siblings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.sources.complaints import Complaints, Signature, signature
from donkeywatch.sources.files import Damaged, PlainFile, gone, is_compressed, open_file
from donkeywatch.sources.generations import DONE, OPEN, SKIPPED, Generation
from donkeywatch.sources.identity import Identity
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import HEAD, Mark, is_part_of, last_line_end, mark_at
from donkeywatch.sources.shelf import Descriptor, Shelf


class Finder:
    """Says whose content each file holds, and puts it on the shelf."""

    def __init__(
        self, log: Log, shelf: Shelf, key: bytes, events: Counter[str], *, fresh: bool
    ) -> None:
        self.complaints = Complaints(events)
        """What was wrong with files at the last look."""
        self.hidden = False
        """A file may not be read that may hold the rest of a generation."""
        self.fresh = fresh
        """The log was never followed before: what is rotated away already is history."""
        self._log, self._shelf, self._key = log, shelf, key
        self._events = events
        self._identity = Identity(key)

    def scan(self, now: int) -> None:
        """Look at every name; OSError when that cannot be done, SourceError for what is no log."""
        self.hidden = False
        self.complaints.begin()
        self._scan_live(now)
        self._scan_siblings(now)

    # -- the log's own path --------------------------------------------------------------

    def _scan_live(self, now: int) -> None:
        live = self._shelf.live
        try:
            state = self._log.path.stat()
        except OSError as error:
            if not gone(error):
                raise
            if live:
                self._retire(live, now)
            self.complaints.absent(self._log.path)
            return
        held = self._held((state.st_dev, state.st_ino))
        if held is not None:
            self._go_live(held, now)
            return
        file = open_file(self._log.path)
        try:
            generation = self._at_live_path(file, live, now)
            self._go_live(generation, now)
            self._shelf.attach(generation, file, now)
        finally:
            self._shelf.close_unless_held(file)

    def _held(self, identity: tuple[int, int]) -> Generation | None:
        opened = self._shelf.open()
        return next((g for g in opened if g.file and g.file.identity == identity), None)

    def _go_live(self, generation: Generation, now: int) -> None:
        for other in self._shelf.open():
            if other.live and other is not generation:
                self._retire(other, now)
        generation.live = True

    def _retire(self, generation: Generation, now: int) -> None:
        generation.live, generation.since, generation.unread = False, now, True
        self._events["rotations"] += 1

    def _at_live_path(self, file: Descriptor, live: Generation | None, now: int) -> Generation:
        """Whose content a file is that has come to stand at the log's path."""
        # Not renamed but replaced: a rewritten log that holds all of the old one goes on.
        if live and live.file and live.is_deleted and is_part_of(live.file, file):
            return self._unless_rewritten(live, now)
        return self._known_or_new(file)

    def _rest_of(self, file: Descriptor, generation: Generation) -> Generation:
        """The generation of what came into a file in the place of another one."""
        if generation.file is not None and is_part_of(file, generation.file):
            # All that is left will be read there; only what is added is new.
            return self._from_end_of(file)
        return self._known_or_new(file, told=True)

    def _from_end_of(self, file: Descriptor) -> Generation:
        return self._shelf.new(mark_at(file, last_line_end(file), self._key))

    def _known_or_new(self, file: Descriptor, *, told: bool = False) -> Generation:
        """The generation without a file that this content belongs to, or a new one.

        ``told``: that the file was truncated, if it was, has been said.
        """
        found = self._identity.of(file, self._shelf.closed())
        generation = found.generation
        if generation is not None and not self._identity.has_rival(generation, file, self._log):
            return generation
        if generation is None and (cut := found.shorter or self._cut_short(found.covering)):
            # A log that lost its end, in a power cut say. What is left is counted.
            self._events["truncations"] += not told
            if cut.former is not None and is_part_of(file, cut.former):
                return self._from_end_of(file)  # If that cannot be stored, it is read there again.
            cut.mark = mark_at(file, last_line_end(file), self._key)
            cut.size = file.size() or 0
            return cut
        if self.fresh and self._log.from_end:
            return self._from_end_of(file)
        return self._shelf.new(Mark())

    def _cut_short(self, generation: Generation | None) -> Generation | None:
        """The generation, if no rotated file holds it: then the log itself was cut.

        Otherwise a new log begins with the same lines as the old one.
        """
        if generation is None or generation.state != OPEN:
            return None
        return None if self._identity.stands_elsewhere(generation, self._log) else generation

    # -- rotated siblings ----------------------------------------------------------------

    def _scan_siblings(self, now: int) -> None:
        held = {g.file.identity for g in self._shelf.open() if g.file}
        for path, state in sorted(self._log.siblings(), key=lambda found: found[1].st_mtime_ns):
            found = signature(state)
            if found.identity in held:
                self.complaints.remind(path, found.identity)
                continue
            if not state.st_size or self._shelf.verdicts.get(found.identity) == found.state:
                continue
            packed = is_compressed(path)
            if packed and self.complaints.rests(path, found, now):
                continue
            try:
                decided = self._consider(path, now)
            except Damaged as error:
                decided = False  # It may still be growing, or be restored.
                if packed:
                    self.complaints.failed(path, found, error, now)
            except SourceError:
                decided = False
            except OSError as error:
                decided = gone(error)
                if not decided:
                    self.complaints.unreadable(path, error)
                    # It may hold the rest of what is being looked for.
                    self.hidden |= bool(self._shelf.missing())
            if decided:
                self._shelf.verdicts[found.identity] = found.state
                if self._held(found.identity) is None:
                    self.complaints.good(found.identity)

    def _consider(self, path: Path, now: int) -> bool:
        """Take up a sibling if it has something unread; true when it need not be asked again."""
        file = open_file(path)
        try:
            return self._decide(file, path, now)
        finally:
            self._shelf.close_unless_held(file)

    def _decide(self, file: Descriptor, path: Path, now: int) -> bool:
        if any(self._is_part(g, file, now) for g in self._shelf.open()):
            return True  # A copy or a twin: asked again when that file is given up.
        if (outgrown := self._outgrown(file, now)) is not None:
            self._shelf.attach(self._unless_rewritten(outgrown, now), file, now)
            return True
        found = self._identity.of(file, self._shelf.known)
        if found.generation is not None and found.generation.file is not None:
            if not found.generation.is_intact(self._key):
                return False  # Truncated under our eyes: whose content this is, reading tells.
            found = self._identity.of(file, self._shelf.closed())
        generation = found.generation
        if generation is None and found.covering is not None:
            return True
        if generation is None and self.fresh:
            self._skip(file, path)
            return True
        if generation is not None and generation.state == SKIPPED and is_compressed(path):
            return True
        if generation is not None and generation.has_no_more_in(file):
            generation.state = SKIPPED if generation.state == SKIPPED else DONE
            return True
        if generation is None:
            generation = self._shelf.new(Mark())
            self._events["rotations"] += 1
        self._shelf.attach(generation, file, now)
        return True

    def _outgrown(self, file: Descriptor, now: int) -> Generation | None:
        """The generation whose archive, or whose deleted file, this one begins with."""
        for generation in self._shelf.open():
            archive = generation.finished and isinstance(file, PlainFile)
            ended = archive or (not generation.live and generation.is_deleted)
            if ended and self._is_part(generation, file, now, turned=True):
                return generation
        return None

    def _is_part(
        self, generation: Generation, file: Descriptor, now: int, *, turned: bool = False
    ) -> bool:
        """Is a file part of what a generation is read from? Or, ``turned``, is that part of it?

        An archive that does not decode is left, and the plain file that it is compared with is not.
        """
        held = generation.file
        if held is None:
            return False
        try:
            return is_part_of(held, file) if turned else is_part_of(file, held)
        except Damaged as error:
            if not isinstance(file, PlainFile):
                raise
            if not self.leave(generation, error, now):
                self._shelf.detach(generation, now)
            return False

    def _skip(self, file: Descriptor, path: Path) -> None:
        """What was rotated away before the first start is history: `backfill` reads it."""
        end = len(file.read(0, HEAD)) if is_compressed(path) else last_line_end(file)
        self._shelf.new(mark_at(file, end, self._key), SKIPPED)

    # -- files that hold something else now ------------------------------------------------

    def _unless_rewritten(self, generation: Generation, now: int) -> Generation:
        """The generation, or that of what its file was written anew with before it was replaced.

        What had been in it, and was not stored, is looked for and told lost.
        """
        held = generation.file
        if not isinstance(held, PlainFile) or not generation.mark.head_length:
            return generation
        if generation.is_intact(self._key):
            return generation
        return self.begin_anew(generation, held, now)

    def begin_anew(self, generation: Generation, file: PlainFile, now: int) -> Generation:
        """The file was truncated or written anew: who reads it now that it is another's.

        What was in it before, and was not counted, is looked for elsewhere.
        """
        self._events["truncations"] += 1
        if file.size() >= generation.mark.offset:
            self._events["generation_mismatches"] += 1
        live, generation.live = generation.live, False
        generation.lose(self._key)
        generation.since = now
        # What was left alone because this file held it has to be asked again.
        self._shelf.verdicts.clear()
        fresh = self._rest_of(file, generation)
        self._shelf.attach(fresh, file, now)
        fresh.live = live
        return fresh

    # -- archives and descriptors --------------------------------------------------------

    def take_up(self, path: Path, now: int) -> Generation | None:
        """Open a finished archive; None when all of it has been counted.

        OSError and SourceError as the file gives them; Damaged when it does not decode.
        """
        file = open_file(path)
        try:
            found = self._identity.of(file, self._shelf.known)
            generation = found.generation
            if generation is None and found.covering is not None:
                return None
            if generation is not None and generation.state == SKIPPED:
                generation.begin_again()
            if generation is not None and not file.read(generation.mark.offset, 1):
                return None
            generation = generation or self._shelf.new(Mark())
            self._shelf.attach(generation, file, now)
            generation.live = path.resolve() == self._log.path.resolve()
            generation.finished = not generation.live
            return generation
        finally:
            self._shelf.close_unless_held(file)

    def leave(self, generation: Generation, error: Damaged | OSError, now: int) -> bool:
        """Close an archive that cannot be read on, until it changes or some time has passed.

        False where no name leads to it any more, or nobody knows.
        """
        held = generation.file
        try:
            named = self._named(held.identity) if held else None
        except OSError:
            return False
        if named is None:
            return False
        self._shelf.detach(generation, now)
        generation.left = True
        self.complaints.failed(*named, error, now)
        return True

    def release(self, generation: Generation, now: int, *, anyway: bool) -> None:
        """Close a drained file if it is deleted, or if a scan would see that it grew."""
        file = generation.file
        if not isinstance(file, PlainFile):
            self._shelf.detach(generation, now)
            return
        state = file.stat()
        if state.st_size > generation.mark.offset:
            generation.state, generation.unread = OPEN, True
            return
        found = signature(state)
        if anyway or state.st_nlink == 0 or self.is_named(found.identity):
            self._shelf.detach(generation, now)
            self._shelf.verdicts[found.identity] = found.state

    def is_named(self, identity: tuple[int, int]) -> bool:
        """Would a scan of the rotated files come upon this one?"""
        return self._named(identity) is not None

    def _named(self, identity: tuple[int, int]) -> tuple[Path, Signature] | None:
        """A rotated file by its identity, as it is now."""
        siblings = ((path, signature(state)) for path, state in self._log.siblings())
        return next((found for found in siblings if found[1].identity == identity), None)
