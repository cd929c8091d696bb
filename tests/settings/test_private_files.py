"""Files with secrets: who else may read or replace them is refused, with the remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.settings.private_files import read_private_file, refuse_readable_by_others


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that nobody else may read."""
    path = tmp_path / "secret"
    path.write_text("zqorv", "ascii")
    path.chmod(0o600)
    return path


def test_a_private_file_is_read(secret: Path) -> None:
    """Whole."""
    assert read_private_file(secret, "the secret") == b"zqorv"


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o773])
def test_a_directory_that_everybody_can_write_to_is_refused(secret: Path, mode: int) -> None:
    """Somebody may put another file in its place; with a sticky bit, as /tmp has it, nobody may."""
    secret.parent.chmod(mode)
    if not mode & 0o002:
        assert read_private_file(secret, "the secret") == b"zqorv"
        return
    with pytest.raises(ConfigError, match="everybody can write to its directory") as caught:
        read_private_file(secret, "the secret")
    assert caught.value.remedy == f"run: chmod o-w {secret.parent}"
    secret.parent.chmod(mode | 0o1000)
    assert read_private_file(secret, "the secret") == b"zqorv"


def test_a_file_of_another_user_is_refused(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner may change it; root's files are trusted, and root reads everybody's."""
    owner = secret.stat().st_uid
    for user, is_refused in ((owner, False), (owner + 1000, owner != 0), (0, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        if is_refused:
            with pytest.raises(ConfigError, match="belongs to another user"):
                read_private_file(secret, "the secret")
        else:
            assert read_private_file(secret, "the secret") == b"zqorv"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_was_given_away_is_refused(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where its mode is right."""
    os.chown(secret, 12345, 12345)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_private_file(secret, "the secret")
    with pytest.raises(ConfigError, match="belongs to another user"):
        refuse_readable_by_others(secret, secret.stat(), "the secret", "")


@pytest.mark.parametrize(("mode", "is_refused"), [(0o640, False), (0o644, True), (0o604, True)])
def test_a_secret_for_a_group_may_be_read_by_it_alone(
    secret: Path, mode: int, is_refused: bool
) -> None:
    """As a token is that root has written for the daemon."""
    secret.chmod(mode)
    if not is_refused:
        refuse_readable_by_others(secret, secret.stat(), "the secret", "mend it")
        return
    with pytest.raises(ConfigError, match="everybody can read it"):
        refuse_readable_by_others(secret, secret.stat(), "the secret", "mend it")
