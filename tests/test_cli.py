"""The command line as its user meets it."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from donkeywatch import cli
from donkeywatch.cli import application
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START, Simulated, simulated

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "samples" / "enode-go.log"


def donkeywatch(
    *arguments: str | Path, cwd: Path | None = None, columns: str = "220"
) -> tuple[int, str]:
    """Run the command as a process; its exit code and all it says."""
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "COLUMNS": columns, "NO_COLOR": "1"},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small simulated archive."""
    sim = Simulation(seed=3, start=START, hours=48, queries=1_500, addresses=300)
    return simulated(tmp_path, sim, files=2)


@pytest.mark.parametrize("verb", ["", "run", "backfill", "status", "check", "simulate", "demo"])
def test_every_verb_explains_itself(verb: str) -> None:
    """`--help` says what a verb does and exits with 0."""
    code, message = donkeywatch(*filter(None, [verb]), "--help")
    assert code == 0
    assert "Usage:" in message


def test_every_verb_is_in_the_module_that_is_said() -> None:
    """A verb alone loads what it needs, and all of them are there for who asks for none."""
    code = (
        "import sys\n"
        "from donkeywatch import cli\n"
        "cli.load_commands(sys.argv[1:])\n"
        "verbs = [c.name or c.callback.__name__ for c in cli.app.registered_commands]\n"
        "print(*verbs)"
    )
    completed = {
        verbs: subprocess.run(
            [sys.executable, "-c", code, *verbs[:1]], capture_output=True, text=True, check=True
        ).stdout.split()
        for verbs in [(), *((verb,) for verb in cli.SUMMARIES)]
    }
    for verbs, entered in completed.items():
        # The verbs for lexicon and keys are groups of their own, and the demo needs a backfill.
        groups = {"lexicon", "keys", "token", "fleet", "backfill"}
        assert set(entered) - {"backfill"} == set(verbs or cli.SUMMARIES) - groups


def test_the_list_of_verbs_is_that_of_the_verbs_themselves() -> None:
    """It is given without loading them, whole in 80 columns, and says the same in one line."""
    code = (
        "import inspect\n"
        "from donkeywatch import cli\n"
        "cli.load_commands([])\n"
        "for c in cli.app.registered_commands:\n"
        "    first = inspect.getdoc(c.callback).split('\\n\\n')[0]\n"
        "    print(c.name or c.callback.__name__, first.replace('\\n', ' '))\n"
        "for group in cli.app.registered_groups:\n"
        "    print(group.name, group.typer_instance.info.help)\n"
    )
    lines = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert dict(line.split(" ", 1) for line in lines) == cli.SUMMARIES
    for arguments in (["--help"], []):
        _, text = donkeywatch(*arguments, columns="80")
        listed = text.partition("Commands:\n")[2].splitlines()
        assert dict(line.split(maxsplit=1) for line in listed) == cli.SUMMARIES


def test_the_version_is_told() -> None:
    """`--version` prints the version alone."""
    code, message = donkeywatch("--version")
    assert code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", message)


