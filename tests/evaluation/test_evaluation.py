"""`donkeywatch evaluate` as its user meets it, and the daemon that takes its record."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from donkeywatch import cli
from donkeywatch.evaluation.validation_record import ValidationRecord
from donkeywatch.ingest import keyring, lexicon_file, lexicon_model
from donkeywatch.runtime import checks
from donkeywatch.runtime.backfill import backfill
from donkeywatch.settings import loader
from donkeywatch.simulation import nonsense
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import NOW, START, Simulated, engine, simulated

CANARY = "zqcanarykx"
HEAD = ("text", "label", "language", "stratum", "weight")
LABELS = "labels.csv"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nonsense lexicon in a file."""
    return write_lexicon(tmp_path_factory.mktemp("words"))


def write_lexicon(directory: Path) -> Path:
    """The lexicon in this directory, as an operator would keep it."""
    path = directory / "lexicon.toml"
    path.touch(0o600)
    path.write_text(nonsense.lexicon(5).toml(), "utf-8")
    return path


def labelled(directory: Path, words: nonsense.NonsenseLexicon) -> Path:
    """A file of 1,000 flagged rows of which 985 are relevant, unflagged ones, and one for recall.

    Every text holds a canary.
    """
    phrases, explicit = nonsense.PhraseGenerator(5, words), words.groups["explicit"][0]
    rows: list[tuple[str, ...]] = []

    def add(text: str, label: str, stratum: str, weight: str, count: int) -> None:
        rows.extend([(f"{text} {CANARY}{len(rows)}", label, "fr", stratum, weight)] * count)

    add(explicit, "pedophile", "flagged", "2", 985)
    add(explicit, "none", "flagged", "2", 15)
    for _ in range(500):
        add(phrases.ordinary().text(), "none", "unflagged", "1998", 1)
    add(explicit, "pedophile", "recall", "", 74)
    add(phrases.ordinary().text(), "pedophile", "recall", "", 26)
    return written(directory, rows)


def written(directory: Path, rows: list[tuple[str, ...]]) -> Path:
    """Rows as CSV, mode 0600."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEAD, *rows])
    path = directory / LABELS
    path.touch(0o600)
    path.write_text(text.getvalue(), "utf-8", newline="")
    return path


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process; its exit code and all that it says."""
    monkeypatch.setattr("donkeywatch.runtime.hardening.harden_process", lambda **_: None)

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["donkeywatch", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capfd.readouterr()
        return int(left.value.code or 0), captured.out + captured.err

    return run


def test_counts_and_rates_are_printed_and_no_query(
    tmp_path: Path, words: Path, printed: Callable[..., tuple[int, str]]
) -> None:
    """The confusion matrix by category, language and stratum; without settings no record."""
    path = labelled(tmp_path, nonsense.lexicon(5))
    code, text = printed(path, "--lexicon", words)
    assert code == 0, text
    flat = re.sub(r"[ ]+", " ", text)
    assert "topic pedophile\n" in text
    assert "pedophile 985 15 0 500 98.5 (97.5-99.2) 74.0 (64.2-82.3)" in flat
    assert "explicit 985 15 0 0 98.5" in flat
    assert "fr 985 15 0 500 98.5" in flat
    assert "recall 74 0 26 0 - -" in flat
    assert "unflagged 0 0 0 500 - -" in flat
    assert CANARY not in text.lower()
    assert list(tmp_path.iterdir()) == [path]


SHUFFLED = (
    ("label", "text", "language", "stratum", "weight"),
    ("language", "label", "text", "stratum", "weight"),
    ("stratum", "label", "language", "text", "weight"),
    ("weight", "label", "language", "stratum", "text"),
    (CANARY, "label", "language", "stratum", "weight"),
    ("text", "label", "language", "stratum", CANARY),
)


@pytest.mark.parametrize("columns", SHUFFLED)
def test_no_query_is_told_when_columns_are_mixed_up(
    tmp_path: Path, words: Path, printed: Callable[..., tuple[int, str]], columns: tuple[str, ...]
) -> None:
    """The text in the place of each other field: a line number, exit code 5, nothing else."""
    path = labelled(tmp_path, nonsense.lexicon(5))
    body = path.read_text("utf-8").partition("\n")[2]
    path.write_text(",".join(columns) + "\n" + body, "utf-8")
    code, text = printed(path, "--lexicon", words)
    assert code == 5
    assert re.search(r"labels\.csv, line [0-9]+: .+\n  remedy: ", text)
    assert CANARY not in text.lower()


def test_a_record_needs_the_key_of_an_installation(
    tmp_path: Path, printed: Callable[..., tuple[int, str]]
) -> None:
    """Without one it is told what to do, and nothing is written."""
    words = write_lexicon(tmp_path)
    path = labelled(tmp_path, nonsense.lexicon(5))
    settings = tmp_path / "donkeywatch.toml"
    settings.write_text(
        'lexicon = "lexicon.toml"\n[[source]]\npath = "search.log"\nformat = "tsv"\n'
    )
    record = tmp_path / "validation.json"
    code, text = printed(path, "--lexicon", words, "--record", record, "-c", settings)
    assert (code, record.exists()) == (7, False)
    assert "start `donkeywatch run`" in text
    code, text = printed(path, "--record", record, "-c", tmp_path / "none.toml")
    assert (code, record.exists()) == (7, False)


def test_check_tells_whether_the_record_can_be_read(tmp_path: Path) -> None:
    """Before the daemon is started with it."""
    write_lexicon(tmp_path)
    settings = tmp_path / "donkeywatch.toml"
    settings.write_text(
        'lexicon = "lexicon.toml"\n[[source]]\npath = "search.log"\nformat = "tsv"\n'
        '[correction]\nrecord = "validation.json"\n'
    )
    results = checks.run_checks(loader.load(settings, {}))
    result = {check.name: check.error for check in results}
    assert "validation.json: not readable" in str(result["correction record"])
    assert result["lexicon"] is None


# -- with a daemon -----------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A counted archive, its settings with a port and a record to come."""
    sim = Simulation(seed=3, start=START, hours=48, queries=3_000, addresses=600)
    made = simulated(tmp_path, sim, files=1)
    with engine(made.settings) as opened:
        backfill(opened, made.archive, None, lambda: NOW)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with made.settings.open("a") as file:
        file.write(f'\n[http]\nport = {port}\n[correction]\nrecord = "validation.json"\n')
    made.log.touch()
    return made


@pytest.fixture
def daemon(server: Simulated) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the daemon; what it says is in `said`."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(server.settings)]
        with (server.directory / "said").open("a") as message:
            started.append(subprocess.Popen(command, stdout=message, stderr=message))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        assert process.wait(timeout=30) == 0


def run_evaluate(server: Simulated, path: str) -> str:
    """What the daemon answers, empty as long as it does not."""
    http = loader.load(server.settings, {}).http
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http.port}{path}", timeout=10) as result:
            return str(result.read().decode())
    except OSError:
        return ""


