"""What `init --system` lets the daemon's user read, and what a purge takes back of it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from donkeywatch.cli import log_access, system_setup
from donkeywatch.errors import StateError, UsageError
from donkeywatch.settings.file_template import Answers
from donkeywatch.settings.schema import Source
from support.instruments import component

POSTRM = Path(__file__).parents[2] / "deploy" / "debian" / "postrm"
USER = "nobody"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that others may not read, in a directory of its own; there is a setfacl."""
    monkeypatch.setattr(shutil, "which", str)
    made = tmp_path / "logs" / "enode.log"
    made.parent.mkdir()
    made.touch(mode=0o640)
    return made


def readable(log: Path) -> set[str]:
    """Names of the files that a user gets the right to read."""
    granted = [each for each in log_access.grants(log, USER) if f"u:{USER}:r" in each.command]
    return {path.name for each in granted for path in each.paths}


def test_only_the_log_and_its_rotated_files_become_readable(log: Path) -> None:
    """Neither what has a name like the log's, nor what a link of such a name leads to."""
    for name in ("enode.log.1", "enode.log.2.gz", "enode.conf", "enode-private.pem", "enode.db"):
        (log.parent / name).touch(mode=0o640)
    secret = log.parent.parent / "secret"
    secret.touch(mode=0o600)
    (log.parent / "enode.log.3").symlink_to(secret)
    assert readable(log) == {"enode.log", "enode.log.1", "enode.log.2.gz"}


def test_a_name_that_no_line_can_hold_is_left_out(log: Path) -> None:
    """It could forge a line of the record, which a purge carries out as root."""
    (log.parent / "enode.log.2\ndefault 1001 victim").touch(mode=0o640)
    (log.parent / os.fsdecode(b"enode.log.\xff")).touch(mode=0o640)
    assert readable(log) == {"enode.log"}


def test_what_everybody_can_read_needs_no_right(log: Path) -> None:
    """A default access list would only take the place of the server's umask."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        moved = Path(shutil.move(log, directory))
        moved.chmod(0o644)
        assert log_access.grants(moved, USER) == []
        moved.with_name("enode.log.1").touch(mode=0o640)
        assert log_access.grants(moved, USER) != []


def test_a_link_to_a_log_opens_both_directories(log: Path) -> None:
    """The daemon looks for rotated files beside both names."""
    elsewhere = log.parent.parent / "by-name"
    elsewhere.mkdir()
    link = elsewhere / "current.log"
    link.symlink_to(log)
    listed = {
        path
        for each in log_access.grants(link, USER)
        if f"u:{USER}:rx" in each.command
        for path in each.paths
    }
    assert listed == {log.parent, elsewhere}
    assert readable(link) == {"enode.log"}


def test_a_file_whose_list_is_narrowed_is_left_alone(log: Path) -> None:
    """Another entry would have the mask counted anew, and give others what is withheld."""
    entries = [(0x01, 6), (0x02, 6), (0x04, 4), (0x10, 0), (0x20, 0)]
    packed = b"".join(
        struct.pack("<HHI", tag, bits, 65533 if tag == 2 else 0xFFFFFFFF) for tag, bits in entries
    )
    old = log.with_name("enode.log.1")
    old.touch()
    try:
        os.setxattr(old, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError:
        pytest.skip("no access lists on this file system")
    assert readable(log) == {"enode.log"}


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("my logs/enode.log", "no unit can name this path"),
        ("100%/enode.log", "no unit can name this path"),
        ("logs/enode.log", "may not look into home directories"),
        ("ours/enode.log", "no directory of the log's own"),
        ("shared/enode.log", "no directory of the log's own"),
    ],
)
def test_a_log_that_a_service_cannot_or_should_not_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    """Before anything is changed, and with the remedy."""
    log = tmp_path / place
    log.parent.mkdir()
    log.touch(mode=0o640)
    monkeypatch.setattr(log_access, "HIDDEN_FROM_SERVICES", [tmp_path / "logs"])
    monkeypatch.setattr(log_access, "SHARED_DIRECTORIES", {tmp_path / "shared"})
    with pytest.raises(UsageError, match=message) as caught:
        log_access.require_service_log(log, [tmp_path / "ours" / "settings.toml"])
    assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
def test_a_state_directory_of_somebody_else_is_not_taken(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be closed to all others, and a reset empties it."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "file").touch()
    monkeypatch.setattr(system_setup, "STATE", state)
    source = Source(name="main", path=log, format="tsv")
    answers = Answers("", state, tmp_path / "words", None, source, "127.0.0.1", 0, None)
    with pytest.raises(StateError, match="not empty"):
        system_setup.prepare(answers, tmp_path / "settings.toml", dry_run=True)
    assert state.stat().st_mode & 0o777 == 0o755


def take_back(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a function of the maintainer script, which does nothing by itself."""
    script = f"set -- none; . {POSTRM}; set +e; take_back " + " ".join(
        f"'{each}'" for each in arguments
    )
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)


def test_a_purge_gives_nobody_what_a_file_withholds(tmp_path: Path) -> None:
    """A file that was made readable for its owner alone after it had inherited the entries."""
    setfacl = component("setfacl")
    directory = tmp_path / "logs"
    directory.mkdir()
    granted = ["-m", "u:1234:rx", "-m", "d:u:1234:r,d:g::r-x,d:o::---"]
    subprocess.run([setfacl, *granted, directory], check=True)
    closed, open_to_group = directory / "closed", directory / "open"
    closed.touch(mode=0o600)
    open_to_group.touch(mode=0o640)
    assert take_back("default", 1234, directory).returncode == 0
    assert closed.stat().st_mode & 0o777 == 0o600
    assert open_to_group.stat().st_mode & 0o777 == 0o640
    for path in (directory, closed, open_to_group):
        listed = subprocess.run(
            [component("getfacl"), "-n", path], capture_output=True, text=True, check=True
        )
        assert "1234" not in listed.stdout
        assert "default:" not in listed.stdout


@pytest.mark.parametrize(
    "line",
    [
        ("default", 1001, "victim"),
        ("default", "x", "/tmp"),
        ("default", "", "/tmp"),
        ("other", 1001, "/tmp"),
        ("default", 1001, "/nowhere/at/all"),
        ("default-user", 1001, "/nowhere/at/all"),
    ],
)
def test_a_purge_carries_out_no_other_line(line: tuple[object, ...]) -> None:
    """And says of a directory that is not mounted that its rights are left."""
    component("setfacl")
    assert take_back(*line).returncode != 0
