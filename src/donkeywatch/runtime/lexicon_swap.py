"""A new word list that waits for the next hour, so that no hour is counted with two of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from donkeywatch.counting.calendar import HOUR, floor_to
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.reference_data import ReferenceData


@dataclass(frozen=True, slots=True)
class LexiconSwap:
    """The files to go on with from an hour's beginning (``hour``, ms UTC)."""

    reference_data: ReferenceData
    hour: int

    @classmethod
    def for_new_list(
        cls, new: ReferenceData, running: ReferenceData, now: int
    ) -> tuple[ReferenceData, LexiconSwap | None]:
        """Give the files to go on with at once, and the swap where the new word list differs."""
        if new.lexicon == running.lexicon:
            return new, None
        return replace(new, lexicon=running.lexicon), cls(new, floor_to(now, HOUR) + HOUR)

    def is_due(self, engine: Engine, now: int, steady: int) -> bool:
        """Tell, after a turn of the engine, whether the hour has come and older lines are counted.

        ``now`` is the wall clock and ``steady`` a clock that never jumps, both ms.
        """
        time = engine.clock_gate.believed_time(now, steady)
        if time is None or time < self.hour:
            return False
        return not any(stream.has_unread(self.hour) for stream in engine.streams)
