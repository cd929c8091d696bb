"""What a session of runs came to, as it is kept in `performance.json`."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from comparison.figures import Errors, verdict
from comparison.process import Run

BASE = "donkeywatch"


@dataclass(frozen=True)
class Outcome:
    """The runs of one row at one size; `failure` tells why there are none."""

    name: str
    form: str
    lines: int
    log: str
    leaves_out: str = ""
    runs: list[Run] = field(default_factory=list)
    errors: Errors = field(default_factory=dict)
    weeks: Errors = field(default_factory=dict)
    failure: str = ""

    def median(self, of: str) -> float:
        """Of `wall`, `cpu` or `peak`."""
        return statistics.median(self._values(of))

    def span(self, of: str) -> tuple[float, float]:
        """The least and the most."""
        return min(self._values(of)), max(self._values(of))

    def _values(self, of: str) -> list[float]:
        return [getattr(run, of) for run in self.runs]

    @property
    def verdict(self) -> str:
        """How its figures compare with the truth."""
        if self.failure:
            return self.failure
        wrong = self.weeks and verdict(self.weeks) != "exact"
        return verdict(self.errors) + (f"; weeks: {verdict(self.weeks)}" if wrong else "")


@dataclass(frozen=True)
class Session:
    """All there is to tell."""

    date: str
    command: str
    machine: dict[str, str]
    inputs: list[dict[str, Any]]
    qualifying: list[Outcome]
    outcomes: list[Outcome]
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    """By log, where donkeywatch's time goes in one process: ns of CPU a line by stage."""

    def base(self, lines: int) -> Outcome | None:
        """The row that the others of a size are compared with."""
        rows = (o for o in self.outcomes if o.lines == lines and o.name == BASE and o.runs)
        return next(rows, None)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Session:
        """Read back what `save` wrote."""
        document = json.loads(path.read_text(encoding="utf-8"))
        for key in ("qualifying", "outcomes"):
            document[key] = [
                Outcome(**{**item, "runs": [Run(**run) for run in item["runs"]]})
                for item in document[key]
            ]
        return Session(**document)


def machine(cores: set[int], versions: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The processor, the system and the versions; nothing that names this computer."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": f"{len(cores)} of {os.cpu_count()}",
        "memory": f"{memory:.0f} GB",
        "kernel": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        **versions(),
    }


def said_by(*command: str) -> str:
    """The first line that a program prints of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]
