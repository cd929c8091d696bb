"""Files that were rotated away before a log was ever followed: they are never read."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.sources.content_matcher import ContentMatcher
from donkeywatch.sources.file_problems import file_state
from donkeywatch.sources.fingerprints import HEAD, fingerprint_at, last_line_end
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_registry import GenerationRegistry, OpenFile
from donkeywatch.sources.generation_state import SKIPPED, VANISHED
from donkeywatch.sources.log_file import PlainFile, open_file
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.positions import FinishedFile


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """Knows the content of such files by a fingerprint, for as long as they may be compressed."""

    log: LogPaths
    registry: GenerationRegistry
    identity: ContentMatcher

    def add(self, file: OpenFile) -> Generation:
        """Take a file for history at the first start; `backfill` reads it."""
        is_plain = isinstance(file, PlainFile)
        end = last_line_end(file) if is_plain else len(file.read(0, HEAD))
        return self.registry.new(fingerprint_at(file, end, self.identity.keys), SKIPPED)

    def keep(self, generation: Generation, file: OpenFile) -> None:
        """Note in which file the content of a generation stands now."""
        if isinstance(file, PlainFile):
            generation.identity = file.identity
        elif generation.identity == (0, 0):
            generation.state = VANISHED  # It was compressed before anybody looked.
        self.registry.wake(generation)

    def is_rewritten(self, path: Path, before: FinishedFile) -> bool:
        """Tell whether another file has the inode of one of history by now."""
        identity = before.device, before.inode
        skipped = (
            g
            for g in self.registry.all_generations
            if g.state.is_skipped and g.identity == identity
        )
        generation = next(skipped, None)
        if generation is None or not generation.fingerprint.head_length:
            return False
        with contextlib.suppress(OSError, SourceError), contextlib.closing(open_file(path)) as file:
            is_same = self.identity.match(file, [generation]) is not None
            return file.identity == identity and not is_same
        return False

    def renew(self, before: int) -> None:
        """Make the fingerprints anew, before the keys of the weeks ``before`` one (ms UTC) go."""
        old = {
            generation.identity: generation
            for generation in self.registry.all_generations
            if generation.state.is_skipped and generation.fingerprint.week < before
        }
        if not old:
            return
        for path, state in self.log.rotated_files():
            generation = old.get(file_state(state).identity)
            if generation is not None:
                with contextlib.closing(open_file(path)) as file:
                    generation.fingerprint = fingerprint_at(
                        file, generation.fingerprint.offset, self.identity.keys, week=before
                    )
                self.registry.wake(generation)
