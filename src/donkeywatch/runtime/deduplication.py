"""Sets up a recogniser for each file that may be a copy, and records what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from donkeywatch.counting.calendar import HOUR
from donkeywatch.counting.checkpoint_batch import BatchBuilder
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.lateness import JudgedQueries
from donkeywatch.ingest.log_copy_exclusion import leave_out_counted, newest_search
from donkeywatch.ingest.log_copy_recogniser import Recogniser
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.store.store import TICKS_SINCE, Store


@dataclass(slots=True)
class Deduplicator:
    """Compares blocks of files that may be copies with the rows in the database."""

    store: Store
    keyring: Keyring
    batch_builder: BatchBuilder
    withholds: bool = True
    """Searches at the times of counted ones, with other addresses, are not counted."""

    def new_lines(
        self, stream: FollowedSource, block: LineBlock, judged: JudgedQueries
    ) -> tuple[JudgedQueries, int]:
        """Give what is new of a block, and how many lines of it that were too long are new."""
        if not block.compare_until:
            return judged, block.too_long
        recogniser = stream.recogniser(block, lambda: self._recogniser(stream, block))
        kept, too_long, left_out = leave_out_counted(
            judged,
            block.too_long,
            block.data,
            stream.reader.reader,
            recogniser,
            # Nothing is added to an archive: the outcomes at its end were counted with the rest,
            # and a backfill that is repeated counts nothing.
            more_follows=stream.backfill_frontier is not None or block.more_follows,
        )
        if len(kept.time):
            stream.follower.registry.note_new(
                block.generation, went_on=recogniser.is_past_log_before
            )
        stream.left_out.update(left_out)
        stream.unknowable.update(recogniser.unknowable)
        recogniser.unknowable.clear()
        for reason, lines in left_out.items():
            self.batch_builder.count_left_out(stream.source.name, reason, lines)
        return kept, too_long

    def _recogniser(self, stream: FollowedSource, block: LineBlock) -> Recogniser:
        return Recogniser(
            lambda hour: self.store.segments(hour, hour + HOUR),
            self.keyring,
            block.compare_until,
            int(self.store.setting(TICKS_SINCE) or 0),
            block.before,
            newest_search(block.before or b"", stream.reader.reader),
            self.withholds and not block.resumed,
            is_foreign=stream.backfill_frontier is not None,
        )
