"""A word list that a command writes: taken whole or refused, and nothing of it told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError, DonkeywatchError
from donkeywatch.ingest import lexicon_file, lexicon_from_command
from donkeywatch.ingest.lexicon_from_command import command_output
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START

CANARY = "zqcanaryorv"


def python(code: str) -> tuple[str, ...]:
    """A command that runs a line of Python."""
    return sys.executable, "-c", code


def test_what_it_writes_is_the_text() -> None:
    """Byte for byte, without a shell: arguments are passed as they are."""
    assert command_output(python("print('a $HOME `b`')")) == b"a $HOME `b`\n"
    assert command_output(["printf", "%s", "$HOME;*"]) == b"$HOME;*"


@pytest.fixture
def _input_to_read() -> Iterator[None]:
    """This process's standard input has five bytes to read, as if somebody had typed them."""
    stdin, (reading, writing) = os.dup(0), os.pipe()
    os.write(writing, b"zqxyk")
    os.close(writing)
    os.dup2(reading, 0)
    yield
    os.dup2(stdin, 0)
    os.close(stdin)
    os.close(reading)


@pytest.mark.usefixtures("_input_to_read")
def test_it_gets_nothing_to_read() -> None:
    """It cannot wait for a passphrase at the terminal, nor take what is meant for others."""
    assert command_output(python("import sys; print(len(sys.stdin.read()))")) == b"0\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("/nowhere/zq",), r"/nowhere/zq cannot be run \(No such file"),
        (("/etc",), r"cannot be run \(Permission denied"),
        (("printf\0",), "cannot be run"),
        (python("raise SystemExit(3)"), "it ended with exit code 3"),
        (python("import os; os.kill(os.getpid(), 9)"), "it ended with exit code -9"),
    ],
)
def test_a_command_that_fails_is_refused(command: tuple[str, ...], message: str) -> None:
    """With the reason, and what to do."""
    with pytest.raises(ConfigError, match=message) as caught:
        command_output(command)
    assert caught.value.remedy


def test_it_may_not_take_for_ever_nor_write_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and not waited for."""
    monkeypatch.setattr(lexicon_from_command, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(ConfigError, match="took more than"):
        command_output(python("import time; time.sleep(60)"))
    monkeypatch.setattr(lexicon_from_command, "TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(lexicon_from_command, "MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="more than"):
        command_output(python("print('x' * 11)"))


@pytest.mark.parametrize("code", [0, 1])
def test_nothing_that_it_says_is_told(code: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither its errors nor its output, where it fails."""
    command = python(
        f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit({code})"
    )
    settings = Settings.model_construct(lexicon=None, lexicon_command=command, source=())
    with pytest.raises(DonkeywatchError) as caught:
        lexicon_file.load_configured(settings)
    assert CANARY not in str(caught.value)
    assert CANARY not in "".join(capfd.readouterr())


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings of a simulated server."""
    sim = Simulation(seed=1, start=START, hours=1, queries=9, addresses=10)
    return simulation_directory.write_settings(sim, tmp_path)


def with_lexicon(settings: Path, line: str) -> Path:
    """The same with another line for the word list."""
    lines = settings.read_text("utf-8").splitlines()
    text = "\n".join(line if old.startswith("lexicon") else old for old in lines)
    settings.write_text(text, "utf-8")
    return settings


def test_settings_may_name_a_command(settings: Path) -> None:
    """The list is that of the file, and `check` finds nothing wrong."""
    before = lexicon_file.load_configured(loader.load(settings, {}))
    file = settings.parent / simulation_directory.ARCHIVE / "lexicon.toml"
    with_lexicon(settings, f'lexicon_command = ["cat", "{file}"]')
    assert lexicon_file.load_configured(loader.load(settings, {})) == before
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", "check", "-c", str(settings)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "lexicon: ok" in done.stdout
    with_lexicon(settings, 'lexicon_command = ["false"]')
    with pytest.raises(ConfigError, match="exit code 1"):
        lexicon_file.load_configured(loader.load(settings, {}))


@pytest.mark.parametrize("line", ["", 'lexicon = "a.toml"\nlexicon_command = ["cat"]'])
def test_there_is_a_file_or_a_command_and_not_both(settings: Path, line: str) -> None:
    """Nobody knows which of two was meant."""
    with_lexicon(settings, line)
    with pytest.raises(ConfigError, match="give `lexicon` or `lexicon_command`"):
        loader.load(settings, {})


def test_a_credential_of_systemd_is_the_list_where_none_is_named(
    settings: Path, tmp_path: Path
) -> None:
    """It has the mode that a list must have."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    file = credentials / "lexicon"
    file.write_bytes((settings.parent / simulation_directory.ARCHIVE / "lexicon.toml").read_bytes())
    file.chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert loader.load(settings, environ).lexicon != file
    with_lexicon(settings, "")
    loaded = loader.load(settings, environ)
    assert loaded.lexicon == file
    assert lexicon_file.load_configured(loaded).topics
