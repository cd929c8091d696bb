"""Finding the files of a log: at its own path, and among its rotated siblings."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.sources.files import PlainFile, gone, open_file
from donkeywatch.sources.generations import OPEN, SKIPPED, Generation
from donkeywatch.sources.identity import Identity
from donkeywatch.sources.log import Log
from donkeywatch.sources.marks import (
    FingerprintKeys,
    Mark,
    end_of,
    is_part_of,
    last_line_end,
    mark_at,
)
from donkeywatch.sources.open_files import Descriptor, Shelf
from donkeywatch.sources.rotated import RotatedFiles

MAX_PASSES = 8
"""How often all names are looked at in one look, where files are renamed meanwhile."""


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
        self._log, self._shelf, self._keys = log, shelf, keys
        self._events = events
        self._identity = Identity(keys)
        self.rotated = RotatedFiles(
            log,
            shelf,
            self._identity,
            events,
            self._unless_rewritten,
            fresh=fresh,
            finished_before=finished_before,
        )
        self._at_path = {g.identity for g in shelf.known if g.state == OPEN}
        """Device and inode of what stood at the log's path at the last look; before the first one,
        of all that may have."""

    def scan(self, now: int) -> None:
        """Look at every name; OSError when that cannot be done, SourceError for what is no log."""
        for _ in range(MAX_PASSES):
            self.rotated.hidden = False
            self.rotated.complaints.begin()
            self._scan_live(now)
            if self.rotated.look(now):
                break
        self.rotated.end_look(now)

    # -- the log's own path --------------------------------------------------------------

    def _scan_live(self, now: int) -> None:
        live = self._shelf.live
        try:
            state = self._log.path.stat()
        except OSError as error:
            if not gone(error):
                raise
            self._log.note(None)
            if live:
                self._retire(live, now)
            # It may have been there since the last look, and may have been rotated away.
            self._at_path, self.rotated.rotation = set(), now
            self.rotated.complaints.absent(self._log.path)
            return
        self._log.note(state)
        identity = (state.st_dev, state.st_ino)
        if identity not in self._at_path and not self.rotated.fresh:
            self.rotated.rotation = now
        self._at_path = {identity}
        if (other := self._log.shared_with(state)) is not None:
            raise SourceError(
                f"{self._log.path} is the same file as {other}, which another source follows",
                "give each source a log of its own; this one is not followed",
            )
        held = self._shelf.held(identity)
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

    def _go_live(self, generation: Generation, now: int) -> None:
        for other in self._shelf.open():
            if other.live and other is not generation:
                self._retire(other, now)
        generation.live = generation.was_live = True

    def _retire(self, generation: Generation, now: int) -> None:
        generation.live, generation.since, generation.unread = False, now, True
        self.rotated.rotation = now
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
        if self.rotated.fresh and self._log.from_end:
            return self._shelf.new(mark_at(file, last_line_end(file), self._keys))
        return self._shelf.new(Mark())

    def end_of_log_before(self, generation: Generation) -> bytes | None:
        """Give the end of what was counted last, where the log goes on in another file.

        It stands elsewhere after a rotation, but not after the log was rewritten: None then.
        """
        if not generation.was_live:
            return None
        others = (g for g in self._shelf.known if g is not generation)
        logs = (g for g in others if g.mark.offset and g.was_live and g.touched)
        last = max(logs, key=attrgetter("touched", "id"), default=None)
        if last is None or not self._shelf.is_latest(last):
            return None
        if last.file is None:
            return self._identity.end_in_sibling(last, self._log)
        if last.file is generation.file or last.is_deleted or not last.is_intact(self._keys):
            return None
        return end_of(last.file, last.mark.offset)

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
        self.rotated.rotation = now
        if file.size() >= generation.mark.offset:
            self._events["generation_mismatches"] += 1
        live, generation.live = generation.live, False
        generation.lose(self._keys)
        generation.since = now
        # What was left alone because this file held it has to be asked again.
        self._shelf.verdicts.clear()
        fresh = self._known_or_new(file)
        self._shelf.attach(fresh, file, now)
        fresh.live, fresh.was_live = live, fresh.was_live or live
        return fresh

    # -- archives --------------------------------------------------------------------------

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
