"""The whole comparison: `PYTHONPATH=benchmarks python -m comparison`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console

from comparison import monitor, report, rivals
from comparison.contender import Contender
from comparison.harness import Harness, first_cores, pick
from comparison.input import Input, Plan, generate
from comparison.result import Outcome, Session, machine, said_by
from donkeywatch.simulation.truth import TOPICS

SLOWER = 10
"""A tool with a limit qualifies with so many times fewer lines than that."""
STDERR = Console(stderr=True, highlight=False)


def options() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="comparison", description=__doc__)
    add = parser.add_argument
    add("--lines", type=_count, nargs="+", default=[5_000_000], help="such as 1e6 5e6 20e6")
    add("--runs", type=int, default=5, help="how often each row runs, in turns")
    add(
        "--only",
        nargs="+",
        default=[],
        metavar="ROW",
        help="names or patterns, such as 'donkeywatch*'",
    )
    add("--cores", type=int, default=2, help="how many, the same for all")
    add("--qualify", type=_count, default=2_000_000, help="lines of the qualifying round; 0: none")
    add("--qualify-runs", type=int, default=3)
    add("--seed", type=int, default=1)
    add("--timeout", type=float, default=1800, help="of one run, s")
    add("--keep", type=Path, help="directory for the logs, which are used again if they are there")
    add("--json", type=Path, help="where to write the figures")
    add("--markdown", type=Path, help="where to write the report")
    return parser


def _count(text: str) -> int:
    return int(float(text))


def wanted(only: Sequence[str]) -> list[Contender]:
    """The rows that are asked for and can run; tells why one cannot."""
    items = []
    reasons: dict[str, None] = {}
    for item in (*monitor.rows(), *rivals.rows()):
        if only and not any(fnmatchcase(item.name, pattern) for pattern in only):
            continue
        if reason := item.missing():
            reasons[f"left out: {item.name}, {reason}"] = None
        else:
            items.append(item)
    for reason in reasons:
        STDERR.print(reason)
    return items


def _input(place: Path, lines: int, seed: int, contenders: Sequence[Contender]) -> Input:
    plan = Plan(lines=lines, seed=seed)
    made = Input(place / plan.name)
    formats = tuple(dict.fromkeys(item.log for item in contenders))
    if not all(made.log(name).exists() for name in formats) or not made.finished:
        STDERR.print(f"generating {lines:,} lines ({', '.join(formats)})")
        generate(plan, made.directory, formats)
    return made


def _description(made: Input) -> dict[str, Any]:
    truth = made.truth()
    flagged = sum(hour[topic] for hour in truth["hours"].values() for topic in list(TOPICS)[:1])
    return {
        "lines": truth["lines"],
        "bytes": made.log("tsv").stat().st_size if made.log("tsv").exists() else 0,
        "hours": len(truth["hours"]),
        "wide": truth["wide"],
        "distinct": truth["distinct"],
        "flagged": flagged / truth["lines"],
    }


def qualify(
    harness: Harness, contenders: Sequence[Contender], place: Path, arguments: argparse.Namespace
) -> list[Outcome]:
    """Run every form of the tools that have several."""
    names = [item.name for item in contenders]
    several = [item for item in contenders if names.count(item.name) > 1]
    items = []
    for limit in dict.fromkeys(item.limit for item in several):
        lines = min(arguments.qualify, limit // SLOWER) if limit else arguments.qualify
        group = [item for item in several if item.limit == limit]
        made = _input(place, lines, arguments.seed, group)
        items += harness.compare(group, made, lines, arguments.qualify_runs)
    return items


def session(arguments: argparse.Namespace, place: Path) -> Session:
    """Generate, qualify, compare."""
    harness = Harness(first_cores(arguments.cores), place, arguments.timeout, STDERR.print)
    contenders = wanted(arguments.only)
    qualified = qualify(harness, contenders, place, arguments) if arguments.qualify else []
    chosen = pick(qualified, contenders)
    inputs, outcomes = [], []
    for lines in arguments.lines:
        able = [item for item in chosen if item.limit is None or lines <= item.limit]
        made = _input(place, lines, arguments.seed, able)
        inputs.append(_description(made))
        outcomes += harness.compare(able, made, lines, arguments.runs)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    stages = {} if arguments.only else {log: _stages(log) for log in ("tsv", "enode-go")}
    message = machine(set(harness.cores), _versions)
    return Session(date, _command(arguments), message, inputs, qualified, outcomes, stages)


def _stages(log: str) -> dict[str, float]:
    """Where donkeywatch's time goes: in a process of its own, which is taken apart for it."""
    command = [monitor.OWN, "-m", "comparison.stages", "--json", "--log", log]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document: dict[str, float] = json.loads(done.stdout)
    return document


def _command(arguments: argparse.Namespace) -> str:
    """How to ask for the same again, without the paths of this machine."""
    lines = " ".join(f"{lines:g}".replace("e+0", "e") for lines in arguments.lines)
    only = f" --only {' '.join(map(repr, arguments.only))}" if arguments.only else ""
    limits = f"--lines {lines} --runs {arguments.runs} --cores {arguments.cores}"
    return f"python -m comparison {limits}{only}"


def _versions() -> dict[str, str]:
    result = rivals.versions()
    for name, command in (("mtail", ("mtail", "-version")), ("mawk", ("mawk", "-W", "version"))):
        if rivals.no_program(name) is None:
            message = said_by(*command).removeprefix(f"{name} ").removeprefix("version ")
            result[name] = message.partition(" ")[0]
    return result


def main() -> int:
    """Run it, print the table and write what is asked for; 1 when a row of ours is not exact."""
    arguments = options().parse_args()
    with tempfile.TemporaryDirectory(prefix="donkeywatch-speed-") as name:
        place = (arguments.keep or Path(name)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        message = session(arguments, place)
    report.console(message)
    if arguments.json:
        message.save(arguments.json)
    if arguments.markdown:
        arguments.markdown.write_text(report.markdown(message), encoding="utf-8")
    ours = [item for item in message.outcomes if item.name.startswith("donkeywatch")]
    return int(any(item.verdict != "exact" for item in ours))


if __name__ == "__main__":
    sys.exit(main())
