"""Assigns each file of a log to its generation, by content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.sources.content_matcher import ContentMatcher
from donkeywatch.sources.fingerprints import (
    Fingerprint,
    FingerprintKeys,
    end_of,
    fingerprint_at,
    is_prefix,
    last_line_end,
)
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_registry import BY_LAST_READ, GenerationRegistry, OpenFile
from donkeywatch.sources.generation_state import OPEN
from donkeywatch.sources.log_file import PlainFile, is_missing, open_file
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.rotated_file_inspection import RotatedFiles

MAX_PASSES = 8
"""How often all names are looked at in one look, where files are renamed meanwhile."""


class FileIdentification:
    """Says whose content each file holds, and puts it into the registry."""

    def __init__(
        self,
        log: LogPaths,
        registry: GenerationRegistry,
        keys: FingerprintKeys,
        events: Counter[str],
        *,
        is_first_start: bool,
        finished_before: int = 0,
    ) -> None:
        self._log, self._registry, self._keys = log, registry, keys
        self._events = events
        self._identity = ContentMatcher(keys)
        self.rotated = RotatedFiles(
            log,
            registry,
            self._identity,
            events,
            self._current_generation,
            is_first_start=is_first_start,
            finished_before=finished_before,
        )
        self._at_path = {g.identity for g in registry.all_generations if g.state is OPEN}
        """Device and inode of what stood at the log's path at the last look; before the first one,
        of all that may have."""

    def scan(self, now: int) -> None:
        """Look at every name; OSError when that cannot be done, SourceError for what is no log."""
        for _ in range(MAX_PASSES):
            self.rotated.has_unreadable_file = False
            self.rotated.problems.start_scan()
            self._scan_live(now)
            if self.rotated.look(now):
                break
        self.rotated.end_look(now)

    # -- the log's own path --------------------------------------------------------------

    def _scan_live(self, now: int) -> None:
        live = self._registry.live
        try:
            state = self._log.path.stat()
        except OSError as error:
            if not is_missing(error):
                raise
            self._log.note(None)
            if live:
                self._mark_rotated(live, now)
            # It may have been there since the last look, and may have been rotated away.
            self._at_path, self.rotated.last_rotation = set(), now
            self.rotated.problems.report_missing(self._log.path)
            return
        self._log.note(state)
        identity = (state.st_dev, state.st_ino)
        if identity not in self._at_path and not self.rotated.is_first_start:
            self.rotated.last_rotation = now
        self._at_path = {identity}
        if (other := self._log.shared_with(state)) is not None:
            raise SourceError(
                f"{self._log.path} is the same file as {other}, which another source follows",
                "give each source a log of its own; this one is not followed",
            )
        held = self._registry.held(identity)
        if held is not None:
            self._go_live(held, now)
            return
        file = open_file(self._log.path)
        try:
            generation = self._at_live_path(file, live, now)
            self._go_live(generation, now)
            self._registry.attach(generation, file, now)
        finally:
            self._registry.close_if_unused(file)

    def _go_live(self, generation: Generation, now: int) -> None:
        for other in self._registry.open():
            if other.is_live and other is not generation:
                self._mark_rotated(other, now)
        self._registry.note_live(generation)

    def _mark_rotated(self, generation: Generation, now: int) -> None:
        generation.is_live, generation.last_change, generation.may_have_more = False, now, True
        self.rotated.last_rotation = now
        self._events["rotations"] += 1

    def _at_live_path(self, file: OpenFile, live: Generation | None, now: int) -> Generation:
        """Tell whose content a file holds that has come to stand at the log's path."""
        # Not renamed but replaced: a rewritten log that holds all of the old one goes on.
        if live and live.file and live.is_deleted and is_prefix(live.file, file):
            return self._current_generation(live, now)
        return self._match_or_create(file)

    def _match_or_create(self, file: OpenFile) -> Generation:
        """Give the generation without a file that this content belongs to, or a new one.

        What a new one has in common with what is counted, its lines will tell.
        """
        generation = self._identity.match(file, self._registry.closed_generations())
        if generation is not None and not self._identity.has_diverging_sibling(
            generation, file, self._log
        ):
            return generation
        if any(
            g.was_open_at_start and g.identity == file.identity
            for g in self._registry.without_file()
        ):
            self._events["truncations"] += 1  # Written anew while nobody looked.
        if self.rotated.is_first_start and self._log.start_at_end:
            return self._registry.new(fingerprint_at(file, last_line_end(file), self._keys))
        return self._registry.new(Fingerprint())

    def end_of_log_before(self, generation: Generation) -> bytes | None:
        """Give the end of what was counted last, where the log goes on in another file.

        It stands elsewhere after a rotation, but not after the log was rewritten: None then.
        """
        if not generation.was_live:
            return None
        others = (g for g in self._registry.all_generations if g is not generation)
        logs = (g for g in others if g.fingerprint.offset and g.was_live and g.last_read)
        last = max(logs, key=BY_LAST_READ, default=None)
        if last is None or not self._registry.is_latest(last):
            return None
        if last.file is None:
            return self._identity.end_in_sibling(last, self._log)
        if last.file is generation.file or last.is_deleted or not last.is_intact(self._keys):
            return None
        return end_of(last.file, last.fingerprint.offset)

    # -- files that hold something else now ------------------------------------------------

    def _current_generation(self, generation: Generation, now: int) -> Generation:
        """Give the generation of the content that is in a generation's file now.

        It is another one where the file was rewritten in place before another took its name. What
        the old one had, and was not stored, is looked for, and reported lost if it is nowhere.
        """
        held = generation.file
        if not isinstance(held, PlainFile) or not generation.fingerprint.head_length:
            return generation
        if generation.is_intact(self._keys):
            return generation
        return self.replace_generation(generation, held, now)

    def replace_generation(self, generation: Generation, file: PlainFile, now: int) -> Generation:
        """Give the generation of a file that was truncated or rewritten in place.

        The one that was read from it goes without a file: what of it was not counted is looked
        for elsewhere.
        """
        self._events["truncations"] += 1
        self.rotated.last_rotation = now
        if file.size() >= generation.fingerprint.offset:
            self._events["generation_mismatches"] += 1
        live, generation.is_live = generation.is_live, False
        generation.drop_file(self._keys)
        generation.last_change = now
        # What was left alone because this file held it has to be asked again.
        self._registry.inspected_files.clear()
        fresh = self._match_or_create(file)
        self._registry.attach(fresh, file, now)
        if live:
            self._registry.note_live(fresh)
        return fresh

    # -- archives --------------------------------------------------------------------------

    def open_archive(self, path: Path, now: int) -> Generation | None:
        """Open a finished archive; None when all of it has been counted.

        OSError and SourceError as the file gives them; DamagedArchiveError if it does not decode.
        """
        file = open_file(path)
        try:
            opened = (g for g in self._registry.all_generations if not g.state.is_skipped)
            generation = self._identity.match(file, opened)
            if generation is not None and not file.read(generation.fingerprint.offset, 1):
                return None
            generation = generation or self._registry.new(Fingerprint())
            self._registry.attach(generation, file, now)
            generation.is_live = path.resolve() == self._log.path.resolve()
            generation.is_archive = not generation.is_live
            return generation
        finally:
            self._registry.close_if_unused(file)
