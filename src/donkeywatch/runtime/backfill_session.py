"""Commits, and closes windows, while an archive is backfilled."""

from __future__ import annotations

from donkeywatch.counting.calendar import MINUTE, SECOND, floor_to
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.runtime.archive_closer import ArchiveCloser
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.followed_source import FollowedSource
from donkeywatch.runtime.memory_tuning import transient_allocations
from donkeywatch.store.store import BACKFILLED


class BackfillSession:
    """What is taken of a stream from now on until the end; ``now`` is the wall clock, ms UTC."""

    def __init__(self, engine: Engine, stream: FollowedSource) -> None:
        self._engine, self._stream = engine, stream
        self._closer = ArchiveCloser(engine.store, engine.window_closer, engine.destroyer)
        self._frontier = stream.backfill_frontier = EventTimeFrontier()
        engine.store.sync_commits(enabled=False)
        # What is counted here may stand in the live log, too, behind where that is counted to.
        engine.store.set(BACKFILLED, str(engine.now))

    def discard_uncommitted(self) -> None:
        """Forget what is not stored: an interruption may have come between bytes and counts."""
        self._engine.discard_uncommitted()
        self._stream.roll_back()

    def commit(self, now: int) -> None:
        """Store what was counted and close what the event time of the archive has passed.

        What is being read meanwhile is not waited for: call `Engine.drain` before where that
        matters.
        """
        engine = self._engine
        engine.commit_batch(engine.counted_positions(), now)
        newest = self._frontier.max_time
        if newest is None:
            return
        watermark = newest - round(engine.settings.time.lateness * SECOND)
        if self._closer.crosses_week(watermark):
            # Nothing that was made with a key may be stored when that is destroyed.
            engine.drain(now)
            engine.commit_batch(engine.counted_positions(), now)
            with transient_allocations():
                self._closer.close_all(watermark, None, lambda: engine.drain(now))
                # It finds all closed; what is due is destroyed, in part at the next commits.
                confirmed = engine.clock_gate.clocks.proven
                engine.window_closer.close(
                    watermark, now, watermark, confirmed=confirmed, is_archive=True
                )
        else:
            self._closer.close_hours(watermark)

    def finish(self, now: int) -> None:
        """Close all that has ended by the wall clock, and move the rolling windows up.

        No key is destroyed here: the live log may go on where the archive stops.
        """
        engine, stream, newest = self._engine, self._stream, self._frontier.max_time
        stream.backfill_frontier = None
        if newest is not None and newest > (stream.frontier.max_time or 0):
            stream.frontier.max_time = newest
            stream.coverage.decided_until = stream.backfill_coverage.decided_until
        engine.drain(now)
        engine.store.sync_commits(enabled=True)
        engine.commit_batch(engine.counted_positions(), now)
        end = None
        if newest is not None and newest + MINUTE > engine.store.rolling_end():
            end = floor_to(newest + MINUTE, MINUTE)
        # For this one look the rolling windows are not built to be moved, if they can be had so.
        with transient_allocations():
            rolling_results = self._closer.close_all(
                now, end if engine.rolling.end is None else None, lambda: engine.drain(now)
            )
        if end is not None and not rolling_results:
            engine.rolling.advance_fully(end)
            rolling_results = engine.rolling.figures()
        if end is not None:
            engine.store.replace_rolling(rolling_results)
        engine.destroyer.delete_sealed_rows()
