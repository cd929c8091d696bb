"""Named tokens: hashes in a private file, and no token anywhere but where it is shown once."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.settings import loader
from donkeywatch.settings.access_tokens import (
    AccessToken,
    Scope,
    find_token,
    new_token,
    read_tokens,
    write_tokens,
)
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START

TODAY = date(2026, 11, 29)


def made(name: str = "grafana", *scopes: Scope) -> tuple[AccessToken, str]:
    """A token with these scopes, or both."""
    return new_token(name, scopes or ("read", "metrics"), TODAY)


def test_a_token_is_found_by_what_was_shown(tmp_path: Path) -> None:
    """After a way through the file; any other text is none of them."""
    (first, shown), (second, other) = made("grafana", "metrics"), made("desk", "read")
    path = tmp_path / "tokens.json"
    write_tokens(path, [first, second])
    tokens = read_tokens(path)
    assert find_token(tokens, shown) == first
    assert find_token(tokens, other) == second
    identifier, _, secret = shown.partition(".")
    for wrong in ("", ".", shown[:-1], shown + "x", identifier, secret, f"{second.id}.{secret}"):
        assert find_token(tokens, wrong) is None


def test_the_file_holds_no_token_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Neither when it is made nor when it is written anew."""
    path = tmp_path / "tokens.json"
    for name in ("grafana", "desk"):
        stored, shown = made(name)
        write_tokens(path, [*(read_tokens(path) if path.exists() else ()), stored])
        assert shown.partition(".")[2] not in path.read_text("utf-8")
        assert path.stat().st_mode & 0o777 == 0o600
    assert [token.name for token in read_tokens(path)] == ["grafana", "desk"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.json"]


def test_every_token_is_drawn_anew() -> None:
    """Also for one name, and under another salt."""
    (first, shown), (second, other) = made(), made()
    assert shown != other
    assert (first.salt, first.id) != (second.salt, second.id)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to do about it."""
    path = tmp_path / "tokens.json"
    write_tokens(path, [made()[0]])
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others can read it"):
        read_tokens(path)


@pytest.mark.parametrize("text", ["", "[]", '{"tokens": [{"name": "a"}]}', '{"more": 1}'])
def test_what_was_not_written_by_us_is_refused(tmp_path: Path, text: str) -> None:
    """Whole, and without a word of it."""
    path = tmp_path / "tokens.json"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="not a file that"):
        read_tokens(path)


@pytest.mark.parametrize("name", ["", "two words", "-x", "x" * 65, "x\n", "é"])
def test_a_name_is_a_plain_word(name: str) -> None:
    """It is shown in lists."""
    with pytest.raises(ConfigError, match="a token's name has letters"):
        made(name)


def run(*arguments: str, directory: Path) -> tuple[int, str, str]:
    """A verb as a process: its exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", *arguments],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, " ".join(done.stderr.split())


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """By an operator, at the command line; a token alone goes to the output."""
    sim = Simulation(seed=1, start=START, hours=1, queries=9, addresses=10)
    settings = simulation_directory.write_settings(sim, tmp_path)
    code, _, message = run("token", "add", "desk", directory=tmp_path)
    assert code == 2
    assert 'set tokens = "tokens.json" under [http]' in message
    with settings.open("a", encoding="utf-8") as file:
        file.write('\n[http]\ntokens = "tokens.json"\n')
    code, shown, message = run("token", "add", "grafana", "--scope", "metrics", directory=tmp_path)
    assert (code, len(shown.split())) == (0, 1)
    assert "grafana may read: metrics" in message
    assert run("token", "add", "desk", directory=tmp_path)[0] == 0
    assert run("token", "add", "desk", directory=tmp_path)[0] == 2
    assert run("token", "add", "x", "--scope", "write", directory=tmp_path)[0] == 2
    code, listed, _ = run("token", "list", directory=tmp_path)
    assert [line.partition(";")[0] for line in listed.splitlines()] == [
        "grafana: metrics", "desk: read, metrics",
    ]  # fmt: skip
    assert shown.strip() not in listed
    path = loader.load(settings, {}).http.tokens
    assert path is not None
    assert find_token(read_tokens(path), shown.strip()) is not None
    assert run("token", "revoke", "grafana", directory=tmp_path)[0] == 0
    assert run("token", "revoke", "grafana", directory=tmp_path)[0] == 2
    assert find_token(read_tokens(path), shown.strip()) is None
