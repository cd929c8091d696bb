"""Files with secrets: who else may read or replace them is refused, with the remedy."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.settings.private_files import (
    create_file,
    hold_directory,
    read_private_file,
    refuse_readable_by_others,
    write_private_file,
)


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


def test_a_written_file_is_its_owners_alone_and_replaces_what_a_crash_left(secret: Path) -> None:
    """The rest of an earlier try, which others might read, is not written into."""
    left = secret.with_name(f".{secret.name}.part")
    left.write_bytes(b"half")
    left.chmod(0o666)
    write_private_file(secret, b"kamo")
    assert secret.read_bytes() == b"kamo"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert list(secret.parent.iterdir()) == [secret]


def test_a_failed_write_leaves_the_old_content(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the new content stays either."""

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_private_file(secret, b"kamo")
    assert secret.read_bytes() == b"zqorv"
    assert list(secret.parent.iterdir()) == [secret]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_root_replaces_keeps_its_owner(secret: Path) -> None:
    """A new one belongs to the owner of the directory."""
    os.chown(secret, 12345, 12345)
    write_private_file(secret, b"kamo")
    assert secret.stat().st_uid == 12345
    os.chown(secret.parent, 23456, 23456)
    fresh = secret.with_name("fresh")
    write_private_file(fresh, b"kamo")
    assert (fresh.stat().st_uid, fresh.stat().st_gid) == (23456, 23456)


def test_a_file_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails half-way may be repeated; what is there stays, a dangling link as well."""
    path = tmp_path / "settings"

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            create_file(path, "zqorv", 0o644)
    assert list(tmp_path.iterdir()) == []
    create_file(path, "zqorv", 0o644)
    assert path.read_text() == "zqorv"
    assert path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(FileExistsError):
        create_file(path, "kamo", 0o644)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_file(link, "kamo", 0o644)
    assert path.read_text() == "zqorv"


def test_of_two_who_write_in_one_directory_one_waits(secret: Path) -> None:
    """Else one could put the other's half of a file in place."""
    writer = threading.Thread(target=write_private_file, args=(secret, b"kamo"))
    with hold_directory(secret.parent):
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert list(secret.parent.iterdir()) == [secret]
        assert secret.read_bytes() == b"zqorv"
    writer.join()
    assert secret.read_bytes() == b"kamo"
