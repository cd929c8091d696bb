"""The page of what log followers lose and double, rendered from results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COMMAND = "make conformance-peers"
OURS = "donkeywatch"
RUNS = 3
"""At least so many runs of each script."""
FAILED = "-"
"""In place of ``lost/doubled`` for a run that could not be made."""


@dataclass(frozen=True)
class Setup:
    """A tool and how it is set up."""

    tool: str
    choice: str
    message: str

    @property
    def key(self) -> str:
        """Its name among the results."""
        return f"{self.tool}, {self.choice}" if self.choice else self.tool


_MTAIL = "a program with one counter labelled by line; polls every 250 ms; lives are summed"
_IMFILE = (
    "inotify; state persisted for every line and after submission; `reopenOnTruncate`; direct main"
    " queue; omfile, not asynchronous"
)
_PYGTAIL = (
    "a script that asks for new lines every 0.1 s; `paranoid`, `copytruncate`; pieces are written"
    " to a file as they come"
)
SETUPS = (
    Setup(OURS, "", "`donkeywatch run`, inotify, a commit every 0.05 s and a scan every second"),
    Setup("mtail", "path", f"{_MTAIL}; `--logs search.log`"),
    Setup("mtail", "glob", f"{_MTAIL}; `--logs 'search.log*'`"),
    Setup("rsyslog imfile", "path", f"{_IMFILE}; `File` is `search.log`"),
    Setup("rsyslog imfile", "glob", f"{_IMFILE}; `File` is `search.log*`"),
    Setup("pygtail", "full lines", f"{_PYGTAIL}; `full_lines`"),
    Setup("pygtail", "any", f"{_PYGTAIL}; lines before they are whole, too"),
)
TOOLS = tuple(dict.fromkeys(setup.tool for setup in SETUPS))


def exact(runs: str) -> int:
    """How many runs lost nothing and doubled nothing."""
    return runs.split().count("0/0")


def always(runs: str) -> bool:
    """Were all runs exact?"""
    return exact(runs) == len(runs.split())


def cell(runs: str) -> str:
    """The worst run, and how many were exact if some were and some were not."""
    made = runs.split()
    if FAILED in made:
        return FAILED
    worst = max(made, key=lambda run: sum(map(int, run.split("/"))))
    part = f" ({exact(runs)} of {len(made)} exact)" if 0 < exact(runs) < len(made) else ""
    return f"{worst}{part}"


def shown(results: dict[str, Any]) -> list[Setup]:
    """For each tool the set-up with the most exact scripts, then with the most exact runs."""

    def merit(setup: Setup) -> tuple[int, int]:
        runs = [row["runs"][setup.key] for row in results["rows"]]
        return sum(map(always, runs)), sum(map(exact, runs))

    return [max((s for s in SETUPS if s.tool == tool), key=merit) for tool in TOOLS]


def table(*rows: list[str]) -> str:
    """A table of Markdown; the first row is its head."""
    head, *body = [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join([head, "|---" * len(rows[0]), "|\n", *body])


def rendered(results: dict[str, Any]) -> str:
    """The page."""
    best = shown(results)
    rows = results["rows"]
    summary = [["tool", "version", "set-up", "scripts exact", "runs exact", "in the table"]]
    for setup in SETUPS:
        runs = [row["runs"][setup.key] for row in rows]
        summary.append([
            setup.tool, str(results["versions"][setup.tool]), setup.message,
            f"{sum(map(always, runs))} of {len(rows)}",
            f"{sum(map(exact, runs))} of {len(' '.join(runs).split())}",
            "yes" if setup in best else "no",
        ])  # fmt: skip
    outcome = [["scenario", "lines", *TOOLS]]
    for row in rows:
        named = [cell(row["runs"][setup.key]) for setup in best]
        outcome.append([row["script"], str(row["lines"]), *named])
    message = [["", ""], *([name, str(value)] for name, value in results["circumstances"].items())]
    return TEXT.format(
        least=RUNS, summary=table(*summary), outcome=table(*outcome), told=table(*message)
    ) + (NOTE if any(item == FAILED for line in outcome for item in line) else "")


NOTE = "\n`-`: a run could not be finished: the tool did not start, or not end when told to.\n"
TEXT = """\
# What log followers lose and double

Each of the tools below follows a log while a script does to it what happens to logs: rotations,
truncations, replacements, restarts and kills. Each line of the log is different, and afterwards the
tool's own output is compared with what was written. **Lost** are lines that were written and that
the tool never told of, **doubled** are lines that it told of again. A cell is `lost/doubled`;
`0/0` is exact. Lines that were gone before any reader could have read them are not held against
anybody. Every tool is taken through the same scripts by the same code (`tests/conformance`).

Every script runs at least {least} times for each set-up: with a server that reopens its log for
each line and one that keeps it open, with readers that are stopped (SIGTERM) and killed (SIGKILL),
as far as this makes a difference to the script. **A cell shows the worst run**, and how many were
exact if some were. Every run ends with one more restart. A peer that tells nothing new for two
seconds is taken to have read what it will.

{summary}
Where a tool leaves a choice, both were run, and the one with more exact scripts is in the table.
A letter and a number name the scenario in `tests/conformance/scenarios.py`.

{outcome}
{told}
## What the runs leave out

- The scripts were written to test donkeywatch, which exists to count each line once. mtail keeps no
  state over a restart by design: lines that are written while it is not running are lost to it.
  What pygtail is made for is a look at a log now and then, what imfile is made for is forwarding.
- Versions of the peers are those that Debian and PyPI give; newer ones may do better. Other
  followers were not run.
- Polling in place of inotify, and archives that are compressed, except in the scripts that say so.
- Speed, high load, network file systems, power loss and full disks.
- Chance: a race that is lost once in a thousand runs does not show in a handful.

`{command}` writes this page; it needs mtail, rsyslog and logrotate to be installed.
""".replace("{command}", COMMAND)
