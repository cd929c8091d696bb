"""Finding the files of a log: at its own path, and among its rotated siblings."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

from donkeywatch.counting.windows import SECOND
from donkeywatch.errors import SourceError
from donkeywatch.sources.complaints import Complaints, Signature, signature
from donkeywatch.sources.files import Damaged, PlainFile, gone, is_compressed, open_file
from donkeywatch.sources.generations import DONE, OPEN, SKIPPED, Generation
from donkeywatch.sources.identity import Identity
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import (
    HEAD,
    FingerprintKeys,
    Mark,
    is_part_of,
    last_line_end,
    mark_at,
)
from donkeywatch.sources.newcomers import Newcomers
from donkeywatch.sources.shelf import Descriptor, Shelf
from donkeywatch.store.positions import FinishedFile

ROTATION_MS = 15 * SECOND
"""So long after a rotation, files appear that were the log between two looks."""
NEVER = (-1, -1)
"""A state that no file has."""


class Finder:
    """Says whose content each file holds, and puts it on the shelf."""

    def __init__(
        self,
        log: Log,
        shelf: Shelf,
        keys: FingerprintKeys,
        events: Counter[str],
        *,
        fresh: bool,
        finished_before: int = 0,
    ) -> None:
        self.complaints = Complaints(events)
        """What was wrong with files at the last look."""
        self.hidden = False
        """A file may not be read that may hold the rest of a generation."""
        self.fresh = fresh
        """The log was never followed before: what is rotated away already is history."""
        self.finished_before = finished_before
        """Rotated files last written before this (ns) are finished: a database of version 0.1."""
        self._log, self._shelf, self._keys = log, shelf, keys
        self._events = events
        self._identity = Identity(keys)
        self._newcomers = Newcomers()
        self._rotated: int | None = None
        """When the log was last rotated or truncated (ms of a steady clock)."""
        self._at_path = {generation.identity for generation in shelf.known}
        """Device and inode of what stood at the log's path at the last look; before the first one,
        of all that may have."""

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
            # It may have been there since the last look, and may have been rotated away.
            self._at_path, self._rotated = set(), now
            self.complaints.absent(self._log.path)
            return
        identity = (state.st_dev, state.st_ino)
        if identity not in self._at_path and not self.fresh:
            self._rotated = now
        self._at_path = {identity}
        if (other := self._log.shared_with(state)) is not None:
            raise SourceError(
                f"{self._log.path} is the same file as {other}, which another source follows",
                "give each source a log of its own; this one is not followed",
            )
        held = self._held(identity)
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
        self._rotated = now
        self._events["rotations"] += 1

    def _at_live_path(self, file: Descriptor, live: Generation | None, now: int) -> Generation:
        """Whose content a file is that has come to stand at the log's path."""
        # Not renamed but replaced: a rewritten log that holds all of the old one goes on.
        if live and live.file and live.is_deleted and is_part_of(live.file, file):
            return self._unless_rewritten(live, now)
        return self._known_or_new(file)

    def _known_or_new(self, file: Descriptor) -> Generation:
        """Give the generation without a file that this content belongs to, or a new one.

        What a new one has in common with what is counted, its lines will tell.
        """
        generation = self._identity.of(file, self._shelf.closed())
        if generation is not None and not self._identity.has_rival(generation, file, self._log):
            return generation
        if any(g.restored_open and g.identity == file.identity for g in self._shelf.missing()):
            self._events["truncations"] += 1  # Written anew while nobody looked.
        if self.fresh and self._log.from_end:
            return self._shelf.new(mark_at(file, last_line_end(file), self._keys))
        continues = self._stands_elsewhere(file)
        generation = self._shelf.new(Mark())
        generation.continues = continues
        return generation

    def _stands_elsewhere(self, file: Descriptor) -> bool:
        """Tell whether all that was counted last stands in another file, as after a rotation."""
        counted = [g for g in self._shelf.known if g.mark.offset and g.state != SKIPPED]
        if not counted:
            return False
        last = counted[-1]
        if last.file is not None:
            return last.file is not file and last.is_intact(self._keys)
        return self._identity.stands_in_sibling(last, self._log)

    # -- rotated siblings ----------------------------------------------------------------

    def _scan_siblings(self, now: int) -> None:
        held = {g.file.identity for g in self._shelf.open() if g.file}
        present = set()
        for path, state in sorted(self._log.siblings(), key=lambda found: found[1].st_mtime_ns):
            file = signature(state)
            present.add(file.identity)
            if file.identity in held:
                self.complaints.remind(path, file.identity)
            elif state.st_size and not self._is_settled(path, file):
                self._look_into(path, file, now)
        for generation in self._shelf.missing():
            for path, state in self._log.files_by_inode(generation.identity):
                if signature(state).identity not in present:
                    self._look_into(path, signature(state), now)
        self._shelf.forget_gone(present, now)
        self._newcomers.forget_gone(present)

    def _is_settled(self, path: Path, file: Signature) -> bool:
        """Tell whether a file need not be opened, since it is as it was when that was decided."""
        if self._shelf.verdicts.get(file.identity) == file.state:
            return True
        before = self._shelf.finished.get(file.identity)
        if before is None:
            if file.state[1] >= self.finished_before:
                return False
            self._finish(file)
            return True
        if (before.size, before.modified) == file.state:
            return True
        if before.history:
            self.complaints.foreign(path)
        return before.history

    def _look_into(self, path: Path, file: Signature, now: int) -> None:
        packed = is_compressed(path)
        if packed and self.complaints.rests(path, file, now):
            return
        try:
            decided = self._consider(path, file, now)
        except Damaged as error:
            decided = False  # It may still be growing, or be restored.
            if packed:
                self.complaints.failed(path, file, error, now)
        except SourceError:
            decided = False
        except OSError as error:
            decided = gone(error)
            if not decided:
                self.complaints.unreadable(path, error)
                # It may hold the rest of what is being looked for.
                self.hidden |= bool(self._shelf.missing())
        if decided:
            self._shelf.verdicts[file.identity] = file.state
            if self._held(file.identity) is None:
                self.complaints.good(file.identity)

    def _consider(self, path: Path, signed: Signature, now: int) -> bool:
        """Take up a sibling if it has something unread; true when it need not be asked again."""
        file = open_file(path)
        try:
            return self._decide(file, path, signed, now)
        finally:
            self._shelf.close_unless_held(file)

    def _decide(self, file: Descriptor, path: Path, signed: Signature, now: int) -> bool:
        if any(self._is_part(g, file, now) for g in self._shelf.open()):
            return True  # A copy or a twin: asked again when that file is given up.
        if (outgrown := self._outgrown(file, now)) is not None:
            self._shelf.attach(self._unless_rewritten(outgrown, now), file, now)
            return True
        generation = self._identity.of(file, self._shelf.known)
        if generation is not None and generation.file is not None:
            if not generation.is_intact(self._keys):
                return False  # Truncated under our eyes: whose content this is, reading tells.
            generation = self._identity.of(file, self._shelf.closed())
        if self.fresh and generation is None:
            generation = self._skip(file, path)
        if generation is not None and generation.state == SKIPPED:
            self._keep_as_history(generation, file, signed)
            return True
        if generation is not None and generation.has_no_more_in(file):
            generation.state, generation.ended = DONE, True
            self._finish(signed)
            return True
        if generation is None:
            was_ours = signed.identity in self._shelf.finished
            if isinstance(file, PlainFile) and not was_ours and not self._has_just_rotated(now):
                if self._newcomers.has_grown(signed):
                    # Another program's: it is remembered as such, and told at each look.
                    self._finish(signed._replace(state=NEVER), history=True)
                    self.complaints.foreign(path)
                    return True
                if not self._newcomers.is_quiet(signed, now):
                    return False
            generation = self._shelf.new(Mark())
            self._events["rotations"] += 1
        self._shelf.attach(generation, file, now)
        return True

    def _has_just_rotated(self, now: int) -> bool:
        return self._rotated is not None and now - self._rotated < ROTATION_MS

    def _finish(self, file: Signature, *, history: bool = False) -> None:
        (device, inode), (size, modified) = file.identity, file.state
        self._shelf.finish(FinishedFile(self._log.name, device, inode, size, modified, history))

    def _keep_as_history(self, generation: Generation, file: Descriptor, signed: Signature) -> None:
        """Note that a file was rotated away before the log was followed: it is never read.

        As long as it may still be compressed, its content is known by a fingerprint.
        """
        self._finish(signed, history=True)
        generation.identity = file.identity
        generation.ended = not isinstance(file, PlainFile)
        self._shelf.wake(generation)

    def renew_history(self, before: int) -> None:
        """Make fingerprints of history anew, before the keys of the weeks ``before`` one go."""
        old = {
            generation.identity: generation
            for generation in self._shelf.known
            if generation.state == SKIPPED and generation.mark.week < before
        }
        if not old:
            return
        for path, state in self._log.siblings():
            generation = old.get(signature(state).identity)
            if generation is not None:
                with contextlib.closing(open_file(path)) as file:
                    generation.mark = mark_at(file, generation.mark.offset, self._keys, week=before)
                self._shelf.wake(generation)

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

    def _skip(self, file: Descriptor, path: Path) -> Generation:
        """What was rotated away before the first start is history: `backfill` reads it."""
        end = len(file.read(0, HEAD)) if is_compressed(path) else last_line_end(file)
        return self._shelf.new(mark_at(file, end, self._keys), SKIPPED)

    # -- files that hold something else now ------------------------------------------------

    def _unless_rewritten(self, generation: Generation, now: int) -> Generation:
        """The generation, or that of what its file was written anew with before it was replaced.

        What had been in it, and was not stored, is looked for and told lost.
        """
        held = generation.file
        if not isinstance(held, PlainFile) or not generation.mark.head_length:
            return generation
        if generation.is_intact(self._keys):
            return generation
        return self.begin_anew(generation, held, now)

    def begin_anew(self, generation: Generation, file: PlainFile, now: int) -> Generation:
        """The file was truncated or written anew: who reads it now that it is another's.

        What was in it before, and was not counted, is looked for elsewhere.
        """
        self._events["truncations"] += 1
        self._rotated = now
        if file.size() >= generation.mark.offset:
            self._events["generation_mismatches"] += 1
        live, generation.live = generation.live, False
        generation.lose(self._keys)
        generation.since = now
        # What was left alone because this file held it has to be asked again.
        self._shelf.verdicts.clear()
        fresh = self._known_or_new(file)
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
            opened = (g for g in self._shelf.known if g.state != SKIPPED)
            generation = self._identity.of(file, opened)
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
            if file is not None and (named := self._named(file.identity)) is not None:
                self._finish(named[1])
            self._shelf.detach(generation, now)
            return
        state = file.stat()
        if state.st_size > generation.mark.offset:
            generation.state, generation.unread = OPEN, True
            return
        found = signature(state)
        if anyway or state.st_nlink == 0 or self.is_named(found.identity):
            self._shelf.detach(generation, now)
            if state.st_nlink and not anyway:
                self._finish(found)

    def is_named(self, identity: tuple[int, int]) -> bool:
        """Would a scan of the rotated files come upon this one?"""
        return self._named(identity) is not None

    def _named(self, identity: tuple[int, int]) -> tuple[Path, Signature] | None:
        """A rotated file by its identity, as it is now."""
        siblings = ((path, signature(state)) for path, state in self._log.siblings())
        return next((found for found in siblings if found[1].identity == identity), None)
