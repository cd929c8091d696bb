"""P2: no query, keyword or address is ever written or sent: canaries through every verb.

The daemon under every kind of trouble is in tests/conformance/test_privacy.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from donkeywatch.simulation.log_formats import FORMATS
from donkeywatch.simulation.simulation_directory import source_settings
from support.canaries import ADDRESSES, LEXICON, WORDS, assert_none_in, contents, forms

PATHS = ("/", "/metrics", "/readyz", "/api/v1/fractions", "/api/v1/hours", "/api/v1/weeks",
         "/api/v1/weeks?format=csv", "/api/v1/profile", "/api/v1/countries", "/openapi.json",
         f"/{WORDS[0]}", f"/api/v1/hours?from={WORDS[1]}",
         f"/api/v1/profile?topic={ADDRESSES[0]}")  # fmt: skip
COUNTED = re.compile(rb'outcome="query"[^}]*\} [1-9]')
RAISES = """
import typer.main  # Before the hooks are there: typer goes back to those of that moment.
from donkeywatch.{module} import {owner}
def fail(self, *arguments, **named):
    raise {error}
{owner}.{method} = fail
from donkeywatch import cli
cli.main()
"""
"""A program that is donkeywatch, but one of its methods raises over what it is given."""
FAILURES = (
    ("ingest.line_reader", "LineReader", "read", "ValueError(bytes(arguments[0]))"),
    ("ingest.block_reader", "BlockReader", "read", "KeyError(bytes(arguments[0])[:400])"),
    ("ingest.detector", "Detector", "classify", "LookupError(*arguments[0])"),
    ("ingest.lexicon_model", "Lexicon", "public_topics", "TypeError(self.model_dump_json())"),
)


def written_lines(name: str, hours: int) -> Iterator[bytes]:
    """Give searches of a format, one per canary and form of address, and lines that are none."""
    start = datetime.now(UTC) - timedelta(hours=hours)
    for number, address in enumerate(ADDRESSES * 12):
        for form in forms(address):
            stamp = (start + timedelta(minutes=hours * number)).strftime("%Y-%m-%dT%H:%M:%S.000")
            query = f"{WORDS[number % 5]} {WORDS[(number + 1) % 5]}"
            yield searched(name, stamp, form, query)
            yield searched(name, "no stamp", form, query)
            yield searched(name, stamp, query.replace(" ", "_"), form)
            yield f"{query} from {form}"[:-3].encode()


def searched(name: str, stamp: str, address: str, query: str) -> bytes:
    """Give one line of a format."""
    lines = {
        "tsv": f"{stamp}Z\t{address}\t{query}",
        "jsonl": f'{{"ts":"{stamp}Z","ip":"{address}","query":"{query}"}}',
        "enode-go": f"{stamp}Z\tDEBUG\t[module=tcp] tcp payload parsed remote={address}"
        f' opcode=OP_SEARCHREQUEST expr=TEXT("{query}")',
        "regex": f'[{stamp.replace("T", " ")} +0000] search from {address}:4662 "{query}"',
    }
    return lines[name].encode()


class Operator:
    """What an operator has, and the verbs as processes; all that they say is kept."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.output = directory, dict[str, bytes]()
        self.settings, self.log = directory / "donkeywatch.toml", directory / "search.log"
        self.lexicon, self.archive = directory / "lexicon.toml", directory / "search.log.1"
        self.labels, self.port = directory / "labels.csv", free_port()
        self.archive.write_bytes(b"\n".join(written_lines(name, 400)) + b"\n")
        self.log.write_bytes(b"\n".join(written_lines(name, 1)) + b"\n")
        self.lexicon.write_text(LEXICON)
        self.labels.write_text(
            "text,label,language,stratum\n"
            + "".join(f"{word} {WORDS[1]},pedophile,fr,flagged\n" for word in WORDS)
        )
        for path in (self.lexicon, self.labels):
            path.chmod(0o600)
        (directory / "tmp").mkdir()
        self.settings.write_text(
            'lexicon = "lexicon.toml"\nstate = "state"\n[http]\n'
            f"port = {self.port}\n"
            f'[[source]]\nname = "one"\npath = "search.log"\n{source_settings(name)}'
        )

    def command(self, *arguments: str | Path, program: str = "") -> list[str]:
        """Give the command line of a verb."""
        start = ["-c", program] if program else ["-m", "donkeywatch"]
        return [sys.executable, *start, *map(str, arguments)]

    def run(self, *arguments: str | Path, program: str = "") -> int:
        """Run a verb to its end; its exit code."""
        done = subprocess.run(
            self.command(*arguments, program=program),
            capture_output=True, timeout=120, env=self.environment(), cwd=self.directory,
        )  # fmt: skip
        self.output[f"{len(self.output)} {' '.join(map(str, arguments))}"] = (
            done.stdout + b"\n" + done.stderr
        )
        return done.returncode

    def environment(self) -> dict[str, str]:
        """Give surroundings whose temporary files can be searched."""
        return {**os.environ, "TMPDIR": str(self.directory / "tmp"), "COLUMNS": "500"}

    def serve(self) -> None:
        """Run the daemon, ask it everything once it has counted, and end it."""
        errors = self.directory / "tmp" / "journal"
        with errors.open("wb") as sink:
            command = self.command("run", "-c", self.settings)
            daemon = subprocess.Popen(command, stdout=sink, stderr=sink, env=self.environment())
        try:
            url = f"http://127.0.0.1:{self.port}"
            wait_until(lambda: COUNTED.search(metrics(url)) is not None)
            self.output |= {f"HTTP {path}": fetch(url + path) for path in PATHS}
        finally:
            daemon.terminate()
            assert daemon.wait(timeout=30) == 0

    def assert_clean(self, *, counted: bool = True) -> None:
        """No canary is in anything but the operator's own files."""
        operators_files = (self.log, self.archive, self.lexicon, self.labels)
        kept = contents(self.directory, operators_files)
        assert any(name.endswith("donkeywatch.db") for name in kept) is counted
        assert_none_in(kept | self.output)


