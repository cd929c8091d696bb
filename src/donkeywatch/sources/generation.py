"""A generation: what one log file held from its creation on, known by content, not by inode."""

from __future__ import annotations

from donkeywatch.sources.fingerprints import (
    HEAD,
    IN_MEMORY,
    Fingerprint,
    FingerprintKeys,
    fingerprint_at,
    keyed_hash,
    same_head,
    same_tail,
)
from donkeywatch.sources.generation_state import (
    FINISHED,
    OPEN,
    READ,
    TRANSITIONS,
    GenerationState,
)
from donkeywatch.sources.log_file import File, PlainFile
from donkeywatch.sources.positions import GenerationPosition


class Generation:
    """The fingerprint of what is counted of a file, the open file, and what is committed."""

    def __init__(
        self, number: int, source: str, mark: Fingerprint, state: GenerationState = OPEN
    ) -> None:
        self.id = number
        self.source = source
        self.fingerprint = mark
        self._state = state
        self.initial_fingerprint = mark
        self.size = mark.offset
        self.reported_lost_bytes = 0
        """Bytes that were reported lost; not again when that could not be stored."""
        self.file: File | None = None
        self.previous_file: PlainFile | None = None
        """The file it was read from before, until all that is in that is stored."""
        self.previous_end = Fingerprint()
        """The end of it, when it was replaced."""
        self.is_live = False
        """At the log's own path, so that more will be written to it."""
        self.was_live = False
        """It was at the log's own path, so that somebody may still write to it."""
        self.live_number = 0
        """The higher, the later it came to stand there; 0: it never did."""
        self.is_archive = False
        """An archive, to which nothing will be added."""
        self.may_have_more = True
        self.has_unreadable_rest = False
        """More of it stands where it cannot be read."""
        self.last_change = 0
        """When it last grew, or lost its file, in steady ms."""
        self.compare_until: int | None = None
        """Searches up to this event time (ms UTC) may have been counted before, in another file;
        None until it is known."""
        self.is_begun = False
        """What its lines are compared with is known."""
        self.read_attempted = False
        """The follower has tried to read it, even if there was nothing in it."""
        self.beginnings = 0
        """How often reading it began; each time it is compared with the rows of that moment."""
        self.blocks_before: int | None = None
        """Blocks of the log that were read when this file was found, until it is begun."""
        self.end_of_log_before: bytes | None = None
        """The end of the file that was the log before, where the log goes on in this one, until
        the first block is read."""
        self.continues_log = False
        """The log goes on in it: it is no copy of what was counted."""
        self.is_past_log_before = False
        """A search in it is newer than the log before, so the rest of it is new."""
        self.is_resumed = False
        """It is read on where it was left, in a file that holds all that is counted of it."""
        self.last_read = 0
        """Number of the last block read of it; begins at a time (ms UTC), to grow over restarts."""
        self.identity = (0, 0)
        """Device and inode of the file it was last read from, a hint."""
        self.was_open_at_start = False
        """It was not read to its end by an earlier process, and no file of it was found since."""
        self.is_last_log = False
        """Of all that were the log, it is the one that was read last."""
        self._stored: GenerationPosition | None = None

    @classmethod
    def restored(cls, stored: GenerationPosition) -> Generation:
        """The generation of a database row."""
        mark = Fingerprint(
            stored.offset,
            stored.skipping,
            stored.head_length,
            stored.head_hash,
            stored.tail_length,
            stored.tail_hash,
            stored.week,
        )
        generation = cls(stored.id, stored.source, mark, GenerationState(stored.state))
        generation.size = stored.size
        generation.identity = (stored.device, stored.inode)
        generation.was_open_at_start = stored.state == OPEN
        generation.last_read = stored.turn
        generation.was_live = stored.was_live
        generation.compare_until = stored.compare_until
        generation._stored = stored
        return generation

    def position(self) -> GenerationPosition:
        """The row to store."""
        m = self.fingerprint
        return GenerationPosition(
            self.id, self.source, m.offset, m.inside_long_line, m.head_length, m.head_hash,
            m.tail_length, m.tail_hash, self.size, self.state.stored,
            m.week, *self.identity, self.was_live, self.compared_until, self.is_over,
            self.last_read,
        )  # fmt: skip

    @property
    def state(self) -> GenerationState:
        """Its state; ValueError for one that may not follow."""
        return self._state

    @state.setter
    def state(self, state: GenerationState) -> None:
        if state is not self._state and state not in TRANSITIONS[self._state]:
            raise ValueError(f"a generation that is {self._state} cannot become {state}")
        self._state = state

    @property
    def compared_until(self) -> int:
        """Event time (ms UTC) up to which its searches are compared with what is counted."""
        return 0 if self.is_past_log_before else self.compare_until or 0

    @property
    def has_unread(self) -> bool:
        """Tell whether its file may hold something that is not read; an archive always may."""
        size = 0 if self.file is None else self.file.size()
        return size is None or size > self.fingerprint.offset

    @property
    def is_over(self) -> bool:
        """Tell whether its row may go; the last log's stays, to know how the next one goes on."""
        return self.state.is_over and not (self.is_last_log and self.state is FINISHED)

    def changed(self) -> bool:
        """Tell whether there is anything to store; one of which nothing was read needs no row."""
        if self._stored is None:
            return self.fingerprint.offset > 0 and not self.is_over
        return self.position() != self._stored

    def committed(self, position: GenerationPosition) -> None:
        """So much is in the database; more may have been read meanwhile."""
        self._stored = position
        self._release_previous()

    def switch_file(self, file: File, keys: FingerprintKeys) -> None:
        """Go on in another file that holds all of the one so far."""
        before, kept = self.file, not self.lost_previous_content(keys)
        self.file, self.identity, self.was_open_at_start = file, file.identity, False
        if kept and isinstance(before, PlainFile):
            self.previous_end = fingerprint_at(before, before.size(), keys)
            before, self.previous_file = self.previous_file, before
        if before is not None:
            before.close()
        self._release_previous()

    def _release_previous(self) -> None:
        """Close the file of before when nothing in it will be read again."""
        stored = 0 if self._stored is None else self._stored.offset
        if self.previous_file is not None and stored >= self.previous_end.offset:
            self.previous_file.close()
            self.previous_file = None

    def lost_previous_content(self, keys: FingerprintKeys) -> bool:
        """Tell whether the file has lost something that the previous one had."""
        return self.previous_file is not None and not self._holds(self.previous_end, keys)

    def drop_file(self, keys: FingerprintKeys) -> None:
        """Its file holds something else now; the one of before may still hold the rest."""
        self.file = before = self._previous_if_usable()
        if before is not None and not self.is_intact(keys):
            before.close()
            self.file = None

    def _previous_if_usable(self) -> PlainFile | None:
        """The file of before, to be read again, if that reaches as far as the mark.

        Else it is kept, in case that what was read of the other one cannot be stored.
        """
        before = self.previous_file
        if before is None or self.fingerprint.offset > self.previous_end.offset:
            return None
        self.previous_file = None
        if not self.fingerprint.offset:
            # More was read of the other file than this one holds: it is read from its front.
            self.fingerprint = self.previous_end.beginning()
        return before

    def close(self) -> None:
        """Give all descriptors back."""
        for file in (self.file, self.previous_file):
            if file is not None:
                file.close()
        self.file = self.previous_file = None

    def roll_back(self) -> None:
        """Forget what was read since the last commit; the open file stays open.

        One that was closed without being read stays closed.
        """
        if self._stored is None:
            had_lines = self.fingerprint.offset > self.initial_fingerprint.offset
            # The head stays known, so that other content in its place is not taken for it; what
            # a copy cut short begins with does not: nothing is counted of it.
            self.fingerprint = (
                self.initial_fingerprint
                if self.initial_fingerprint.offset
                else self.fingerprint.beginning()
            )
            is_read_again = self.state is READ or (self.state is FINISHED and had_lines)
            self._state = OPEN if is_read_again else self.state
            self.last_read = 0
        else:
            stored = Generation.restored(self._stored)
            self.fingerprint, self.last_read = stored.fingerprint, stored.last_read
            if not self.state.is_over:
                self._state = stored.state
        self.file = self.file or self._previous_if_usable()
        if self.file is not None:
            self._state = OPEN
        self.may_have_more, self.is_begun, self.is_past_log_before, self.read_attempted = (
            True,
            False,
            False,
            False,
        )

    def is_intact(self, keys: FingerprintKeys) -> bool:
        """Tell whether the open file still holds what is counted."""
        return self._holds(self.fingerprint, keys)

    def _holds(self, mark: Fingerprint, keys: FingerprintKeys) -> bool:
        if self.file is None or not mark.head_length:
            return False
        head = self.file.read(0, mark.head_length)
        return same_head(head, mark, keys) and same_tail(self.file, mark, keys)

    @property
    def is_deleted(self) -> bool:
        """No name leads to its file any more, and there is something in it."""
        file = self.file
        return isinstance(file, PlainFile) and file.stat().st_nlink == 0 and file.size() > 0

    def has_no_more_in(self, file: File) -> bool:
        """Tell whether all of a file is counted, and either stored or left out.

        Otherwise it is held: when that cannot be stored, it may be the last way to these lines.
        """
        # The end of a file may be the end of an over-long line, which has its outcome to come.
        if self.fingerprint.inside_long_line or file.read(self.fingerprint.offset, 1):
            return False
        return self.state.is_skipped or not self.changed()

    def note_front(self, keys: FingerprintKeys) -> None:
        """Remember how an unread file begins and how long it is, as long as this process runs.

        Of one that is read in part, its length alone, where it holds what was counted.
        """
        if self.file is None or (self.fingerprint.offset and not self.is_intact(keys)):
            return
        self.size = max(self.size, self.file.size() or 0)
        if not self.fingerprint.offset and not self.fingerprint.head_length:
            head, key = self.file.read_sound(0, HEAD), keys.key(IN_MEMORY)
            if head and key is not None:
                self.fingerprint = Fingerprint(
                    0, False, len(head), keyed_hash(head, key), week=IN_MEMORY
                )

    def renew_fingerprint(self, keys: FingerprintKeys, before: int) -> None:
        """Make the fingerprint again, before the keys of the weeks ``before`` one (ms UTC) go.

        That of an archive is forgotten, since it would have to be decoded again: an archive that
        is interrupted is compared with what is stored.
        """
        mark = self.fingerprint
        if not mark.offset or not mark.head_length or mark.week >= before:
            return
        if isinstance(self.file, PlainFile) and self.is_intact(keys):
            self.fingerprint = fingerprint_at(
                self.file, mark.offset, keys, skipping=mark.inside_long_line, week=before
            )
        else:
            self.fingerprint = Fingerprint(mark.offset, mark.inside_long_line)
