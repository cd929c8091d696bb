"""Takes donkeywatch and its peers through the scripts and writes docs/reliability.md.

``make conformance-peers`` runs it. The results stay in docs/reliability.json, from which the page
is rendered; ``--render`` renders alone, ``--only R01`` runs some scripts and replaces their rows.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.fork_server import ForkServer
from conformance.page import COMMAND, FAILED, OURS, RUNS, SETUPS, Setup, always, rendered
from conformance.peer import Peer
from conformance.peers import PEERS
from conformance.readers import Daemon
from conformance.scripts import SCRIPTS, Scripted, prepare
from conformance.site import Case, Site

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
SETTLING = 1.0
"""Seconds after the last restart in which lines may still be counted a second time."""


def cells(scripted: Scripted) -> list[Case]:
    """The cells of the reduced matrix that matter to a script, some twice if they are few."""
    items = [c for c in scripted.cases() if c.wakeup == "inotify" and c.archive == "plain"]
    return list(itertools.islice(itertools.cycle(items), max(RUNS, len(items))))


def go(make: Callable[[Path, Case], Daemon | Peer], scripted: Scripted, case: Case) -> list[int]:
    """One run, ended by a restart and a stop: lines written, lost and doubled."""
    with tempfile.TemporaryDirectory() as name:
        reader = make(Path(name), case)
        site = Site(Path(name), reader, case)
        try:
            prepare(site)
            scripted.run(site)
            site.look()
            site.restart()
            time.sleep(SETTLING)
            if isinstance(reader, Peer):
                reader.missing = 0  # The last look has all the patience there is.
            site.look()
            reader.stop()
            return [site.written, *site.outcome_of(reader.tally())]
        finally:
            reader.close()
            site.close()


def job(setup: Setup, scripted: Scripted) -> tuple[int, str]:
    """All runs of a script with a set-up, and how many lines were written at most."""
    fork_server = ForkServer() if setup.tool == OURS else None
    kinds = {kind.tool: kind for kind in PEERS}

    def make(directory: Path, case: Case) -> Daemon | Peer:
        if fork_server:
            return Daemon(directory, case, fork_server)
        return kinds[setup.tool](directory, case, setup.choice)

    runs: list[str] = []
    written = 0
    try:
        for case in cells(scripted):
            try:
                lines, lost, doubled = go(make, scripted, case)
            except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError):
                print(f"{setup.key}: {scripted.name}, {case}", file=sys.stderr)
                traceback.print_exc()
                runs.append(FAILED)
                continue
            written = max(written, lines)
            runs.append(f"{lost}/{doubled}")
    finally:
        if fork_server:
            fork_server.close()
    return written, " ".join(runs)


def measure(scripts: list[Scripted]) -> dict[str, Any]:
    """Take every set-up through every script, two at a time."""
    jobs = [(scripted, setup) for scripted in scripts for setup in SETUPS]
    done = itertools.count(1)

    def measure_one(request: tuple[Scripted, Setup]) -> tuple[int, str]:
        scripted, setup = request
        result = job(setup, scripted)
        print(f"{next(done)} of {len(jobs)}: {scripted.name}: {setup.key}: {result[1]}", flush=True)
        return result

    with ThreadPoolExecutor(2) as pool:
        result = dict(zip(jobs, pool.map(measure_one, jobs), strict=True))
    rows = [
        {
            "script": scripted.name,
            "lines": max(result[scripted, setup][0] for setup in SETUPS),
            "runs": {setup.key: result[scripted, setup][1] for setup in SETUPS},
        }
        for scripted in scripts
    ]
    return {"circumstances": circumstances(), "versions": versions(), "rows": rows}


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The new rows and, of scripts that were not run again, the old ones; as the scripts stand."""
    rows = {row["script"]: row for row in [*old, *new]}
    return [rows[s.name] for s in SCRIPTS if s.name in rows]


def versions() -> dict[str, str | None]:
    """Of every tool."""
    return {OURS: importlib.metadata.version(OURS)} | {kind.tool: kind.version() for kind in PEERS}


def circumstances() -> dict[str, str]:
    """When and on what."""
    kernel = re.match(r"\d+\.\d+", platform.release())
    completed = subprocess.run(
        ["findmnt", "-no", "FSTYPE", "-T", tempfile.gettempdir()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {kernel[0] if kernel else ''}".strip(),
        "file system": completed.stdout.strip() or "unknown",
        "Python": platform.python_version(),
        "command": f"`{COMMAND}`",
    }


def main() -> None:
    """Run, keep the results, render; fails if donkeywatch was not exact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="render the results there are")
    parser.add_argument("--only", help="run scripts with this in their names, keep other rows")
    options = parser.parse_args()
    if options.render:
        PAGE.write_text(rendered(json.loads(RESULTS.read_text("utf-8"))), encoding="utf-8")
        return
    absent = [kind.tool for kind in PEERS if kind.version() is None]
    if absent:
        sys.exit(f"not installed: {', '.join(absent)} (apt-get install mtail rsyslog)")
    results = measure([s for s in SCRIPTS if s.peers and (options.only or "") in s.name])
    if options.only and RESULTS.exists():
        results["rows"] = merged(json.loads(RESULTS.read_text("utf-8"))["rows"], results["rows"])
    RESULTS.write_text(f"{json.dumps(results, indent=1)}\n", encoding="utf-8")
    PAGE.write_text(rendered(results), encoding="utf-8")
    if not all(always(row["runs"][OURS]) for row in results["rows"]):
        sys.exit(f"{OURS} was not exact")


if __name__ == "__main__":
    main()