def corrected(server: Simulated) -> list[Any]:
    """The corrected fractions that are shown, of the record's topic alone."""
    windows = json.loads(run_evaluate(server, "/api/v1/fractions"))["windows"]
    assert windows
    topics = [topic for window in windows for topic in window["topics"]]
    shown = [t["corrected_query_fraction"] for t in topics if t["corrected_query_fraction"]]
    known = [t for t in topics if t["query_fraction"] and t["topic"] == "pedophile"]
    assert len(shown) in (0, len(known))
    metrics = run_evaluate(server, "/metrics")
    there = "\ndonkeywatch_window_corrected_query_ratio{" in metrics
    assert there == bool(shown), "the API and the metrics show the same"
    return shown


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until something is true, for a minute at the most."""
    end = time.monotonic() + 60
    while not true():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_record_corrects_until_the_lexicon_changes(
    server: Simulated, daemon: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """evaluate, run, start with another word: shown, shown, gone with a reason; no query told."""
    settings = loader.load(server.settings, {})
    path = labelled(server.directory, nonsense.lexicon(3))
    record = server.directory / "validation.json"
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", "evaluate", str(path), "-c", str(server.settings),
         "--record", str(record), "--sampled-from", "2026-09-21", "--sampled-to", "2026-09-22"],
        capture_output=True, timeout=120, env={**os.environ, "COLUMNS": "40"},
    )  # fmt: skip
    assert done.returncode == 0, done
    made = ValidationRecord.model_validate_json(record.read_bytes())
    install = keyring.install_key(settings.key_directory, fresh=False)
    assert made.lexicon == lexicon_model.digest(lexicon_file.load_configured(settings), install)
    assert (made.languages, str(made.sampled_to)) == (("fr",), "2026-09-22")
    topic = made.topics["pedophile"]
    assert (topic.labelled, topic.true_positives, topic.false_positives) == (1500, 985, 15)
    assert (topic.recall_labelled, topic.recall_true_positives) == (100, 74)

    process = daemon()
    until(lambda: bool(run_evaluate(server, "/readyz")), process)
    shown = corrected(server)
    assert len(shown) == 2, "the last hour and week; the rolling windows are empty"
    assert all(0 <= v["lower"] <= v["value"] <= v["upper"] <= 1 for v in shown)

    message = server.directory / "said"
    assert settings.lexicon is not None
    text = settings.lexicon.read_text("utf-8")
    settings.lexicon.write_text(text.replace('explicit = ["', 'explicit = ["zqorvik", "', 1))
    process.terminate()
    assert process.wait(timeout=30) == 0
    process = daemon()
    until(lambda: "no corrected fraction" in message.read_text(), process)
    until(lambda: bool(run_evaluate(server, "/readyz")), process)
    until(lambda: not corrected(server), process)
    assert f"made with another lexicon ({made.lexicon}, loaded is " in message.read_text()

    valid = record.read_bytes()
    record.write_text("{}")
    process.send_signal(signal.SIGHUP)
    until(lambda: "not a validation record" in message.read_text(), process)
    assert "the old ones stay" in message.read_text()
    record.write_bytes(valid)

    everything = [done.stdout, done.stderr, record.read_bytes(), message.read_bytes()]
    everything += [
        run_evaluate(server, name).encode() for name in ("/metrics", "/api/v1/fractions")
    ]
    assert not any(CANARY.encode() in text.lower() for text in everything)
    left = [p for p in server.directory.rglob("*") if p.is_file() and p.name != LABELS]
    assert not [p.name for p in left if CANARY.encode() in p.read_bytes().lower()]
