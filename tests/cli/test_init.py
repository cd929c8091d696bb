"""From nothing to settings that work, asked or told."""

from __future__ import annotations

import grp
import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from donkeywatch import cli
from donkeywatch.cli import log_access, shipped_files, system_setup
from donkeywatch.errors import StateError, UsageError
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.lexicon_model import MADE_UP_TITLE
from donkeywatch.runtime.format_detection import detect_format
from donkeywatch.runtime.log_sample import tail_lines
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Source

ROOT = Path(__file__).resolve().parents[2]
LATEST = 1 << 50
"""A time, ms UTC, before which all is."""
ADDRESS = "192.0.2.7"


def donkeywatch(
    *arguments: str | Path, cwd: Path, answers: str = "", **environment: str
) -> tuple[int, str]:
    """Run the command as a process that is given ``answers``; its exit code and all it says."""
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", *map(str, arguments)],
        input=answers, capture_output=True, text=True, timeout=120, cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def tsv(count: int = 20, stamp: str = "2026-10-07T12:00:{:02}Z") -> list[str]:
    """Lines of searches in the format `tsv`."""
    return [f"{stamp.format(n % 60)}\t{ADDRESS}\tzqorv {n}" for n in range(count)]


def docker(line: str) -> str:
    """A line as Docker's json-file driver writes it."""
    return json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-10-07T12:00:00Z"})


def cri(line: str) -> str:
    """A line as a container runtime of Kubernetes writes it."""
    return f"2026-10-07T12:00:00.000000000Z stdout F {line}"


def syslog(line: str) -> str:
    """A line as rsyslog writes it."""
    return f"2026-10-07T12:00:00+00:00 host enode[7]: {line}"


def jsonl(line: str) -> str:
    """A line of the format `jsonl` whose keys have other names than the usual ones."""
    stamp, address, query = line.split("\t")
    return json.dumps({"@timestamp": stamp, "client": {"ip": address}, "q": query, "port": 4662})


WRAPPERS: dict[str | None, Callable[[str], str]] = {
    None: str, "docker": docker, "cri": cri, "syslog": syslog,
}  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("format_name", ["tsv", "jsonl"])
def test_each_format_is_recognised_in_each_wrapper(
    tmp_path: Path, wrapper: str | None, format_name: str
) -> None:
    """By trying all of them on the end of the log."""
    log = tmp_path / "search.log"
    lines = [jsonl(line) if format_name == "jsonl" else line for line in tsv()]
    log.write_text("".join(f"{WRAPPERS[wrapper](line)}\n" for line in lines))
    detected = detect_format(log, tail_lines(log), LATEST)
    assert detected is not None
    assert (detected.source.format, detected.source.wrapper) == (format_name, wrapper)
    assert detected.sample.searches == 20
    assert not detected.needs_time_zone
    names = {"ts": "@timestamp", "ip": "client.ip", "query": "q"}
    assert detected.source.keys == (names if format_name == "jsonl" else {})


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"format": "jsonl"}, 'set `format = "tsv"`'),
        ({"format": "tsv", "time_format": "%d/%b/%Y:%H:%M:%S %z"}, "leave out `time_format`"),
        ({"format": "tsv", "wrapper": "cri"}, "leave out `wrapper`"),
        (
            {"format": "regex", "pattern": "(?P<ts>.)(?P<ip>.)(?P<query>.)"},
            'set `format = "tsv"`, and leave out `pattern`',
        ),
    ],
)
def test_what_is_to_be_changed_of_settings_that_read_nothing(
    tmp_path: Path, settings: dict[str, str], remedy: str
) -> None:
    """Not what is set already."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    detected = detect_format(log, tail_lines(log), LATEST)
    assert detected is not None
    assert detected.remedy_for(Source(path=log, **settings)) == remedy


def test_a_log_that_no_format_reads_is_not_guessed_at(tmp_path: Path) -> None:
    """Lines that look like nothing known."""
    log = tmp_path / "search.log"
    log.write_text("something happened at noon\n" * 50)
    assert detect_format(log, tail_lines(log), LATEST) is None


def test_only_whole_lines_of_the_end_are_looked_at(tmp_path: Path) -> None:
    """The last line may be half written, and a long log is not read from its front."""
    log = tmp_path / "search.log"
    with log.open("w") as file:
        file.write("another program wrote this\n" * 100_000)
        file.writelines(f"{line}\n" for line in tsv(10_000))
        file.write("2026-10-07T12:0")
    lines = tail_lines(log)
    size = log.stat().st_size
    assert lines[0][0] > size - (1 << 20) - 100
    assert lines[-1][1].startswith(b"2026-10-07T12:00:")
    content = log.read_bytes()
    assert all(content[at : at + len(line)] == line for at, line in lines)
    detected = detect_format(log, lines, LATEST)
    assert detected is not None
    assert detected.source.format == "tsv"


def test_nothing_is_asked_with_yes(tmp_path: Path) -> None:
    """Settings that load, a word list of mode 0600, and a check of both."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    options = ("--port", "0", "--yes", "--log", log, "--title", 'a "b"')
    code, text = donkeywatch("init", *options, cwd=tmp_path)
    assert code == 0, text
    assert "20 searches among the last 20 lines" in text
    settings = loader.load(tmp_path / "donkeywatch.toml", {})
    assert settings.title == 'a "b"'
    assert settings.source[0].path == log
    assert settings.lexicon is not None
    assert stat.S_IMODE(settings.lexicon.stat().st_mode) == 0o600
    assert {"pedophile", "pornographic"} == set(lexicon_file.load(settings.lexicon).topics)
    assert "source main: ok" in text
    code, text = donkeywatch("init", "--yes", "--log", log, cwd=tmp_path)
    assert code == 7
    assert "there already" in text


