"""Following one log through rotation, truncation and restarts, by the content of its files."""

from __future__ import annotations

import contextlib
import errno
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import SourceError, printable
from donkeywatch.sources.file_identification import FileIdentification
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.fingerprints import FingerprintKeys
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_reader import read_lines
from donkeywatch.sources.generation_registry import LAST_LINE_DELAY, GenerationRegistry
from donkeywatch.sources.generation_state import FINISHED, LOST, OPEN, READ
from donkeywatch.sources.line_blocks import READ_BYTES, LineBlock
from donkeywatch.sources.log_file import (
    ContentChangedError,
    DamagedArchiveError,
    NotText,
    PlainFile,
)
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.positions import FinishedFile, GenerationPosition

MISSING_FILE_TIMEOUT = 15 * SECOND
"""How long a generation's missing bytes are looked for before they count as lost (ms)."""
MAX_BYTES_BEFORE_LIVE = 4 << 20
"""Bytes of rotated files that are read before the live log has a turn."""
MAX_RESCANS = 3
"""How often in one look a file is begun again that changes while it is read."""


class Follower:
    """Owns the open files of one source; time comes in as ``now``, ms of a steady clock.

    ``counted_otherwise`` is when an archive was last counted (ms UTC), perhaps from a file here;
    rotated files last written before ``finished_before`` (ns since the epoch) are finished.
    ``begin`` is called before the first line of a file is read that may be a copy of what is
    counted. It stores all that was read before, and gives the event time (ms UTC) up to which
    the file's searches are to be compared with what is stored.
    """

    def __init__(
        self,
        log: LogPaths,
        keys: FingerprintKeys,
        stored: Sequence[GenerationPosition],
        number: Callable[[], int],
        *,
        first_start: bool,
        finished: Sequence[FinishedFile] = (),
        finished_before: int = 0,
        counted_otherwise: int = 0,
        begin: Callable[[], int] = lambda: 0,
    ) -> None:
        self.log = log
        self.error: str | None = None
        self.events: Counter[str] = Counter()
        self.last_scan_failed = True
        """The last scan could not tell what is there."""
        self.live_unreadable = False
        """The log is there and cannot be read."""
        self.bytes_lost = False
        """Bytes went unread since this was last cleared: the coverage has a gap."""
        self.read_bytes = READ_BYTES
        """Bytes read at once."""
        self.last_read_error: str | None = None
        """What the system said of the file that could last not be read; None: it is damaged."""
        self.missing_file_notice: str | None = None
        """The message where a file that was being counted is found under no name."""
        self._keys = keys
        self._begin = begin
        self.registry = GenerationRegistry(
            log.name, stored, finished, number, keys, counted_otherwise
        )
        self._finder = FileIdentification(
            log,
            self.registry,
            keys,
            self.events,
            is_first_start=first_start,
            finished_before=finished_before,
        )
        self._rotated = self._finder.rotated
        self._read_before_live = 0
        """Bytes of other files that were read since the live one had its turn."""
        self._rescan_needed = False
        """A file was found to hold other content while it was read."""

    # -- what is known -------------------------------------------------------------------

    @property
    def live(self) -> Generation | None:
        """The generation at the log's own path."""
        return self.registry.live

    @property
    def caught_up(self) -> bool:
        """Everything that is there has been read."""
        return not self.last_scan_failed and not any(
            g.may_have_more for g in self.registry.in_turn()
        )

    # -- finding files -------------------------------------------------------------------

    def scan(self, now: int) -> None:
        """Look at the log's path and at its rotated siblings."""
        self.error, self.last_scan_failed, self.live_unreadable = None, True, False
        try:
            self._finder.scan(now)
            self._abandon_missing(now)
            self._close_drained(now)
            notices = self._rotated.problems.text, self.missing_file_notice
            self.error = "; ".join(filter(None, notices)) or None
        except SourceError as error:
            self.error = str(error)
        except DamagedArchiveError:
            self.error = f"{self.log.name}: a compressed file is damaged or not complete yet"
        except OSError as error:
            # Out of descriptors, forbidden, stale: nothing is known, so nothing has changed.
            self.events["read_errors"] += 1
            self.error = f"{printable(self.log.path)}: {error.strerror}"
        else:
            self.last_scan_failed = self._rotated.has_unreadable_file
            self._rotated.is_first_start = False

    def open_archive(self, path: Path, now: int) -> Generation | None:
        """Open a finished archive for `read`; None when all of it has been counted.

        OSError and SourceError as the file gives them; DamagedArchiveError if it does not decode.
        """
        self.error = self.last_read_error = None
        return self._finder.open_archive(path, now)

    # -- reading -------------------------------------------------------------------------

    def read(self, now: int) -> LineBlock | None:
        """The next whole lines, rotated files before the live one; None when all is read.

        A long archive does not keep the live log waiting: that is read in between.
        """
        for _ in range(MAX_RESCANS):
            live_first = self._read_before_live > MAX_BYTES_BEFORE_LIVE
            for generation in self.registry.in_turn(live_first=live_first):
                block = self._read(generation, now)
                if block is not None:
                    self.registry.note_read(generation, block)
                    waits = 0 if generation.is_live else self._read_before_live + block.consumed
                    self._read_before_live = waits
                    return block
            if not self._rescan_needed:
                break
            self._rescan_needed = False
            self.scan(now)  # What is missing from that file may stand in a copy.
        return None

    def _read(self, generation: Generation, now: int) -> LineBlock | None:
        if not generation.is_begun and generation.has_unread:
            self._begin_reading(generation)
        generation.read_attempted = True
        try:
            size = generation.file.size() if generation.file else None
            if size is not None and size > generation.size:
                generation.last_change = now
            if generation.lost_previous_content(self._keys):
                raise ContentChangedError
            settled = not generation.is_live and now - generation.last_change >= LAST_LINE_DELAY
            final = generation.is_archive or settled
            block = read_lines(
                generation,
                self._keys,
                self.log.max_line_bytes,
                self.read_bytes,
                final=final,
                wrapper=self.log.wrapper,
            )
        except ContentChangedError:
            self._truncated(generation, now)
            return None
        except NotText:
            self._reject_not_text(generation, now)
            return None
        except (DamagedArchiveError, OSError) as error:
            self._failed(generation, error, now)
            return None
        # Only now is it sure that the size is that of the content that is counted.
        if size is not None and size < generation.size and generation.fingerprint.head_length:
            self._record_shrink(generation, size)
        generation.size = max(generation.size, size or 0)
        generation.may_have_more = block is not None
        if block is not None:
            generation.state = OPEN
        elif final:
            self._finish(generation)
        return block

    def _begin_reading(self, generation: Generation) -> None:
        if generation.is_resumed and generation.blocks_before not in (
            None,
            self.registry.blocks_read,
        ):
            # Another was read since.
            generation.compare_until, generation.is_past_log_before = None, False
        unsure = generation.compare_until is None
        try:
            if unsure:
                generation.compare_until = self._begin()
        except Exception:
            self.registry.note_fronts()
            raise
        if generation.compare_until and not (unsure and generation.is_resumed):
            with contextlib.suppress(OSError):  # Without it, searches alone are compared.
                generation.end_of_log_before = self._finder.end_of_log_before(generation)
        generation.continues_log = generation.end_of_log_before is not None
        generation.is_begun, generation.blocks_before = True, None
        generation.beginnings += 1

    def _finish(self, generation: Generation) -> None:
        generation.state, generation.has_unreadable_rest = READ, False
        if generation.file is not None:
            self._rotated.problems.clear(generation.file.identity)

    def _reject_not_text(self, generation: Generation, now: int) -> None:
        """Report a file that is no text for as long as it has a name."""
        file = generation.file
        if (
            file is not None
            and not generation.is_live
            and not self._rotated.is_named(file.identity)
        ):
            generation.state = READ
            self.registry.detach(generation, now)
            return
        self.live_unreadable = True
        refused = refusal(file.read_sound(0, KIND_BYTES)) if file is not None else None
        if refused is not None:
            remedy = "have the server write UTF-8 or a one-byte encoding, or move the file away"
            self.error = str(SourceError(f"{self.log.path} is {refused.kind}", remedy))

    def _failed(
        self, generation: Generation, error: DamagedArchiveError | OSError, now: int
    ) -> None:
        self.last_read_error = error.strerror if isinstance(error, OSError) else None
        packed = not isinstance(generation.file, PlainFile)
        if packed and self._rotated.suspend_archive(generation, error, now):
            self.error = self._rotated.problems.text
            return
        self.events["read_errors"] += 1
        if isinstance(error, DamagedArchiveError):
            self.error = f"{self.log.name}: a compressed file is damaged or not complete yet"
            self.registry.detach(generation, now)
            return
        generation.may_have_more = True
        self.live_unreadable |= generation.is_live
        self.error = f"{printable(self.log.path)}: {error.strerror}"
        if packed or error.errno == errno.ESTALE:
            # This descriptor is dead for ever; the name may lead to the file again.
            self.registry.detach(generation, now)

    def _truncated(self, generation: Generation, now: int) -> None:
        """The counted bytes are gone from this file: look for them elsewhere, start it anew."""
        self._rescan_needed = True
        file = generation.file
        if not isinstance(file, PlainFile):
            self.events["truncations"] += 1
            self.registry.detach(generation, now)
            return
        self._finder.replace_generation(generation, file, now)

    def _record_shrink(self, generation: Generation, size: int) -> None:
        """The file has lost its end, all of which was there to be counted at an earlier look."""
        self.events["lost_bytes"] += generation.size - max(size, generation.fingerprint.offset)
        generation.size, self.bytes_lost = size, True

    def _abandon_missing(self, now: int) -> None:
        for generation in self.registry.without_file():
            if not (self._rotated.has_unreadable_file or self._rotated.problems.may_recover(now)):
                generation.last_change = generation.last_change or now
                if now - generation.last_change >= MISSING_FILE_TIMEOUT:
                    self._abandon(generation)

    def _abandon(self, generation: Generation) -> None:
        unread = generation.size - generation.fingerprint.offset
        if generation.was_open_at_start and generation.was_live:  # No archive: those do not grow.
            # What was added to it while nobody looked is unknown: a byte at the least.
            unread = max(1, unread)
            self.missing_file_notice = (
                f"{self.log.path}: the file that was counted up to byte"
                f" {generation.fingerprint.offset:,} is nowhere, and what was added is not counted;"
                " name its directory in `rotated`, or count it with `donkeywatch backfill`"
            )
        generation.state = LOST if unread > 0 else FINISHED
        self.bytes_lost |= generation.has_unreadable_rest
        if unread > generation.reported_lost_bytes:
            self.events["lost_bytes"] += unread - generation.reported_lost_bytes
            generation.reported_lost_bytes, self.bytes_lost = unread, True

    def _close_drained(self, now: int) -> None:
        """Close files that are read out, unless they are the last way to uncommitted lines."""
        due = self.registry.drained(now)
        self._rotated.finish_copies([generation for generation, _ in due])
        for generation, force in due:
            self._rotated.release(generation, now, force=force)

    def growing_rotated_files(self) -> list[Path | int]:
        """List the rotated files to which a server may still write: those that are open, and the
        newest, since it goes on writing there until it is told to open the log anew."""
        files = (g.file for g in self.registry.open() if not g.is_live)
        descriptors = [file.descriptor for file in files if isinstance(file, PlainFile)]
        newest = self._rotated.newest
        return [*descriptors, *([] if newest is None else [newest])]

    def positions(self) -> list[GenerationPosition]:
        """Rows that changed since the last commit."""
        return [g.position() for g in self.registry.active if g.changed()]

    def committed(
        self, positions: Iterable[GenerationPosition], finished: Iterable[FinishedFile] = ()
    ) -> None:
        """These positions and finished files are in the database."""
        self.registry.committed(positions)
        self.registry.finished_stored(finished)

    def renew_fingerprints(self, before: int) -> None:
        """Make fingerprints anew, before the keys of the weeks ``before`` one (ms UTC) go."""
        with contextlib.suppress(OSError, SourceError):  # Without one, what is read is compared.
            self._rotated.skipped_files.renew(before)
        for generation in self.registry.active:
            if not generation.state.is_skipped:
                generation.renew_fingerprint(self._keys, before)

    def reading(self) -> set[int]:
        """Numbers of the generations that have a file in which there may be more to read."""
        return {g.id for g in self.registry.open() if g.is_live or g.state is not READ}

    def roll_back(self) -> None:
        """Go back to what is committed; open files stay open, so nothing rotated is lost."""
        self.registry.roll_back()
        self._rotated.problems.reset_attempts()

    def close(self) -> None:
        """Close all files; their positions stay."""
        for generation in self.registry.active:  # One without a file may have a former one.
            self.registry.detach(generation, 0)
