"""The history of a source: counted beside its live log, in larger steps, and closed as it goes."""

from __future__ import annotations

from donkeywatch.counting.watermark import Frontier
from donkeywatch.counting.windows import MINUTE, SECOND, floor
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.machine import once
from donkeywatch.runtime.pipeline import Stream
from donkeywatch.store.store import BACKFILLED


class Archive:
    """What is taken of a stream from now on until the end; ``now`` is the wall clock, ms UTC."""

    def __init__(self, engine: Engine, stream: Stream) -> None:
        self._engine, self._stream = engine, stream
        self._frontier = stream.archive = Frontier()
        engine.store.hurry(hurried=True)
        # What is counted here may stand in the live log, too, behind where that is counted to.
        engine.store.set(BACKFILLED, str(engine.now))

    def abandon(self) -> None:
        """Forget what is not stored: an interruption may have come between bytes and counts."""
        self._engine.forget()
        self._stream.roll_back()

    def commit(self, now: int) -> None:
        """Store what was counted and close what the event time of the archive has passed.

        What is being read meanwhile is not waited for: call `Engine.settle` before where that
        matters.
        """
        engine = self._engine
        engine.store_batch(engine.positions(), now)
        newest = self._frontier.newest
        if newest is None:
            return
        watermark = newest - round(engine.settings.time.lateness * SECOND)
        if engine.closer.ends_week(watermark):
            # Nothing that was made with a key may be stored when that is destroyed.
            engine.settle(now)
            engine.store_batch(engine.positions(), now)
            with once():
                closed = engine.closer.close_ended(watermark, None)
                engine.settle(now)
                closed()
                # It finds all closed; what is due is destroyed, in part at the next commits.
                confirmed = engine.timekeeper.clocks.proven
                engine.closer.close(watermark, now, watermark, confirmed=confirmed, aside=True)
        else:
            engine.closer.close_aside(watermark)

    def end(self, now: int) -> None:
        """Close all that has ended by the wall clock, and move the rolling windows up.

        No key is destroyed here: the live log may go on where the archive stops.
        """
        engine, stream, newest = self._engine, self._stream, self._frontier.newest
        stream.archive = None
        if newest is not None and newest > (stream.frontier.newest or 0):
            stream.frontier.newest = newest
            stream.coverage.until = stream.archived.until
        engine.settle(now)
        engine.store.hurry(hurried=False)
        engine.store_batch(engine.positions(), now)
        end = None
        if newest is not None and newest + MINUTE > engine.store.rolling_end():
            end = floor(newest + MINUTE, MINUTE)
        # For this one look the rolling windows are not built to be moved, if they can be had so.
        with once():
            closed = engine.closer.close_ended(now, end if engine.rolling.end is None else None)
            engine.settle(now)
            seen = closed()
        if end is not None and not seen:
            engine.rolling.reach(end)
            seen = engine.rolling.figures()
        if end is not None:
            engine.store.show(seen)
        engine.closer.destroy_doomed()
