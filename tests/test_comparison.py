"""The speed comparison: its input is what it says, its truth is true, and its report renders."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.line_format import RawQuery
from donkeywatch.ingest.normalisation import tokenise
from donkeywatch.ingest.query_syntax import searched_text

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from comparison import report, rivals
from comparison.contender import Contender
from comparison.figures import COLUMNS, Figures, errors, verdict
from comparison.harness import Harness, first_cores, pick
from comparison.input import Input, Plan, generate
from comparison.process import Run
from comparison.result import Outcome, Session
from comparison.stages import STAGES

PLAN = Plan(lines=8_000, hourly=40, stock=2_000)
"""Two hundred hours, so that two weeks are open one after the other."""
FORMATS = ("tsv", "enode-go", "tsv.gz")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Input:
    """A small input in every format."""
    return generate(PLAN, tmp_path_factory.mktemp("speed"), FORMATS)


def lines(made: Input) -> list[list[str]]:
    """Stamp, address and query of every line."""
    text = made.log("tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def brute_force(made: Input, name: str) -> Figures:
    """The figures of windows named by a strftime format, line by line, with sets."""
    detector = Detector(lexicon_file.load(made.lexicon))
    topics = [topic.id for topic in detector.topics]
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    observed: set[tuple[str, str, str]] = set()
    for stamp, address, query in lines(made):
        window = datetime.fromisoformat(stamp).astimezone(UTC).strftime(name)
        codes = detector.classify(tokenise(query))
        flagged = [topic for topic, code in zip(topics, codes, strict=True) if code]
        for queries, addresses in (
            ("queries", "addresses"),
            *((topic, f"{topic}_addresses") for topic in flagged),
        ):
            counts[window][queries] += 1
            counts[window][addresses] += (window, queries, address) not in observed
            observed.add((window, queries, address))
    return {window: dict(result) for window, result in counts.items()}


@pytest.mark.parametrize(("kind", "name"), [("hours", "%Y-%m-%dT%H"), ("weeks", "%G-W%V")])
def test_truth_is_what_line_by_line_counting_finds(made: Input, kind: str, name: str) -> None:
    """The generator counts what it draws; that is what stands in the file."""
    truth = made.truth()[kind]
    assert len(truth) > 1
    assert brute_force(made, name) == truth


def test_the_input_is_like_a_servers_log(made: Input) -> None:
    """Shares and sizes are those of the task."""
    rows = lines(made)
    assert len(rows) == PLAN.lines
    assert 0.13 < sum(not query.isascii() for _, _, query in rows) / len(rows) < 0.3
    assert 0.57 < len({address for _, address, _ in rows}) / len(rows) < 0.63
    flagged = sum(hour["pedophile"] for hour in made.truth()["hours"].values())
    assert 0.002 < flagged / len(rows) < 0.006
    assert 50 < made.log("tsv").stat().st_size / len(rows) < 62
    assert all(re.fullmatch(r"\d+-\d\d-\d\dT[\d:]+\.\d{3}Z", stamp) for stamp, _, _ in rows[:99])
    assert made.lexicon.stat().st_mode & 0o777 == 0o600


def test_stamps_go_back_by_milliseconds_only(tmp_path: Path) -> None:
    """At the rate of the real log, which is the default."""
    dense = generate(Plan(lines=3_000, stock=500), tmp_path, ["tsv"])
    stamps = [datetime.fromisoformat(stamp).timestamp() for stamp, _, _ in lines(dense)]
    steps = [after - before for before, after in itertools.pairwise(stamps)]
    assert -0.05 < min(steps) < 0
    assert 270_000 < 3600 * len(stamps) / (stamps[-1] - stamps[0]) < 290_000


def test_the_formats_hold_the_same_searches(made: Input) -> None:
    """Stamp, address and words of each line are equal, and the compressed log is the plain one."""
    trees = made.log("enode-go").read_bytes().removesuffix(b"\n").split(b"\n")
    for (stamp, address, query), line in zip(lines(made), trees, strict=True):
        search = EnodeGo().read(line)
        assert isinstance(search, RawQuery)
        assert (search.stamp.decode(), search.address.decode()) == (stamp, address)
        assert tokenise(searched_text(search.query, "enode-go", "cp1252")) == tokenise(query)
    assert gzip.decompress(made.log("tsv.gz").read_bytes()) == made.log("tsv").read_bytes()


@pytest.mark.untraced
def test_the_same_seed_gives_the_same_bytes(made: Input, tmp_path: Path) -> None:
    """Whatever formats are asked for; another seed gives others."""
    again = generate(PLAN, tmp_path / "again", ["tsv"])
    other = generate(replace(PLAN, seed=2), tmp_path / "other", ["tsv"])
    assert again.log("tsv").read_bytes() == made.log("tsv").read_bytes()
    assert again.truth() == made.truth()
    assert other.log("tsv").read_bytes() != made.log("tsv").read_bytes()


def contenders() -> list[Any]:
    """Every form of every rival."""
    return [
        pytest.param(item, id=item.label)
        for item in rivals.rows()
        if item.name != "mtail" or item.form == "rules"
    ]


@pytest.mark.parametrize("first", contenders())
def test_rivals_count_what_they_say(first: Contender, made: Input, tmp_path: Path) -> None:
    """Libraries are exact in every form; awk and mtail never miss a query, only some flags."""
    if (missing := first.missing()) is not None:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    harness = Harness(first_cores(2), tmp_path, 60, lambda _message: None)
    (outcome,) = harness.compare([first], made, PLAN.lines, 1)
    assert not outcome.failure
    assert outcome.runs[0].wall > 0 < outcome.runs[0].peak
    assert outcome.errors["queries"] == 0
    if first.name in ("ClickHouse local", "DuckDB", "Polars"):
        assert outcome.verdict == "exact"
    assert not list(tmp_path.iterdir())


def test_a_command_that_fails_is_told_and_not_asked_again(made: Input, tmp_path: Path) -> None:
    """Its row says why; what it printed, which may quote the log, is in no record."""
    message: list[str] = []
    first = Contender(
        name="broken",
        prepare=lambda _site: [sys.executable, "-c", "raise SystemExit('a secret')"],
        read=lambda _site: {},
    )
    (outcome,) = Harness([0], tmp_path, 60, message.append).compare([first], made, 1, 3)
    assert outcome.failure == "exit code 1"
    assert len(message) == 2
    assert "secret" not in str(message)


def test_a_command_that_hangs_is_ended(made: Input, tmp_path: Path) -> None:
    """After the time that a run may take."""
    first = Contender(name="slow", prepare=lambda _site: ["sleep", "60"], read=lambda _site: {})
    cores = sorted(os.sched_getaffinity(0))[:1]
    (outcome,) = Harness(cores, tmp_path, 0.2, lambda _message: None).compare([first], made, 1, 1)
    assert outcome.failure == "timeout"


def outcome(name: str, form: str, wall: float, error: float | None = 0) -> Outcome:
    """A made-up row."""
    runs = [Run(wall + n / 10, 2 * wall, 100.0) for n in range(3)]
    return Outcome(name, form, 1_000_000, "tsv", "weeks", runs, dict.fromkeys(COLUMNS, error))


def test_the_quickest_of_the_nearest_forms_is_picked() -> None:
    """A quick form that is wrong loses to a slow one that is right; a tool of one form stays."""

    def row(name: str, form: str = "") -> Contender:
        return Contender(name=name, form=form, prepare=lambda _s: [], read=lambda _s: {})

    qualified = [outcome("a", "x", 3), outcome("a", "y", 2), outcome("a", "z", 1, 0.2)]
    chosen = pick(qualified, [row("a", "x"), row("a", "y"), row("a", "z"), row("b")])
    assert [item.label for item in chosen] == ["a: y", "b"]


def test_differences_are_told_by_kind_of_figure() -> None:
    """The worst topic counts, and what a tool does not count is no error."""
    truth: Figures = {"2026-10-05T00": dict.fromkeys(COLUMNS, 100)}
    result: Figures = {"2026-10-05T00": {**truth["2026-10-05T00"], "pedophile": 90}}
    assert verdict(errors(truth, truth)) == "exact"
    assert verdict(errors(result, truth)) == "flagged queries off by 10.00%"
    result["2026-10-05T00"]["addresses"] = None
    assert verdict(errors(result, truth)).endswith("; not counted: addresses")
    assert verdict(errors({}, truth)) == "no figures"


@pytest.mark.untraced
def test_every_stage_is_timed() -> None:
    """In a process of its own, as what is timed stays so; each stage of a format takes its time."""
    for log in ("tsv", "enode-go"):
        arguments = [
            sys.executable,
            "-m",
            "comparison.stages",
            "--lines",
            "3e4",
            "--log",
            log,
            "--json",
        ]
        surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        answer = subprocess.run(arguments, capture_output=True, check=True, env=surroundings)
        document = json.loads(answer.stdout)
        assert list(document) == list(STAGES)
        assert min(document.values()) > 0


def test_the_report_renders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a result that was saved and read back."""
    message: dict[str, Any] = {
        "lines": 1_000_000, "bytes": 56_000_000, "hours": 4,
        "wide": 0.17, "distinct": 0.6, "flagged": 0.004,
    }  # fmt: skip
    broken = Outcome("DuckDB", "", 1_000_000, "tsv", failure="exit code 1")
    rows = [outcome("donkeywatch", "", 1.0), outcome("Polars", "lists", 2.0, 0.25), broken]
    stages = {"tsv": dict.fromkeys(STAGES, 10.0), "enode-go": dict.fromkeys(STAGES, 20.0)}
    made = Session(
        "2026-11-23",
        "python -m comparison",
        {"cores": "2 of 2"},
        [message],
        rows[1:2],
        rows,
        stages,
    )
    made.save(tmp_path / "performance.json")
    assert Session.load(tmp_path / "performance.json") == made
    text = report.markdown(made)
    assert "| donkeywatch | 1.10 (1.00-1.20) | 1.00 | 0.909 |" in text
    assert "| Polars (lists) | 2.10 (2.00-2.20) | 1.91 |" in text
    assert "queries off by 25.00%" in text
    assert "| exit code 1 |" in text
    assert "- Polars: weeks." in text
    assert "| folding | 10 | 20 |" in text
    assert "70 of 150 ns of `tsv`" in text
    assert "56 ns a line, and all of the job 136: 1.10 times as quick" in text
    assert "2.1 times Polars's. This is an estimate" in text
    report.console(made)
    assert "1,000,000 lines" in capsys.readouterr().out
