"""The round: every row once, then again; the same cores, a warm page cache, a fresh place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from comparison import monitor
from comparison.contender import Contender, Site
from comparison.figures import Errors, Figures, distance, errors
from comparison.input import Input
from comparison.process import Failed, Run, measure
from comparison.result import Outcome

NEAR = 0.001
"""Forms whose worst column is so little farther from the truth are as near as the nearest."""
CHUNK = 1 << 24
Tell = Callable[[str], None]


@dataclass
class _Entry:
    """A row while it is being run."""

    contender: Contender
    runs: list[Run] = field(default_factory=list)
    errors: Errors = field(default_factory=dict)
    weeks: Errors = field(default_factory=dict)
    failure: str = ""

    def outcome(self, lines: int) -> Outcome:
        first = self.contender
        return Outcome(
            first.name, first.form, lines, first.log, first.leaves_out,
            self.runs, self.errors, self.weeks, self.failure,
        )  # fmt: skip


@dataclass(frozen=True)
class Harness:
    """Runs contenders on some cores; `scratch` is where their places are made."""

    cores: list[int]
    scratch: Path
    timeout: float
    tell: Tell

    def compare(
        self, contenders: Sequence[Contender], made: Input, lines: int, runs: int
    ) -> list[Outcome]:
        """Every contender `runs` times, in turns; one that fails is not asked again."""
        entries = [_Entry(item) for item in contenders]
        for turn in range(runs):
            for entry in entries:
                if entry.failure:
                    continue
                self._turn(entry, made)
                last = f"{entry.runs[-1].wall:.2f} s" if not entry.failure else entry.failure
                self.tell(f"{lines:,} lines, {turn + 1}/{runs}, {entry.contender.label}: {last}")
        return [entry.outcome(lines) for entry in entries]

    def _turn(self, entry: _Entry, made: Input) -> None:
        first = entry.contender
        cores = self.cores[: first.cores]
        place = Path(tempfile.mkdtemp(prefix="run-", dir=self.scratch))
        site = Site(place, made, len(cores))
        warm(made.log(first.log))
        try:
            command = first.prepare(site)
            env = {"PYTHONPATH": str(Path(__file__).parents[1])}
            run = measure(command, place, set(cores), env, self.timeout)
            self._check(entry, site)
            entry.runs.append(run)
        except Failed as failure:
            entry.failure = str(failure)
            self.tell(f"what {first.label} said is in {place.name}")
            return
        shutil.rmtree(place)

    def _check(self, entry: _Entry, site: Site) -> None:
        """Compare the figures of a run with the truth; the worst run counts."""
        truth = site.input.truth()
        block = errors(entry.contender.read(site), truth["hours"])
        entry.errors = _worse(entry.errors, block)
        if entry.contender.read is monitor.hours:
            entry.weeks = _worse(entry.weeks, errors(_named(monitor.weeks(site)), truth["weeks"]))


def _named(weeks: Figures) -> Figures:
    """Weeks by their ISO names instead of their first days."""
    return {date.fromisoformat(day).strftime("%G-W%V"): counts for day, counts in weeks.items()}


def _worse(before: Errors, now: Errors) -> Errors:
    return now if not before or distance(now) >= distance(before) else before


def pick(qualified: Sequence[Outcome], contenders: Sequence[Contender]) -> list[Contender]:
    """The form of each tool that is nearest to the truth, and the quickest of those."""
    chosen = []
    for name in dict.fromkeys(item.name for item in contenders):
        forms = [item for item in contenders if item.name == name]
        ran = [item for item in qualified if item.name == name and item.runs]
        if ran:
            nearest = min(distance(item.errors) for item in ran) + NEAR
            near = [item for item in ran if distance(item.errors) <= nearest]
            best = min(near, key=lambda outcome: outcome.median("wall")).form
            forms = [item for item in forms if item.form == best]
        chosen.append(forms[0])
    return chosen


def warm(path: Path) -> None:
    """Read a file once, so that it is in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(CHUNK):
            pass


def first_cores(count: int) -> list[int]:
    """The first of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))[:count]
