"""The files that were rotated away from a log: which of them have something unread."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import SourceError
from donkeywatch.sources.content_matcher import ContentMatcher
from donkeywatch.sources.file_problems import FileProblems, FileState, file_state
from donkeywatch.sources.files_before_first_start import SkippedFiles
from donkeywatch.sources.fingerprints import Fingerprint, is_prefix
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_registry import GenerationRegistry, OpenFile
from donkeywatch.sources.generation_state import FINISHED, OPEN
from donkeywatch.sources.log_file import (
    DamagedArchiveError,
    PlainFile,
    is_compressed,
    is_missing,
    open_file,
)
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.positions import FinishedFile
from donkeywatch.sources.unknown_files import UnknownFiles

NEW_FILES_AFTER_ROTATION_MS = 15 * SECOND
"""So long after a rotation, files appear that were the log between two looks."""
MAX_OPEN = 128
"""Files that may be open at once before another rotated one is looked into."""
NO_STATE = (-1, -1)
"""A state that no file has."""


class _Renamed(Exception):
    """A name leads to another file than when the files were listed."""


class RotatedFiles:
    """Looks at the rotated files of a log, and puts those with something unread into the registry.

    ``unless_rewritten`` gives the generation that is to be read on in another file than before.
    """

    def __init__(
        self,
        log: LogPaths,
        registry: GenerationRegistry,
        identity: ContentMatcher,
        events: Counter[str],
        unless_rewritten: Callable[[Generation, int], Generation],
        *,
        is_first_start: bool,
        finished_before: int,
    ) -> None:
        self.problems = FileProblems(events)
        """What was wrong with files at the last look."""
        self.has_unreadable_file = False
        """A file may not be read that may hold the rest of a generation."""
        self.is_first_start = is_first_start
        """The log was never followed before: what is rotated away already is history."""
        self.last_rotation: int | None = None
        """When the log was last rotated or truncated (ms of a steady clock)."""
        self.newest: Path | None = None
        """The rotated file that was written to last, at the last look."""
        self._present = set[tuple[int, int]]()
        """Device and inode of the files that are there in this look."""
        self._last_present: set[tuple[int, int]] | None = None
        """Device and inode of the files that were there at the last look of this process."""
        self._appeared: set[tuple[int, int]] = set()
        """Of these, the ones that appeared right after a rotation, even if nothing was in them."""
        self._finished_before = finished_before
        self._log, self._registry, self._identity = log, registry, identity
        self._keys, self._events = identity.keys, events
        self._unless_rewritten = unless_rewritten
        self._unknown_files = UnknownFiles()
        self.skipped_files = SkippedFiles(log, registry, identity)

    def look(self, now: int) -> bool:
        """Take up what is unread under the name of a rotated file; OSError when that cannot be.

        False where files were renamed meanwhile: some may have been missed, and an older one is
        not to be read after a newer one.
        """
        siblings = sorted(self._log.rotated_files(), key=lambda sibling: sibling[1].st_mtime_ns)
        self.newest = siblings[-1][0] if siblings else None
        self._present = {file_state(state).identity for _, state in siblings}
        held = {g.file.identity for g in self._registry.open() if g.file}
        is_as_listed = True
        for path, state in siblings:
            file = file_state(state)
            is_new = self._last_present is not None and file.identity not in self._last_present
            if is_new and self._has_just_rotated(now):
                self._appeared.add(file.identity)
            if file.identity in held:
                self.problems.repeat_report(path, file.identity)
            elif state.st_size and not self._is_settled(path, file):
                if len(self._registry.open()) < MAX_OPEN:
                    is_as_listed &= self._look_into(path, file, now)
                else:
                    # It is looked into later; it may hold the rest of what is being looked for.
                    self.has_unreadable_file |= bool(self._registry.without_file())
        is_quiet = self._present == self._last_present and not self._has_just_rotated(now)
        return is_as_listed and (is_quiet or self._present == self._listed())

    def end_look(self, now: int) -> None:
        """Look for what was not found, and note which files are there."""
        for generation in self._registry.without_file():
            if generation.identity not in self._present:
                self._find_renamed(generation, now)
        self._last_present = self._present
        self._appeared &= self._present
        self._registry.forget_gone(self._present, now)
        self._unknown_files.forget_gone(self._present)

    def _listed(self) -> set[tuple[int, int]]:
        return {file_state(state).identity for _, state in self._log.rotated_files()}

    def _find_renamed(self, generation: Generation, now: int) -> None:
        """Look for a file that was renamed to what is no name of a rotated one."""
        for path, _ in self._log.files_by_inode(generation.identity):
            with contextlib.suppress(OSError, SourceError, DamagedArchiveError):
                file = open_file(path)
                try:
                    if self._identity.match(file, [generation]) is not generation:
                        continue
                    if self._registry.held(file.identity) is None:
                        self._registry.attach(generation, file, now)
                    else:  # Written anew with all of it, and read as that.
                        generation.state = FINISHED
                    return
                finally:
                    self._registry.close_if_unused(file)

    def _is_settled(self, path: Path, file: FileState) -> bool:
        """Tell whether a file need not be opened, since it is as it was when that was decided."""
        before = self._registry.finished.get(file.identity)
        if self._registry.inspected_files.get(file.identity) == file.state:
            if before is not None and (before.size, before.modified) == NO_STATE:
                self.problems.foreign(path)
            return True
        if before is None:
            if file.state[1] >= self._finished_before:
                return False
            self._finish(file)
            return True
        if (before.size, before.modified) == file.state:
            return True
        if before.history and not self.skipped_files.is_rewritten(path, before):
            self.problems.foreign(path)
            return True
        return False

    def _look_into(self, path: Path, file: FileState, now: int) -> bool:
        """Decide on a sibling; false where its name leads to another file by now."""
        packed = is_compressed(path)
        if packed and self.problems.should_skip(path, file, now):
            return True
        try:
            decided = self._inspect(path, file, now)
        except _Renamed:
            return False
        except DamagedArchiveError as error:
            decided = False  # It may still be growing, or be restored.
            if packed:
                self.problems.record_failure(path, file, error, now)
        except SourceError:
            decided = False
        except OSError as error:
            if is_missing(error):
                return False
            decided = False
            self.problems.report_unreadable(path, error)
            # It may hold the rest of what is being looked for.
            self.has_unreadable_file |= bool(self._registry.without_file())
        if decided:
            self._registry.inspected_files[file.identity] = file.state
            if self._registry.held(file.identity) is None:
                self.problems.clear(file.identity)
        return True

    def _inspect(self, path: Path, signed: FileState, now: int) -> bool:
        """Take up a sibling if it has something unread; true when it need not be asked again."""
        file = open_file(path)
        try:
            if file.identity != signed.identity:
                raise _Renamed
            return self._decide(file, path, signed, now)
        finally:
            self._registry.close_if_unused(file)

    def _decide(self, file: OpenFile, path: Path, signed: FileState, now: int) -> bool:
        if any(self._is_prefix_of(g, file, now) for g in self._registry.open()):
            return True  # A copy or a twin: asked again when that file is given up.
        if (outgrown := self._generation_to_extend(file, now)) is not None:
            self._registry.attach(self._unless_rewritten(outgrown, now), file, now)
            return True
        generation = self._identity.match(file, self._registry.all_generations)
        if generation is not None and generation.file is not None:
            if not generation.is_intact(self._keys):
                return False  # Truncated under our eyes: whose content this is, reading tells.
            generation = self._identity.match(file, self._registry.closed_generations())
        if self.is_first_start and generation is None:
            generation = self.skipped_files.add(file)
        if generation is not None and generation.state.is_skipped:
            self._finish(signed, history=True)
            self.skipped_files.keep(generation, file)
            return True
        if generation is not None and generation.has_no_more_in(file):
            generation.state = FINISHED
            self._finish(signed)
            return True
        if generation is None:
            was_ours = signed.identity in self._registry.finished
            was_log = isinstance(file, PlainFile) and not was_ours
            has_appeared = signed.identity in self._appeared
            if was_log and not has_appeared and not self._has_just_rotated(now):
                if self._unknown_files.has_grown(signed):
                    # Another program's: it is remembered as such, and reported at each look.
                    self._finish(signed._replace(state=NO_STATE), history=True)
                    self.problems.foreign(path)
                    return True
                if not self._unknown_files.is_unchanged(signed, now):
                    return False
                was_log = False
            generation = self._registry.new(Fingerprint())
            unseen = signed.identity not in (self._last_present or ())
            if was_log and unseen and self._registry.may_have_missed_log():
                self._registry.note_missed_log(generation)
            self._events["rotations"] += 1
        self._registry.attach(generation, file, now)
        return True

    def _has_just_rotated(self, now: int) -> bool:
        return (
            self.last_rotation is not None
            and now - self.last_rotation < NEW_FILES_AFTER_ROTATION_MS
        )

    def _finish(self, file: FileState, *, history: bool = False) -> None:
        (device, inode), (size, modified) = file.identity, file.state
        self._registry.add_finished(
            FinishedFile(self._log.name, device, inode, size, modified, history)
        )

    def _generation_to_extend(self, file: OpenFile, now: int) -> Generation | None:
        """The generation whose archive, or whose deleted file, this one begins with."""
        for generation in self._registry.open():
            archive = generation.is_archive and isinstance(file, PlainFile)
            ended = archive or (not generation.is_live and generation.is_deleted)
            if ended and self._is_prefix_of(generation, file, now, reverse=True):
                return generation
        return None

    def _is_prefix_of(
        self, generation: Generation, file: OpenFile, now: int, *, reverse: bool = False
    ) -> bool:
        """Tell whether a file is part of what a generation is read from, or the ``reverse``.

        An archive that does not decode is left, and the plain file that it is compared with is not.
        """
        held = generation.file
        if held is None:
            return False
        try:
            return is_prefix(held, file) if reverse else is_prefix(file, held)
        except DamagedArchiveError as error:
            if not isinstance(file, PlainFile):
                raise
            if not self.suspend_archive(generation, error, now):
                self._registry.detach(generation, now)
            return False

    def suspend_archive(
        self, generation: Generation, error: DamagedArchiveError | OSError, now: int
    ) -> bool:
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
        self._registry.detach(generation, now)
        generation.has_unreadable_rest = True
        self.problems.record_failure(*named, error, now)
        return True

    def release(self, generation: Generation, now: int, *, force: bool) -> None:
        """Close a drained file if it is deleted, or if a scan would see that it grew."""
        file = generation.file
        if not isinstance(file, PlainFile):
            if file is not None and (named := self._named(file.identity)) is not None:
                self._finish(named[1])
            self._registry.detach(generation, now)
            return
        state = file.stat()
        if state.st_size > generation.fingerprint.offset:
            generation.state, generation.may_have_more = OPEN, True
            return
        current = file_state(state)
        if force or state.st_nlink == 0 or self.is_named(current.identity):
            self._registry.detach(generation, now)
            if state.st_nlink and not force:
                self._finish(current)

    def finish_copies(self, generations: Sequence[Generation]) -> None:
        """Note that files are counted that were left alone as copies of some that are given up.

        They may never be asked again: the next start does not know their content any more. To be
        called before any is given up: then all files are to be asked again.
        """
        for path, state in self._log.rotated_files() if generations else ():
            current = file_state(state)
            if self._registry.inspected_files.get(current.identity) != current.state:
                continue
            before = self._registry.finished.get(current.identity)
            if before is not None and (before.size, before.modified) == current.state:
                continue
            with (
                contextlib.suppress(OSError, SourceError, DamagedArchiveError),
                contextlib.closing(open_file(path)) as file,
            ):
                original = self._identity.match(file, generations)
                if original is not None and original.has_no_more_in(file):
                    self._finish(current)

    def is_named(self, identity: tuple[int, int]) -> bool:
        """Would a scan of the rotated files come upon this one?"""
        return self._named(identity) is not None

    def _named(self, identity: tuple[int, int]) -> tuple[Path, FileState] | None:
        """A rotated file by its identity, as it is now."""
        siblings = ((path, file_state(state)) for path, state in self._log.rotated_files())
        return next((named for named in siblings if named[1].identity == identity), None)