def fetch(url: str) -> bytes:
    """Give headers and body of an answer, whatever its status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return str(answer.headers).encode() + bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.headers).encode() + error.read()


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def metrics(url: str) -> bytes:
    """Give the metrics of a daemon; nothing before it answers."""
    with contextlib.suppress(urllib.error.URLError):
        return fetch(f"{url}/metrics")
    return b""


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for half a minute at most."""
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(params=FORMATS)
def operator(request: pytest.FixtureRequest, tmp_path: Path) -> Operator:
    """An operator whose server writes a format."""
    return Operator(tmp_path, request.param)


def test_no_verb_leaves_a_canary(operator: Operator) -> None:
    """From the first check to a reset, in each format."""
    settings = ("-c", operator.settings)
    assert operator.run("check", *settings, operator.archive) == 0
    assert operator.run("backfill", *settings, operator.archive) == 0
    operator.serve()
    assert operator.run("status", *settings) == 0
    assert operator.run("verify", *settings) == 0
    assert operator.run("keys", "destroy", "--due", *settings) == 0
    operator.assert_clean()
    database = operator.directory / "state" / "donkeywatch.db"
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])
    operator.run("status", *settings)
    assert operator.run("verify", *settings) != 0
    operator.run("recover", *settings)
    assert operator.run("reset", *settings, "--yes") == 0
    operator.assert_clean(counted=False)


@pytest.mark.parametrize("operator", ["tsv"], indirect=True)
def test_verbs_of_the_word_list_leave_no_canary(operator: Operator) -> None:
    """lexicon check, evaluate with a record, report and init, also where what they read is bad."""
    settings = ("-c", operator.settings)
    assert operator.run("backfill", *settings, operator.archive) == 0
    record = operator.directory / "record.json"
    assert operator.run("evaluate", operator.labels, *settings, "--record", record) == 0
    assert operator.run("lexicon", "check", operator.lexicon) == 0
    assert operator.run("report", *settings, "--out", operator.directory / "report") == 0
    assert operator.run("init", "--yes", "--log", operator.log, "-c", "init.toml") in (0, 5, 7)
    operator.assert_clean()
    for slip in (f'"{WORDS[2]}" = {WORDS[3]}\n', f"[{WORDS[2]}.x]\n[{WORDS[2]}.x]\n", "\0"):
        operator.lexicon.write_text(LEXICON + slip)
        assert operator.run("lexicon", "check", operator.lexicon) == 7
        assert operator.run("check", *settings) == 7
        assert operator.run("run", *settings) == 7
    operator.labels.write_text(operator.labels.read_text().replace(",fr,", f",{WORDS[4]},"))
    assert operator.run("evaluate", operator.labels, *settings) != 0
    operator.assert_clean()


@pytest.mark.parametrize("operator", ["tsv"], indirect=True)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: ".".join(failure[1:3]))
def test_an_exception_that_nobody_expects_leaves_no_canary(
    operator: Operator, failure: tuple[str, str, str, str]
) -> None:
    """It is raised over a line, over its words or over the list, in every verb that reads them."""
    module, owner, method, error = failure
    program = RAISES.format(module=module, owner=owner, method=method, error=error)
    settings = ("-c", operator.settings)
    codes = [
        operator.run("check", *settings, operator.archive, program=program),
        operator.run("backfill", *settings, operator.archive, program=program),
        operator.run("evaluate", operator.labels, *settings, program=program),
    ]
    assert 1 in codes
    output = b"".join(operator.output.values()).decode()
    assert error.partition("(")[0] in output
    assert re.search(r"\.py:\d+ in ", output)
    assert_none_in(contents(operator.directory, (operator.log, operator.archive, operator.lexicon,
                                                 operator.labels)) | operator.output)  # fmt: skip
