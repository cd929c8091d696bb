"""Run the tests of each removal on a copy of the sources: `make mutants`, or in tests/
`python -m mutants [--changed REVISION] [--processes N] [NAME ...]`.

A name is that of a mutant (`p04-03`) or of a promise (`p04`). The tests are those of the working
tree; they must pass on the sources as they are, and one must fail on each edited copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from mutants.table import PACKAGE, ROOT, EditError, Mutant, load

LIMIT_SECONDS = 300
"""Time for the tests of one mutant; who needs longer hangs, which is noticed, too."""
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly")
FAILED = 1
"""pytest's exit code where a test failed; others say that it could not run them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant; ``problem`` is empty where a test has noticed it."""

    mutant: Mutant
    seconds: float
    problem: str = ""


@contextmanager
def copied_sources() -> Iterator[Path]:
    """Give a directory with a copy of the sources, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        shutil.copytree(ROOT / PACKAGE, Path(directory) / PACKAGE)
        yield Path(directory)


def run_tests(copy: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """Run tests on a copy of the sources: pytest's exit code, None at the limit, and its output."""
    paths = [str(copy / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / "examples"),
    }  # fmt: skip
    command = [sys.executable, *PYTEST, f"--basetemp={copy / 'tmp'}", *tests]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, ""
    return process.returncode, output


def try_mutant(mutant: Mutant, copy: Path) -> Outcome:
    """Edit the copy, run the tests and undo the edit."""
    began = time.monotonic()
    try:
        edited = mutant.apply(ROOT)
    except EditError as error:
        return Outcome(mutant, 0.0, str(error))
    module = copy / mutant.path
    module.write_text(edited, "utf-8")
    try:
        code, output = run_tests(copy, mutant.tests)
    finally:
        shutil.copy2(ROOT / mutant.path, module)
    seconds = time.monotonic() - began
    if code == 0:
        return Outcome(mutant, seconds, f"unnoticed by {', '.join(mutant.tests)}")
    if code not in (FAILED, None):
        last_line = (output.strip().splitlines() or [""])[-1]
        return Outcome(mutant, seconds, f"pytest could not run the tests ({code}): {last_line}")
    return Outcome(mutant, seconds)


def try_all(mutants: Sequence[Mutant], processes: int) -> Iterator[Outcome]:
    """Try mutants, some at a time, each process in a copy of its own."""
    copies: Queue[Path] = Queue()

    def attempt(mutant: Mutant) -> Outcome:
        copy = copies.get()
        try:
            return try_mutant(mutant, copy)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(processes) as pool, tempfile.TemporaryDirectory() as directory:
        for number in range(processes):
            copy = Path(directory) / str(number)
            shutil.copytree(ROOT / PACKAGE, copy / PACKAGE)
            copies.put(copy)
        yield from pool.map(attempt, mutants)


def failing_tests(mutants: Iterable[Mutant]) -> str:
    """Run all tests that are named on the sources as they are; the output where one fails."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    with copied_sources() as copy:
        for start in range(0, len(tests), 8):
            code, output = run_tests(copy, tests[start : start + 8])
            if code != 0:
                return output or "a test takes too long"
    return ""


def changed_files(revision: str) -> set[str]:
    """Give the files that differ from a git revision."""
    command = ["git", "diff", "--name-only", revision]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def choose(mutants: Sequence[Mutant], names: Sequence[str], revision: str | None) -> list[Mutant]:
    """Give the mutants that are named, and of modules that have changed since the revision."""
    changed = None if revision is None else changed_files(revision)
    return [
        mutant
        for mutant in mutants
        if (not names or mutant.name in names or mutant.promise in names)
        and (changed is None or str(mutant.path) in changed)
    ]


def main() -> int:
    """Try the mutants; 1 where one goes unnoticed or no longer applies."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--changed", metavar="REVISION", help="only of files that differ from it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--without-baseline", action="store_true", help="do not run the tests unedited first"
    )
    options = parser.parse_args()
    mutants = choose(load(), options.names, options.changed)
    if not options.without_baseline and (output := failing_tests(mutants)):
        print(output, "a test that is named fails without any edit", sep="\n")
        return 1
    problems = 0
    for outcome in try_all(mutants, options.processes):
        result = outcome.problem or "noticed"
        print(f"{outcome.mutant.name} {outcome.seconds:5.1f} s {result}", flush=True)
        if outcome.problem:
            problems += 1
            print(f"    {outcome.mutant.path}: {outcome.mutant.before.strip()}", flush=True)
    print(f"{len(mutants)} mutants, {problems} of them with a problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
