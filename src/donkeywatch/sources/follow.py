"""Following one log through rotation, truncation and restarts, by the content of its files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
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
from donkeywatch.sources.generations import (
    DONE,
    HEAD,
    LOST,
    OPEN,
    SKIPPED,
    Changed,
    Generation,
    Mark,
    mark_at,
    same_head,
    same_tail,
)
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


@dataclass(frozen=True, slots=True)
class Log:
    """What to follow: ``rotated`` are name patterns, empty for the usual ones."""

    name: str
    path: Path
    limit: int = 1 << 16
    rotated: tuple[str, ...] = ()
    from_end: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a file on disk turned out to be."""

    generation: Generation | None
    shorter: bool = False
    """It begins like a known generation and stops before its offset: a copy in the making."""


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
        self._known = [Generation.restored(position) for position in stored]
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
        return any(g.file is None and g.state == OPEN for g in self._known)

    @property
    def lag(self) -> int:
        """Bytes on disk that are not counted yet, a partial last line included."""
        return sum(max(0, g.size - g.mark.offset) for g in self._open())

    @property
    def offset(self) -> int:
        """Bytes counted of the live file."""
        return self.live.mark.offset if self.live else 0

    def _open(self) -> list[Generation]:
        return [g for g in self._known if g.file is not None]

    def directories(self) -> set[Path]:
        """Where something can happen to this log."""
        return {self.log.path.parent, self.log.path.resolve().parent}

    # -- finding files -------------------------------------------------------------------

    def scan(self, now: int) -> None:
        """Look at the log's path and at its rotated siblings."""
        self.error, self.blind = None, True
        try:
            self._scan_live(now)
            self._scan_siblings(now)
        except SourceError as error:
            self.error = str(error)
        except OSError as error:
            # Out of descriptors, forbidden, stale: nothing is known, so nothing has changed.
            self.events["read_errors"] += 1
            self.error = f"{self.log.path}: {error.strerror}"
        else:
            self.blind = self._fresh = False
        self._give_up_and_release(now)

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
        if live and live.file and live.file.identity == (state.st_dev, state.st_ino):
            return
        file = open_file(self.log.path)
        if file.read(0, 2) in WIDE:
            file.close()
            raise SourceError(
                f"{self.log.path} is UTF-16", "have the server write UTF-8 or a one-byte encoding"
            )
        if live:
            self._retire(live, now)
        self._attach(self._identify(file).generation or self._live_start(file), file, now)
        for generation in self._open():
            generation.live = generation.file is file

    def _live_start(self, file: PlainFile | CompressedFile) -> Generation:
        if not (self._fresh and self.log.from_end):
            return self._new(Mark())
        return self._new(self._last_line_end(file))

    def _last_line_end(self, file: PlainFile | CompressedFile) -> Mark:
        size = file.size() or 0
        step = min(size, 1 << 20)
        end = size - step + file.read(size - step, step).rfind(b"\n") + 1
        return mark_at(file, end, self._key)

    def _retire(self, generation: Generation, now: int) -> None:
        generation.live, generation.since, generation.unread = False, now, True
        self.events["rotations"] += 1

    def _scan_siblings(self, now: int) -> None:
        held = {g.file.identity for g in self._open() if g.file}
        for path, state in sorted(self._siblings(), key=lambda found: found[1].st_mtime_ns):
            identity = (state.st_dev, state.st_ino)
            signature = (state.st_size, state.st_mtime_ns)
            if identity in held or not state.st_size or self._names.get(identity) == signature:
                continue
            try:
                decided = self._consider(path, now)
            except (Damaged, SourceError):
                decided = False
            except OSError as error:
                if not gone(error):
                    self.events["read_errors"] += 1
                    self.error = f"{path}: {error.strerror}"
                decided = False
            if decided:
                self._names[identity] = signature

    def _siblings(self) -> Iterable[tuple[Path, os.stat_result]]:
        for directory in self.directories():
            try:
                entries = list(os.scandir(directory))
            except OSError as error:
                if gone(error):
                    continue
                raise
            for entry in entries:
                if entry.name != self.log.path.name and self._is_rotated(entry.name):
                    try:
                        if entry.is_file():
                            yield Path(entry.path), entry.stat()
                    except OSError:
                        continue

    def _is_rotated(self, name: str) -> bool:
        if self.log.rotated:
            return any(fnmatch(name, pattern) for pattern in self.log.rotated)
        return rotated_name(self.log.path.name).fullmatch(name) is not None

    def _consider(self, path: Path, now: int) -> bool:
        """Take up a sibling if it has something unread; true when it need not be asked again."""
        file = open_file(path)
        try:
            found = self._identify(file)
            generation = found.generation
            if generation is None and found.shorter:
                return False
            if generation is None and self._fresh:
                self._skip(file, path)
                return True
            if generation is not None and generation.file is not None:
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
            if not any(g.file is file for g in self._known):
                file.close()

    def _skip(self, file: PlainFile | CompressedFile, path: Path) -> None:
        """What was rotated away before the first start is history: `backfill` reads it."""
        if is_compressed(path):
            head = file.read(0, HEAD)
            self._new(mark_at(file, len(head), self._key), SKIPPED)
        else:
            self._new(self._last_line_end(file), DONE)

    def _identify(self, file: PlainFile | CompressedFile) -> Found:
        """Which generation the content belongs to: same head, and same bytes at its offset."""
        head = file.read(0, HEAD)
        best: Generation | None = None
        shorter = False
        for generation in self._known:
            mark = generation.mark
            if not same_head(head, mark, self._key):
                continue
            if not same_tail(file, mark, self._key):
                shorter |= len(file.read(mark.offset - 1, 1)) == 0
            elif best is None or mark.offset > best.mark.offset:
                best = generation
        return Found(best, shorter)

    def _new(self, mark: Mark, state: str = OPEN) -> Generation:
        generation = Generation(self._number(), self.log.name, mark, state)
        self._known.append(generation)
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
            found = self._identify(file)
            generation = found.generation
            if generation is None and found.shorter:
                return None
            if generation is not None and generation.state == SKIPPED:
                self._known.remove(generation)
                generation = None
            if generation is not None and not file.read(generation.mark.offset, 1):
                return None
            generation = generation or self._new(Mark())
            self._attach(generation, file, now)
            generation.live = path.resolve() == self.log.path.resolve()
            generation.finished = not generation.live
            return generation
        finally:
            if not any(g.file is file for g in self._known):
                file.close()

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
            generation.unread = False
            if isinstance(error, OSError):
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
        fresh = self._identify(file).generation
        if fresh is None or fresh.file is not None or fresh is generation:
            fresh = self._new(Mark())
        self._attach(fresh, file, now)
        fresh.live = live

    def _detach(self, generation: Generation, now: int) -> None:
        if generation.file is not None:
            generation.file.close()
        generation.file, generation.live, generation.since = None, False, now
        # What was left alone because this file was open has to be asked again.
        self._names.clear()

    def _give_up_and_release(self, now: int) -> None:
        for generation in self._known:
            if generation.file is None and generation.state == OPEN:
                generation.since = generation.since or now
                if now - generation.since >= GRACE:
                    self._give_up(generation)
        drained = [g for g in self._open() if g.state == DONE and not g.live]
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
        named = {(s.st_dev, s.st_ino) for _, s in self._siblings()}
        if file.identity in named:
            self._names[file.identity] = (state.st_size, state.st_mtime_ns)
            return True
        return False

    # -- checkpoints ---------------------------------------------------------------------

    def positions(self) -> list[Position]:
        """Rows that changed since the last commit."""
        return [g.position() for g in self._known if g.changed()]

    def committed(self) -> None:
        """The positions are in the database."""
        for generation in self._known:
            generation.committed()

    def roll_back(self) -> None:
        """Go back to what is committed; open files stay open, so nothing rotated is lost."""
        for generation in self._known:
            generation.roll_back()

    def let_go(self) -> None:
        """Close the archives that were taken up; their positions stay."""
        for generation in self._open():
            self._detach(generation, 0)

    def close(self) -> None:
        """Close all files."""
        for generation in self._open():
            if generation.file is not None:
                generation.file.close()
                generation.file = None


def rotated_name(name: str) -> re.Pattern[str]:
    """Names that logrotate and servers give rotated files: .1, -20261123, .old, .2.gz and so on."""
    stem, dot, suffix = name.rpartition(".")
    mark = r"[.\-_](?:\d[\dT.:_\-]*|old)"
    compressed = r"(?:\.(?:gz|zst|xz))?"
    shapes = [re.escape(name) + mark + compressed]
    if dot and stem:
        shapes.append(re.escape(stem) + mark + re.escape(dot + suffix) + compressed)
    return re.compile("|".join(f"(?:{shape})" for shape in shapes))