def test_what_is_not_told_is_asked(tmp_path: Path) -> None:
    """The log, the zone of its stamps, and all else, with what was found as the default."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv(stamp="2026-10-07T12:00:{:02}")))
    answers = f"{log}\nEurope/Paris\nmy server\n\n\n\n0.0.0.0\n9999\n"
    code, text = donkeywatch("init", cwd=tmp_path, answers=answers)
    assert code == 0, text
    assert "stamps tell no time zone" in text
    assert "CC BY" in text
    settings = loader.load(tmp_path / "donkeywatch.toml", {})
    assert settings.title == "my server"
    assert settings.source[0].timezone == "Europe/Paris"
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 9999)
    assert settings.http.token is not None, "an address that others reach needs a token"
    token = tmp_path / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() not in text


def test_a_wrong_answer_is_asked_for_again(tmp_path: Path) -> None:
    """What is wrong with it is said, and no other answer is lost."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    answers = f"{tmp_path}/serch.log\n{log}\n\nnone.mmdb\n\n\n\nmy server\n::1\n70000\n9999\n"
    code, text = donkeywatch("init", cwd=tmp_path, answers=answers)
    assert code == 0, text
    for problem in ("not there; name it again", "no such file", "give an address", "no port"):
        assert problem in text
    settings = loader.load(tmp_path / "donkeywatch.toml", {})
    assert settings.source[0].path == log
    assert (settings.http.host, settings.http.port) == ("::1", 9999)


