"""A simulated server that writes its log in real time and rotates it."""

import threading
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from donkeywatch.simulation.generator import Entries, HourSampler, Simulation, tally, weights
from donkeywatch.simulation.truth import Truth


class LiveWriter:
    """Writes a log as a server does, in real time, renaming it when it has grown too large.

    `rate` is lines a second, as a mean over the week. The log is renamed to `<name>.1`, ... and
    `keep` of those are kept. `sim` gives everything but the rate; its `start` and `hours` only
    say how far the growth has come.
    """

    def __init__(
        self, sim: Simulation, path: Path, rate: float, rotate_bytes: int, keep: int, seed: int
    ) -> None:
        """Prepare; nothing is written before the second step."""
        self.truth = Truth()
        self._sim, self._path, self._seed = sim, path, seed
        self._limit, self._keep = rotate_bytes, keep
        each = (3 if sim.format == "enode-go" else 1) * (1 + sim.noise)
        self._searches = rate / each
        self._now: int | None = None

    def step(self, now: datetime) -> int:
        """Append the lines due since the last step, up to `now` (aware), and count them."""
        end = int(now.timestamp() * 1000)
        since = end if self._now is None else self._now
        self._path.touch()
        before = self.truth.lines.total()
        for minute in range(since // 60_000, end // 60_000 + 1):
            self._append(self._minute(minute), since, end)
        self._now = max(since, end)
        return self.truth.lines.total() - before

    def run(self, stop: threading.Event, interval: float = 0.2) -> None:
        """Step by the real clock every `interval` seconds until told to stop."""
        while not stop.wait(interval):
            self.step(datetime.now(UTC))

    @lru_cache(maxsize=2)  # noqa: B019 - a writer lives as long as its process
    def _minute(self, minute: int) -> Entries:
        start_ms = minute * 60_000
        expected = weights(start_ms) * (self._searches * 60)
        draw = HourSampler(self._sim, (self._seed, 2, minute))
        return draw.entries(start_ms, 60_000, expected)

    def _append(self, entries: Entries, since: int, end: int) -> None:
        due = [i for i, time in enumerate(entries.times) if since < time <= end]
        for first in range(0, len(due), 256):
            lines = due[first : first + 256]
            with self._path.open("ab") as log:
                log.write("".join(entries.texts[i] for i in lines).encode("latin-1"))
                size = log.tell()
            queries = [q for i in lines if (q := entries.queries[i]) is not None]
            outcomes = [entries.outcomes[i] for i in lines]
            self.truth.add(queries, tally(self._sim, len(queries), outcomes))
            if size > self._limit:
                self._rotate()

    def _rotate(self) -> None:
        old = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1)]
        for newer, older in reversed(list(zip([self._path, *old], old, strict=False))):
            if newer.exists():
                newer.replace(older)
        if not self._keep:
            self._path.unlink()
        self._path.touch()
