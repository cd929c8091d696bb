"""Where the time goes, in one process: `make profile`, ns of CPU a line by stage."""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from comparison.input import Input, Plan, generate
from donkeywatch.counting.checkpoint_batch import BatchBuilder
from donkeywatch.ingest import block_reader
from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.block_reader import BlockReader, _ColumnarParse
from donkeywatch.ingest.byte_columns import Block
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.fold_table import FoldTable
from donkeywatch.ingest.layouts.enode_go import EnodeGoLayout
from donkeywatch.ingest.layouts.jsonl import JsonlLayout
from donkeywatch.ingest.layouts.tsv import TsvLayout
from donkeywatch.ingest.line_reader import LineReader
from donkeywatch.ingest.pseudonymiser import Pseudonymiser
from donkeywatch.ingest.word_columns import WideLines, WordColumns
from donkeywatch.ingest.word_search import AhoCorasickMatcher, HyperscanMatcher
from donkeywatch.runtime import ordered_work_queue, window_closer
from donkeywatch.runtime.archive_closer import ArchiveCloser
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.memory_tuning import retain_freed_memory
from donkeywatch.runtime.window_closer import WindowCloser
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.follower import Follower
from donkeywatch.store.store import Store

STAGES: dict[str, list[tuple[Any, str]]] = {
    "reading": [(Follower, "read")],
    "lines": [(block_reader, "with_padding"), (Block, "__init__")],
    "stamps": [(block_reader, "parse_timestamps")],
    "addresses": [(block_reader, "parse_ipv4")],
    "queries": [
        (TsvLayout, "queries"),
        (JsonlLayout, "queries"),
        (EnodeGoLayout, "queries"),
    ],
    "folding": [
        (PackedFields, "non_ascii_lines"),
        (_ColumnarParse, "_has_early_word"),
        (WideLines, "of"),
        (WordColumns, "_wide_words"),
        (FoldTable, "fold"),
    ],
    "matching": [
        (AhoCorasickMatcher, "hits"),
        (HyperscanMatcher, "hits"),
        (WordColumns, "_ascii_words"),
    ],
    "deciding": [
        (_ColumnarParse, "_finish_line_by_line"),
        (WordColumns, "_paper_codes"),
        (Detector, "classify_texts"),
        (LineReader, "read_search"),
    ],
    "countries": [(CountryLookup, "lookup")],
    "pseudonyms": [(Pseudonymiser, "_pseudonyms")],
    "ledger": [(BatchBuilder, "record"), (BatchBuilder, "take_batch")],
    "commit": [(Store, "checkpoint"), (Store, "truncate_log")],
    "closing": [
        (WindowCloser, "close"),
        (ArchiveCloser, "close_hours"),
        (ArchiveCloser, "close_all"),
    ],
    "reckoning": [(ordered_work_queue, "aggregate"), (window_closer, "aggregate")],
    "the rest": [(BlockReader, "read"), (Pseudonymiser, "pseudonymise")],
}
"""What each stage is: calls, without the calls of other stages in them."""


class Stopwatch:
    """CPU time of calls, less that of the timed calls inside of them."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def time(self, stage: str, owner: Any, name: str) -> None:
        """Time a function or method from now on."""
        plain: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(plain)
        def timed(*positional: Any, **named: Any) -> Any:
            begun = time.process_time()
            self._inside.append(0.0)
            try:
                return plain(*positional, **named)
            finally:
                took = time.process_time() - begun
                self.spent[stage] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        setattr(owner, name, timed)


def settings(made: Input, place: Path, log: str) -> Settings:
    """Of a backfill that reads and counts in one process."""
    path = place / "donkeywatch.toml"
    path.write_text(
        f'state = "state"\nlexicon = "{made.lexicon.resolve()}"\n'
        f'countries = "{made.countries.resolve()}"\n[ingest]\nworkers = 1\n'
        f'[[source]]\npath = "search.log"\nformat = "{log}"\n',
        encoding="utf-8",
    )
    return loader.load(path)


def spent(lines: int, log: str) -> dict[str, float]:
    """Generate a log and count it in this process: ns of CPU a line by stage."""
    watch = Stopwatch()
    for stage, calls in STAGES.items():
        for owner, name in calls:
            watch.time(stage, owner, name)
    retain_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        plan = Plan(lines=lines)
        made = Input(place / plan.name)
        generate(plan, made.directory, (log,))
        engine = Engine(settings(made, place, log), wall_ms())
        begun = time.process_time()
        try:
            backfill(engine, [made.log(log)], None, wall_ms)
        finally:
            engine.close()
        total = time.process_time() - begun
    watch.spent["the rest"] += total - sum(watch.spent.values())
    return {stage: watch.spent[stage] / lines * 1e9 for stage in STAGES}


def main() -> None:
    """Generate, count, print."""
    parser = argparse.ArgumentParser(prog="comparison.stages", description=__doc__)
    parser.add_argument("--lines", type=lambda text: int(float(text)), default=2_000_000)
    parser.add_argument("--log", choices=["tsv", "enode-go"], default="tsv")
    parser.add_argument("--json", action="store_true", help="print JSON, for a program")
    options = parser.parse_args()
    result = spent(options.lines, options.log)
    if options.json:
        print(json.dumps(result))
        return
    shown = Table(title=f"{options.log}, {options.lines:,} lines: CPU in one process")
    shown.add_column("stage")
    shown.add_column("ns a line", justify="right")
    for stage, nanoseconds in result.items():
        shown.add_row(stage, f"{nanoseconds:.0f}")
    shown.add_section()
    shown.add_row("all", f"{sum(result.values()):.0f}")
    Console().print(shown)


if __name__ == "__main__":
    main()