def test_a_log_that_is_still_to_come_is_named_twice(tmp_path: Path) -> None:
    """And its format is asked for, again where there is no such format."""
    log = tmp_path / "later.log"
    answers = f"{log}\n\nxml\ntsv\n" + "\n" * 10
    code, text = donkeywatch("init", "--port", "0", cwd=tmp_path, answers=answers)
    assert "`xml` is none of them" in text
    settings = loader.load(tmp_path / "donkeywatch.toml", {})
    assert (settings.source[0].path, settings.source[0].format) == (log, "tsv")
    assert code == 5, text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--yes",), 2, "needs --log"),
        (("--yes", "--log", "none.log"), 5, "give its --format"),
        (("--yes", "--log", "strange.log"), 5, "no format reads a search in it"),
        (("--dry-run",), 2, "goes with --system"),
        (("--system", "--dry-run", "--state", "elsewhere"), 2, "mount that one there"),
        (("--yes", "--log", "good.log", "--countries", "none.mmdb"), 2, "no such file"),
        (("--yes", "--log", "good.log", "--host", "my server"), 2, "give an address"),
    ],
)
def test_what_init_cannot_do_is_told(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """And nothing is written."""
    (tmp_path / "strange.log").write_text("something happened\n" * 50)
    (tmp_path / "good.log").write_text("".join(f"{line}\n" for line in tsv()))
    before = sorted(tmp_path.iterdir())
    result, text = donkeywatch("init", *arguments, cwd=tmp_path)
    assert result == code, text
    assert message in text
    assert sorted(tmp_path.iterdir()) == before


def test_the_commands_for_a_service_are_shown_and_not_run(tmp_path: Path) -> None:
    """`--dry-run` needs no root, shows all that `--system` would do, and changes nothing."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    if os.geteuid() == 0:
        os.chown(log, -1, grp.getgrnam("adm").gr_gid)
    before = sorted(tmp_path.iterdir())
    code, text = donkeywatch("init", "--system", "--dry-run", "--yes", "--log", log, cwd=tmp_path)
    assert code == 0, text
    shown = [line for line in text.splitlines() if line.startswith("# ")]
    for command in (
        "useradd --system", "install -d", "write /etc/donkeywatch/donkeywatch.toml",
        "chown donkeywatch:donkeywatch", "chmod 0640", "install -m 0644 donkeywatch.service",
        "systemctl daemon-reload", "runuser -u donkeywatch -- ",
    ):  # fmt: skip
        assert any(line.startswith(f"# {command}") for line in shown), command
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("has_setfacl", [True, False])
def test_the_log_is_made_readable_by_acl_or_by_its_group(tmp_path: Path, has_setfacl: bool) -> None:
    """The finished logs beside it as well, and no other file."""
    if os.geteuid() != 0:
        pytest.skip("only root gives a log away")
    logs, commands = tmp_path / "logs", tmp_path / "commands"
    logs.mkdir()
    commands.mkdir()
    log = logs / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    for name in ("search.log.1.gz", "other.log", "search_settings.toml"):
        (logs / name).touch()
    os.chown(log, -1, grp.getgrnam("adm").gr_gid)
    if has_setfacl:
        (commands / "setfacl").touch(mode=0o755)
    options = ("--system", "--dry-run", "--yes", "--log", log)
    code, text = donkeywatch("init", *options, cwd=tmp_path, PATH=str(commands))
    assert code == 0, text
    by_acl = f"# setfacl -m u:donkeywatch:r {log} {log}.1.gz\n"
    assert (by_acl in text, "# usermod --append --groups adm donkeywatch\n" in text) == (
        has_setfacl, not has_setfacl
    )  # fmt: skip
    assert "other.log" not in text
    assert "search_settings" not in text


def test_what_comes_next_speaks_of_made_up_words_only_where_they_are(tmp_path: Path) -> None:
    """A word list of before is not to be replaced."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    for is_made_up in (True, False):
        options = ("--port", "0", "--yes", "--log", log)
        code, text = donkeywatch("init", *options, cwd=tmp_path)
        assert code == 0, text
        assert ("put your words in the place" in text) == is_made_up
        (tmp_path / "donkeywatch.toml").unlink()


def test_an_interrupted_set_up_is_repeated_and_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that could not be installed leaves no settings, which would refuse the next try."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    settings = tmp_path / "etc" / "donkeywatch.toml"
    options = ["init", "--system", "--yes", "--log", str(log), "--config", str(settings)]
    options += ["--lexicon", str(settings.with_name("words.toml"))]
    cli.load_commands(["init"])
    monkeypatch.setattr(system_setup, "TOKEN", settings.with_name("token"))
    monkeypatch.setattr(system_setup, "STATE", tmp_path / "state")
    for step in ("require_root", "prepare", "check_as_user", "finish"):
        monkeypatch.setattr(system_setup, step, lambda *_arguments, **_options: None)

    def fail(*_arguments: object, **_options: object) -> None:
        raise StateError("systemctl failed with exit code 1", "init may be repeated")

    with monkeypatch.context() as patch:
        patch.setattr(system_setup, "finish", fail)
        result = CliRunner().invoke(cli.app, options)
        assert isinstance(result.exception, StateError)
    assert not settings.exists()
    list_before = settings.with_name("words.toml").read_bytes()
    result = CliRunner().invoke(cli.app, options)
    assert result.exit_code == 0, result.output
    assert settings.exists()
    assert settings.with_name("words.toml").read_bytes() == list_before


def test_a_program_in_a_home_directory_makes_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit may not look there, so it could not start."""
    system_setup.require_root(dry_run=True)
    monkeypatch.setattr(log_access, "HIDDEN_FROM_SERVICES", [Path(sys.executable).parent])
    with pytest.raises(UsageError, match="may not look into home directories"):
        system_setup.require_root(dry_run=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be kept out")
def test_root_does_not_write_into_the_state_of_another_user(tmp_path: Path) -> None:
    """The daemon could not open what root has made there."""
    log = tmp_path / "search.log"
    log.write_text("".join(f"{line}\n" for line in tsv()))
    donkeywatch("init", "--yes", "--log", log, cwd=tmp_path)
    state = tmp_path / "donkeywatch-state"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, 65534)
    code, text = donkeywatch("backfill", log, cwd=tmp_path)
    assert code == 3
    assert "run it as that user: runuser -u" in text
    assert list(state.iterdir()) == []


def test_a_word_list_is_begun_and_never_overwritten(tmp_path: Path) -> None:
    """It is sound as it is, and its words are made up."""
    path = tmp_path / "words.toml"
    code, text = donkeywatch("lexicon", "init", path, cwd=tmp_path)
    assert code == 0, text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    code, text = donkeywatch("lexicon", "check", path, cwd=tmp_path)
    assert code == 0, text
    assert "the word list has made-up words" in text
    own_words = path.read_text().replace(MADE_UP_TITLE, "ours")
    path.write_text(own_words)
    _, text = donkeywatch("lexicon", "check", path, cwd=tmp_path)
    assert "made-up" not in text
    code, text = donkeywatch("lexicon", "init", path, cwd=tmp_path)
    assert code == 7
    assert "there is a file already" in text


def test_all_faults_of_a_word_list_are_told_at_once(tmp_path: Path) -> None:
    """With the groups that nothing asks for; no entry is shown."""
    path = tmp_path / "words.toml"
    path.write_text(
        '[topics.one.groups]\nfirst = ["zqorv", "ZQORV", "a b"]\nsecond = ["x"]\n'
        '[[topics.one.categories]]\nid = "plain"\nall = ["first", "third"]\n'
    )
    path.chmod(0o600)
    code, text = donkeywatch("lexicon", "check", path, cwd=tmp_path)
    assert code == 7
    for fault in ("the same word", "more than one word", "a single letter", "not defined"):
        assert text.count(fault) == 1
    assert "one.second: no category asks for this group" in text
    assert "4 faults" in text
    assert "zqorv" not in text.casefold()


def test_what_ships_is_copied_out(tmp_path: Path) -> None:
    """Units, alerts, dashboards and the documentation."""
    code, text = donkeywatch("files", "--out", tmp_path / "out", cwd=tmp_path)
    assert code == 0, text
    for name in (
        "deploy/systemd/donkeywatch.service", "deploy/prometheus/alerts.yml",
        "grafana/dashboards/fractions.json", "docs/deployment.md",
    ):  # fmt: skip
        assert (tmp_path / "out" / name).is_file(), name


def test_the_wheel_has_what_ships_and_nothing_beside_it() -> None:
    """In a clone the operator's own word list and token lie beside the Compose files."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]
    included = wheel["wheel"]["force-include"]
    assert included == {part: f"donkeywatch/shipped/{part}" for part in shipped_files.PARTS}
    operator_files = [ROOT / "deploy/compose/config/lexicon.toml", ROOT / "deploy/compose/data"]
    for part in shipped_files.PARTS:
        assert not any(path.is_relative_to(ROOT / part) for path in operator_files)
