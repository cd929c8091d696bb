"""Three simulated years through backfill and report: is what was planted found again?

`make bench-report` runs it; the table it prints is that of docs/method.md.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from donkeywatch.counting.calendar import HOUR
from donkeywatch.report.analysis import Options, analyse_database
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import three_years as plan
from donkeywatch.simulation.interval_checks import check_report, table
from donkeywatch.simulation.three_years import Week, Years

PROGRESS_QUERIES = 1_000_000
"""Queries for which other processes are worth their start."""
BAR = 0.93
"""Share of the 95 % intervals that have to hold what was planted."""

SETTINGS = """state = "state"
lexicon = "{lexicon}.toml"
countries = "countries.mmdb"

[[source]]
name = "simulated"
path = "search.log"
format = "tsv"
"""


def counted(years: Years, directory: Path) -> list[Week]:
    """Write the log file by file, count each, and keep no line; what is in the weeks."""
    weeks: list[Week] = []
    engine, lexicon = None, ""
    for path, result in plan.write(years, directory):
        first, weeks = len(weeks), weeks + list(result)
        end = years.start_ms + min(len(weeks) * plan.WEEK, years.hours) * HOUR
        wanted = "earlier" if first * plan.WEEK < years.change else "later"
        if engine is None or wanted != lexicon:
            if engine is not None:
                engine.close()
            lexicon = wanted
            settings = directory / f"{lexicon}.settings.toml"
            settings.write_text(SETTINGS.format(lexicon=lexicon), "utf-8")
            engine = Engine(loader.load(settings, {}), years.start_ms + first * plan.WEEK * HOUR)
            if years.queries > PROGRESS_QUERIES:
                engine.start_workers()
        backfill(engine, [path], None, lambda now=end: now)  # type: ignore[misc]
        path.unlink()
        print(f"{len(weeks)} weeks counted", file=sys.stderr)
    if engine is not None:
        engine.close()
    return weeks


def exact(years: Years, weeks: Sequence[Week], database: Path) -> bool:
    """Every hour's queries and flagged queries in the database are those that were written."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    message = dict.fromkeys(range(years.hours), (0, 0, 0))
    for start, *counts in db.execute(
        "select w.start, w.queries, coalesce(p.queries, 0), coalesce(c.queries, 0) from windows w"
        " left join window_topics p on p.kind = w.kind and p.start = w.start"
        " and p.topic = 'pedophile' left join window_topics c on c.kind = w.kind"
        " and c.start = w.start and c.topic = 'pornographic' where w.kind = 'hour'"
    ):
        message[(start - years.start_ms) // HOUR] = tuple(counts)
    db.close()
    written = np.concatenate([np.stack(week[1:]).T for week in weeks])
    return [message[hour] for hour in range(years.hours)] == [
        tuple(row) for row in written.tolist()
    ]


def reported(database: Path, out: Path) -> tuple[float, float, int]:
    """Make the report as a process of its own: wall and CPU seconds, and the peak RSS in kB."""
    command = [sys.executable, "-m", "donkeywatch", "report", "--database", str(database)]
    begun = time.monotonic()
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the report failed")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss


def main() -> None:
    """Simulate, count, report and compare; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=float, default=30e6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="directory to keep the state and report in")
    options = parser.parse_args()
    years = Years(seed=options.seed, queries=int(options.queries))
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        begun = time.monotonic()
        weeks = counted(years, directory)
        took = time.monotonic() - begun
        database = directory / "state" / "donkeywatch.db"
        same = exact(years, weeks, database)
        seconds, cpu, memory = reported(database, directory / "report")
        done = check_report(years, analyse_database(database, Options()))
    inside = sum(item.inside for item in done) / len(done)
    queries = sum(int(week.queries.sum()) for week in weeks)
    print(f"{queries:,} queries simulated and counted in {took:.0f} s; every hour exact: {same}")
    print(f"report: {seconds:.1f} s, of it {cpu:.1f} s of one core; {memory / 1024:.0f} MB\n")
    print(table(done))
    if not same or inside < BAR:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