def test_the_version_is_told_at_once() -> None:
    """Nothing is loaded for it that a verb needs, and a full disk is told all the same."""
    code = (
        "import sys\n"
        "from donkeywatch import cli\n"
        "sys.argv = ['donkeywatch', '--version']\n"
        "cli.main()\n"
        "assert not {'numpy', 'typer', 'rich', 'pydantic'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    with open("/dev/full", "w") as full:  # noqa: PTH123 - no file
        done = subprocess.run(
            [sys.executable, "-m", "donkeywatch", "--version"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "the output cannot be written" in done.stderr


def test_the_genuine_sample_of_enode_go() -> None:
    """All 32 searches of the real log are counted, none rejected, NOT-words not searched for."""
    if not SAMPLE.exists():
        pytest.skip("the sample log is not beside this checkout")
    code, message = donkeywatch("check", "--format", "enode-go", SAMPLE)
    assert code == 0
    assert "136 lines, 32 searches" in message
    assert re.search(r"query\D+31", message)
    assert re.search(r"keywordless\D+1\b", message)
    assert "rejected" not in message


def test_a_backfill_is_counted_once_and_shown(server: Simulated) -> None:
    """backfill counts, says so, can be repeated; status shows the fractions."""
    code, message = donkeywatch("backfill", "-c", server.settings, *reversed(server.archive))
    assert code == 0, message
    assert message.count("lines counted") == 2
    code, message = donkeywatch("backfill", "-c", server.settings, *server.archive)
    assert code == 0
    assert message.count("counted before, nothing new") == 2
    code, message = donkeywatch("status", "-c", server.settings)
    assert code == 0
    assert "pedophile" in message
    assert "7d" in message
    assert f"{sum(server.truth.lines.values()):,}" in message


@pytest.mark.untraced
def test_a_full_disk_stops_a_backfill_and_a_repeat_goes_on(server: Simulated) -> None:
    """A fact, a remedy, no traceback, whenever it is full; at last all is counted once."""

    def full(size: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-m", "donkeywatch", "backfill", "-c", str(server.settings)]
    for size in (20_000, 120_000, 150_000, 180_000):
        done = subprocess.run(
            [*command, *map(str, server.archive)], capture_output=True, text=True, timeout=120,
            preexec_fn=full(size), env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == 6, done.stderr
        assert "remedy:" in done.stderr
        assert "Traceback" not in done.stderr
    code, message = donkeywatch("backfill", "-c", server.settings, *server.archive)
    assert code == 0, message
    code, message = donkeywatch("status", "-c", server.settings)
    assert f"{sum(server.truth.lines.values()):,}" in message


def test_what_is_no_log_of_the_format_is_not_counted(server: Simulated) -> None:
    """Counted by mistake it would not be read again; --force counts it, and says as what."""
    wrong = server.directory / "log.jsonl"
    wrong.write_text('{"a": 1}\n' * 500)
    code, message = donkeywatch("backfill", "-c", server.settings, wrong)
    assert code == 5
    assert "none of the first 500 lines is a search" in message
    assert "--force" in message
    code, message = donkeywatch("backfill", "-c", server.settings, wrong, server.archive[0])
    assert code == 0, message
    assert "500 lines counted (500 other)" in message
    wrong.write_text('{"b": 1}\n' * 500)
    code, message = donkeywatch("backfill", "-c", server.settings, "--force", wrong)
    assert code == 0, message
    assert "500 lines counted (500 other)" in message


def test_a_damaged_archive_is_told_with_what_was_counted_of_it(server: Simulated) -> None:
    """A repeat with the restored file counts the rest."""
    whole = gzip.compress(server.archive[0].read_bytes())
    packed = server.directory / "one.gz"
    for content in (whole[: len(whole) // 2], os.urandom(5_000)):
        packed.write_bytes(content)
        code, message = donkeywatch("backfill", "-c", server.settings, packed)
        assert code == 5
        assert re.search(r"[0-9,]+ lines that were read before are counted", message)
        code, message = donkeywatch("check", "-c", server.settings, packed)
        assert code == 5
        assert "remedy:" in message
        assert "Traceback" not in message
    packed.write_bytes(whole)
    code, message = donkeywatch("backfill", "-c", server.settings, packed, server.archive[1])
    assert code == 0, message
    _, message = donkeywatch("status", "-c", server.settings)
    assert f"{sum(server.truth.lines.values()):,}" in message


def test_check_changes_nothing(server: Simulated) -> None:
    """Root may be the one who asks, and the daemon another."""
    (server.directory / "search.log").write_bytes(server.archive[1].read_bytes())
    before = sorted(server.directory.rglob("*"))
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 0, message
    searches = r"[0-9,]+ searches (\([0-9,]+ without words\) )?among the last [0-9,]+"
    assert re.search(rf"source simulated: ok, {searches}", message)
    assert sorted(server.directory.rglob("*")) == before


def test_check_looks_into_the_live_log(server: Simulated) -> None:
    """A path that is not there and a wrong format are findings, each told once."""
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 5
    assert message.count("not there") == 1
    assert "correct `path`" in message
    log = server.directory / "search.log"
    lines = server.archive[0].read_bytes().splitlines()[:50]
    wrapped = [
        {"log": line.decode("latin-1") + "\n", "time": "2026-01-01T00:00:00Z"} for line in lines
    ]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in wrapped))
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 5
    assert message.count("none of its last 50 lines is a search") == 1
    assert 'set `format = "tsv"`, `wrapper = "docker"`' in message
    log.write_text('{"a": 1}\n' * 500)
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 5
    assert "is it a log in this format?" in message
    log.write_text("")
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 0, message
    assert "its log is empty" in message


def test_check_tells_lines_from_the_future(server: Simulated) -> None:
    """As the daemon counts them: this is how a wrong time zone is found."""
    sample = server.directory / "future.log"
    lines = ["2026-01-01T00:00:00Z", *["2199-01-01T00:00:00Z"] * 3]
    sample.write_text("".join(f"{stamp}\t192.0.2.1\tzqorv\n" for stamp in lines))
    code, message = donkeywatch("check", "--format", "tsv", sample)
    assert code == 0
    assert re.search(r"future\D+3\b", message)
    sample.write_text("2026-01-01T00:00:00\t192.0.2.1\tzqorv\n" * 3)
    code, message = donkeywatch("check", "--format", "tsv", sample)
    assert code == 5
    assert "`timezone = " in message


def test_the_status_fits_a_terminal_of_80_by_24(server: Simulated) -> None:
    """Health comes first, and no figure is cut."""
    donkeywatch("backfill", "-c", server.settings, *server.archive)
    code, message = donkeywatch("status", "-c", server.settings, columns="80")
    assert code == 0
    lines = message.splitlines()
    assert "daemon" in lines[0]
    assert "\u2026" not in message
    assert max(map(len, lines)) <= 80
    assert len(lines) < 24
    assert "pornographic" in message
    assert len(re.findall(r"[0-9.]+% \[[0-9.]+%, [0-9.]+%\]", message)) >= 16


def test_the_status_tells_who_answers(server: Simulated) -> None:
    """This state's daemon, another one's, one that refuses the token, or something else."""
    donkeywatch("backfill", "-c", server.settings, *server.archive)
    other = server.directory / "other"
    other.mkdir()
    other_settings = other / "donkeywatch.toml"
    text = server.settings.read_text()
    port = free_port()
    http = f"\n[http]\nport = {port}\n"
    other_settings.write_text(text.replace('"archive', '"../archive') + http)
    server.settings.write_text(text + http)
    with daemon(other_settings, port):
        _, message = donkeywatch("status", "-c", server.settings)
        assert "works on another state directory" in message
    with daemon(server.settings, port, DONKEYWATCH_TOKEN="zqorvtoken"):
        _, message = donkeywatch("status", "-c", server.settings)
        assert "refuses this token" in message
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=answer_nonsense, args=[listener])
        thread.start()
        _, message = donkeywatch("status", "-c", server.settings)
        thread.join()
    assert "something else than donkeywatch" in message


@contextmanager
def daemon(settings: Path, port: int, **environment: str) -> Iterator[None]:
    """A daemon that listens on a port until the end of the block."""
    command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(settings)]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        wait_until(lambda: listens(port), process)
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def listens(port: int) -> bool:
    """Does anybody take connections on this port?"""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def answer_nonsense(listener: socket.socket) -> None:
    """Answer one connection with what is no HTTP."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"220 mail.example.org\r\n")


def test_check_reads_on_behind_a_long_line(server: Simulated) -> None:
    """One that is longer than what is read at once, and that the settings allow."""
    text = server.settings.read_text()
    server.settings.write_text(text.replace("[[source]]", "[[source]]\nmax_line = 500000", 1))
    first = server.archive[0].read_bytes().partition(b"\n")[0].rsplit(b"\t", 1)[0]
    sample = server.directory / "long.log"
    sample.write_bytes(b"\n".join([first + b"\tzq " + b"v" * 400_000, *[first + b"\tzq"] * 3, b""]))
    code, message = donkeywatch("check", "-c", server.settings, sample)
    assert code == 0, message
    assert "4 lines, 4 searches" in message


def test_check_finds_everything_in_place(server: Simulated) -> None:
    """With good settings each part is told to be ok, and the sample's lines by outcome."""
    code, message = donkeywatch("check", "-c", server.settings, server.archive[0])
    assert code == 0, message
    for part in ("lexicon", "countries", "state directory", "key directory"):
        assert f"{part}: ok" in message
    assert "keywordless" in message
    assert "the line at byte" in message


def test_check_never_shows_a_line(server: Simulated) -> None:
    """Byte offsets of rejected lines, and nothing that stands in them."""
    _, message = donkeywatch("check", "-c", server.settings, server.archive[0])
    offsets = [int(match) for match in re.findall(r"the line at byte (\d+)", message)]
    assert offsets
    data = server.archive[0].read_bytes()
    for offset in offsets:
        assert offset == 0 or data[offset - 1 : offset] == b"\n"
        line = data[offset:].split(b"\n", 1)[0]
        fields = [field.decode("latin-1") for field in line.split(b"\t")]
        assert not any(len(field) > 5 and field in message for field in fields[1:])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "-c", "none.toml"), 7, "not readable"),
        (("check", "-c", "none.toml"), 7, "not readable"),
        (("status", "-c", "donkeywatch.toml"), 3, "no database"),
        (("backfill", "-c", "donkeywatch.toml", "none.log"), 5, "No such file"),
        (("backfill", "-c", "donkeywatch.toml", "archive"), 5, "is a directory"),
        (("backfill", "-c", "donkeywatch.toml", "x" * 300), 5, "File name too long"),
        (("backfill", "-c", "donkeywatch.toml", "--source", "x", "search.log"), 2, "use one of"),
        (("check", "-c", "donkeywatch.toml", "--source", "x", "search.log"), 2, "use one of"),
        (("check", "--format", "tsv"), 2, "needs a sample"),
        (("check", "--format", "regex", "archive/search-01.log"), 2, "needs a `pattern`"),
        (("simulate", "donkeywatch.toml"), 2, "cannot be made"),
        (("demo", "donkeywatch.toml"), 2, "cannot be made"),
        (("check", "--format", "tsv", "none.log"), 5, "No such file"),
        (("lexicon", "check", "none.toml"), 7, "not readable"),
        (("check", "--format", "enode-go", "archive/search-01.log"), 5, '`format = "tsv"`'),
        (("check", "--format", "enode-go", "archive/lexicon.toml"), 5, "log level `debug`"),
    ],
)
def test_what_cannot_be_done_is_told(
    server: Simulated, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """A clear message with a remedy and a documented exit code, never a traceback."""
    items, text = donkeywatch(*arguments, cwd=server.directory)
    assert items == code, text
    assert message in text
    assert "remedy:" in text
    assert "Traceback" not in text


def test_a_backfill_names_files_as_they_are_called_and_once(server: Simulated) -> None:
    """What looks like markup is a name; a file that is named twice is counted once, and told so."""
    (first, *_) = server.archive
    irregular = first.rename(first.with_name("search[old].log"))
    code, message = donkeywatch("backfill", "-c", server.settings, irregular, irregular)
    assert code == 0, message
    assert re.findall(r"^search\[old\]\.log: (.+) lines counted", message, re.MULTILINE)
    assert "counted before" not in message


def test_check_tells_all_that_is_wrong(server: Simulated) -> None:
    """An open lexicon, a directory in place of the log: both are named, the first decides."""
    (server.directory / "archive" / "lexicon.toml").chmod(0o644)
    server.log.mkdir()
    code, message = donkeywatch("check", "-c", server.settings)
    assert code == 7
    assert "chmod 600" in message
    assert "is a directory" in message


def test_lexicon_check_counts_and_shows_no_word(server: Simulated) -> None:
    """Counts of groups and words, and no word."""
    path = server.directory / "archive" / "lexicon.toml"
    code, message = donkeywatch("lexicon", "check", path)
    assert code == 0
    assert "4 categories" in message
    topics = tomllib.loads(path.read_text("utf-8"))["topics"].values()
    words = {word for topic in topics for group in topic["groups"].values() for word in group}
    words |= {suffix for topic in topics if "ages" in topic for suffix in topic["ages"]["suffixes"]}
    names = {group for topic in topics for group in topic["groups"]}
    assert len(words) > 200
    assert not set(re.findall(r"\w+", message)) & (words - names)


def test_two_at_once_are_refused(server: Simulated) -> None:
    """A second process on the same state directory is told that another is at work."""
    from support.simulated_server import engine

    with engine(server.settings):
        code, message = donkeywatch("backfill", "-c", server.settings, *server.archive)
    assert code == 4
    assert "another donkeywatch is at work" in message


def test_simulate_writes_what_the_other_verbs_need(tmp_path: Path) -> None:
    """Logs, lexicon, countries, truth and settings; check is content with them.

    A second archive takes the place of the first.
    """
    code, message = donkeywatch(
        "simulate", tmp_path / "out", "--weeks", "1", "--queries", "500", "--addresses", "50",
        "--format", "regex", "--gz",
    )  # fmt: skip
    assert code == 0, message
    archive = tmp_path / "out" / "archive"
    assert {path.name for path in archive.iterdir()} == {
        "search-01.log.gz", "lexicon.toml", "countries.mmdb", "truth.json",
    }  # fmt: skip
    settings = tmp_path / "out" / "donkeywatch.toml"
    code, message = donkeywatch("check", "-c", settings, archive / "search-01.log.gz")
    assert code == 0, message
    code, message = donkeywatch("simulate", tmp_path / "out", "--weeks", "1", "--queries", "500")
    assert code == 0, message
    assert [path.name for path in archive.glob("search-*")] == ["search-01.log"]


def test_failures_leave_through_one_door(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`main` turns a failure into a message and its exit code, and Ctrl-C into 130."""
    monkeypatch.setattr("donkeywatch.runtime.hardening.harden_process", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["donkeywatch", "check", "-c", "/nonexistent.toml"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 7
    assert "remedy:" in capsys.readouterr().err

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("donkeywatch.cli.application.app", interrupted)
    with pytest.raises(SystemExit) as left:
        application.main()
    assert left.value.code == 130


@pytest.mark.untraced
def test_the_demo_shows_the_truth(tmp_path: Path) -> None:
    """`make run`: an archive is counted, a live log followed, and every closed hour is true."""
    port = free_port()
    place = tmp_path / "demo"
    command = [sys.executable, "-m", "donkeywatch", "demo", str(place), "--weeks", "2"]
    command += ["--queries", "6000", "--rate", "20", "--port", str(port)]
    with (tmp_path / "said").open("w") as message:
        process = subprocess.Popen(command, stdout=message, stderr=message)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: ready(url), process)
        truth = json.loads((place / "archive" / "truth.json").read_text("utf-8"))
        hours = {w["start"]: w for w in answer(f"{url}/api/v1/hours?limit=1000")["windows"]}
        assert len(truth["hours"]) > 300
        for start, text in truth["hours"].items():
            shown = hours[start]
            assert shown["closed"]
            assert (shown["queries"], shown["addresses"]) == (text["queries"], text["addresses"])
            for topic in shown["topics"]:
                known = text["topics"][topic["topic"]]
                assert topic["queries"] == known["queries"]
                assert topic["addresses"]["1"] == known["addresses_1"]
        counted = sum(truth["lines"].values())
        wait_until(lambda: lines(url) > counted + 20, process)
        settings = place / "donkeywatch.toml"
        settings.write_text(settings.read_text("utf-8") + f"\n[http]\nport = {port}\n")
        code, text = donkeywatch("status", "-c", settings)
        assert code == 0, text
        assert "the daemon is ready" in text
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
    code, text = donkeywatch("status", "-c", settings)
    assert "no daemon answers" in text


def test_an_interrupted_demo_goes_on(tmp_path: Path) -> None:
    """Killed while its archive is counted, or while it runs; never are there two writers."""
    place, port = tmp_path / "demo", free_port()
    arguments = ["--weeks", "2", "--queries", "6000", "--rate", "20", "--port", str(port)]
    command = [sys.executable, "-m", "donkeywatch", "demo", str(place), *arguments]
    database = place / "state" / "donkeywatch.db"
    process = subprocess.Popen(command)
    wait_until(database.exists, process)
    process.kill()
    process.wait()
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: ready(url), process)
    code, text = donkeywatch("demo", place, *arguments)
    assert code == 4
    assert "another donkeywatch is at work" in text
    code, text = donkeywatch("simulate", place, "--live")
    assert code == 4
    assert "another process writes" in text
    process.kill()
    process.wait()
    before = (place / "search.log").stat().st_size
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: ready(url), process)
        wait_until(lambda: (place / "search.log").stat().st_size > before, process)
        truth = json.loads((place / "archive" / "truth.json").read_text("utf-8"))
        hours = {w["start"]: w for w in answer(f"{url}/api/v1/hours?limit=1000")["windows"]}
        for start, known in truth["hours"].items():
            assert hours[start]["queries"] == known["queries"]
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def answer(url: str) -> Any:
    """A JSON answer."""
    with urllib.request.urlopen(url, timeout=10) as result:
        return json.load(result)


def ready(url: str) -> bool:
    """Does the daemon say that it is ready?"""
    try:
        return bool(answer(f"{url}/readyz")["ready"])
    except OSError:
        return False


def lines(url: str) -> float:
    """Lines counted so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as result:
        text = result.read().decode()
    return sum(map(float, re.findall(r"^donkeywatch_lines_total\{.*\} (\S+)", text, re.MULTILINE)))


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until something is true, for a minute at the most."""
    until = time.monotonic() + 60
    while not true():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
