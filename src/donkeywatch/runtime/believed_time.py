"""The wall clock beside one that never jumps: what time it is as far as can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, SECOND, iso_utc
from donkeywatch.counting.observations import Times

BUILD_TIME_MS = 1_767_225_600_000
"""No clock that is right shows a time before this program was made: 2026-01-01, ms UTC."""
EVEN_RUN_MS = 6 * HOUR
"""After so long without a jump a clock may end a week and forget history (ms)."""
TRIAL_AHEAD_MS = 10 * MINUTE
"""A clock that jumped ahead is not believed before it has run evenly for so long (ms)."""
TRIAL_BACK_MS = 10 * SECOND
"""The same of one that was set back: what it shows has been believed before (ms)."""
MAX_STOP_MS = 90 * DAY
"""A start this long after the last commit is taken for a start after a stop (ms)."""


@dataclass(frozen=True, slots=True)
class StoredClock:
    """What the database knows of the clock, so that a start under a wrong one is noticed."""

    time: int
    """The time that was believed at the last commit, ms UTC."""
    even: int = 0
    """For how long that clock had run evenly, ms; `EVEN_RUN_MS` at the most."""
    proven: bool = True
    """It was trusted to destroy what is due."""
    doubted: bool = False
    """The wall clock showed another time."""
    sure: int = 0
    """The latest time of a clock that was trusted so far, ms UTC; 0 if it was none."""

    @classmethod
    def parse(cls, text: str) -> StoredClock:
        """From the text in the database."""
        time, even, proven, doubted, sure = (int(part) for part in text.split())
        return cls(time, even, bool(proven), bool(doubted), sure)

    def plausible(self, now: int) -> int:
        """``now``, or the stored time where the wall clock can hardly be right; ms UTC."""
        return now if -MINUTE <= now - self.time <= MAX_STOP_MS else self.time

    def __str__(self) -> str:
        return f"{self.time} {self.even} {int(self.proven)} {int(self.doubted)} {self.sure}"


class ClockJumpDetector:
    """Decides which time is believed; all times are in ms.

    A clock that jumps is doubted. Meanwhile the time that was believed goes on with the steady
    clock. The jump is forgotten when the wall clock comes back to that time, and it is believed
    once it has run evenly for as long as the clock before it had: `EVEN_RUN_MS` at the most.
    """

    def __init__(self, stored: StoredClock | None = None) -> None:
        self._stored = stored
        self._last: tuple[int, int] | None = None
        self._believed: tuple[int, int] | None = None
        """A wall time and the steady time at which it was believed."""
        self._inherited = False
        """The believed time is that of the last commit: it may be any later."""
        self._judged = False
        """The wall clock has shown a time that is possible at all."""
        self._doubted_since: int | None = None
        self._ahead = 0
        self._even = 0
        self._proven = False
        self._stopped = 0
        self._sure = None if stored is None else stored.time if stored.proven else stored.sure
        self.wall = 0
        """What the wall clock showed at the last look."""
        self.jumps = 0
        """Jumps since the owner last cleared this."""
        self.moved = 0
        """How far the believed time was moved by the last look: another clock is believed."""
        self.changes = 0
        """Rises with every jump and every change of what is believed."""

    def observe(self, now: int, steady: int) -> int | None:
        """The time that is believed; None while none is known."""
        if self.proven:
            self._sure = self.wall
        last, self._last = self._last, (now, steady)
        self.wall, self.moved = now, 0
        if last is None:
            self._judge(now, steady)
            self.jumps += self.doubted
            return self.time(steady)
        elapsed = steady - last[1]
        if abs(now - last[0] - elapsed) > MINUTE:
            self.jumps += 1
            self._judge(now, steady)
        elif self._doubted_since is not None:
            self._adopt_if_even(now, steady)
        elif self._believed is not None:
            self._believed = (now, steady)
            self._even = min(EVEN_RUN_MS, self._even + elapsed)
        return self.time(steady)

    def time(self, steady: int) -> int | None:
        """The time that is believed, without another look at the wall clock."""
        return None if self._believed is None else self._believed[0] + steady - self._believed[1]

    @property
    def doubted(self) -> bool:
        """Tell whether the wall clock shows a time that is not believed."""
        if self._last is None:
            return False
        return self._believed is None or self._doubted_since is not None

    @property
    def exact(self) -> bool:
        """Tell whether the believed time is known, not only a time that it is later than."""
        return self._believed is not None and not self._inherited

    @property
    def proven(self) -> bool:
        """Tell whether the clock is confirmed, so that what is due by it may be destroyed."""
        return (
            self._last is not None
            and not self.doubted
            and (self._proven or self._even >= EVEN_RUN_MS)
        )

    @property
    def sure(self) -> int | None:
        """The latest time that has come beyond doubt, ms UTC; what is due by then is destroyed."""
        return self.wall if self.proven else self._sure or None

    @property
    def stop(self) -> tuple[int, int] | None:
        """Begin and end (ms UTC) of the stop before this start, if the clock alone tells of it."""
        if self._stored is None or not self._stopped or self.proven:
            return None
        return self._stored.time, self._stopped

    def prove(self) -> None:
        """Something else has told the same time."""
        self._proven, self._stopped = True, 0

    def doubtful(self, times: Times, future: int) -> npt.NDArray[np.bool_]:
        """Tell which stamps one of the two clocks takes for the future, and the other does not."""
        believed = None if self._last is None else self.time(self._last[1])
        if believed is None or not self.doubted:
            return np.zeros(len(times), bool)
        past = times <= min(self.wall, believed) + future
        if self._inherited:
            return ~past
        return ~past & (times <= max(self.wall, believed) + future)

    def stored(self) -> StoredClock | None:
        """Give what a commit stores of the clock."""
        time = None if self._last is None else self.time(self._last[1])
        if time is None:
            return None
        doubted = self._doubted_since is not None
        proven = self._proven or self._even >= EVEN_RUN_MS
        return StoredClock(time, self._even, proven, doubted, self._sure or 0)

    @property
    def problem(self) -> str | None:
        """Why the wall clock is not believed; the same text for as long as that lasts."""
        if not self.doubted:
            return None
        if self.wall < BUILD_TIME_MS:
            return f"the clock is wrong: it shows a time before {iso_utc(BUILD_TIME_MS)[:10]}"
        way = "ahead" if self._ahead > 0 else "back"
        return (
            f"the clock jumped {way} by {abs(self._ahead) // SECOND} s and is not believed before"
            f" it has run evenly for {self._trial // SECOND} s; lines that it decides on wait"
        )

    def _judge(self, now: int, steady: int) -> None:
        """Decide on a wall clock that is seen for the first time, or has jumped."""
        self.changes += 1
        stored = self._stored
        if self._believed is None and stored is not None:
            self._believed, self._inherited = (stored.time, steady), True
            self._even, self._proven = stored.even, stored.proven
        judged, self._judged = self._judged, self._judged or now >= BUILD_TIME_MS
        if now < BUILD_TIME_MS:
            self._doubt(now, steady)
        elif self._believed is None:
            # Nothing is older than this clock, so nothing that it could destroy wrongly.
            self._believe(now, steady, 0, proven=True)
        elif -MINUTE <= now - self._expected(steady) <= (DAY if self._inherited else MINUTE):
            short = now - self._expected(steady) <= TRIAL_AHEAD_MS
            if self._proven and not short:
                self._stopped = now
            # One that was wrong when the last process ended may be wrong in another way now.
            sure = short and (judged or stored is None or not stored.doubted)
            self._believe(now, steady, self._even if sure else 0, proven=self._proven and sure)
        elif stored is not None and self._inherited and not (judged or stored.doubted):
            if DAY < now - self._expected(steady) <= MAX_STOP_MS:
                self._believe(now, steady, 0, proven=False)
                self._stopped = now if stored.proven else 0
            else:
                self._doubt(now, steady)
        else:
            self._doubt(now, steady)

    def _expected(self, steady: int) -> int:
        time = self.time(steady)
        assert time is not None  # noqa: S101 - only asked where one is believed
        return time

    def _believe(self, now: int, steady: int, even: int, *, proven: bool) -> None:
        self._believed, self._doubted_since, self._inherited = (now, steady), None, False
        self._even, self._proven = even, proven

    def _doubt(self, now: int, steady: int) -> None:
        self._doubted_since = steady
        self._ahead = 0 if self._believed is None else now - self._expected(steady)

    @property
    def _trial(self) -> int:
        """Give for how many ms the doubted clock has to run evenly before it is believed."""
        if 0 < self._ahead <= DAY:
            return TRIAL_AHEAD_MS
        return max(self._even, TRIAL_AHEAD_MS if self._ahead > 0 else TRIAL_BACK_MS)

    def _adopt_if_even(self, now: int, steady: int) -> None:
        if self._doubted_since is None or now < BUILD_TIME_MS:
            return
        even = steady - self._doubted_since
        if even >= self._trial:
            self.changes += 1
            self.moved, self._stopped = now - self._expected(steady), 0
            if self._sure is not None:
                self._sure = min(self._sure, now)
            self._believe(now, steady, min(EVEN_RUN_MS, even), proven=False)
