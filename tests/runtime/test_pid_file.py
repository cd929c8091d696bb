"""Who asks for the daemon of a state directory finds that one, or none."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.runtime.pid_file import find_daemon, registered
from donkeywatch.settings.state_files import DAEMON_PID
from support.simulated_server import Simulated


def test_a_daemon_is_found_as_long_as_it_runs(tmp_path: Path) -> None:
    """Before and after it nobody is."""
    assert find_daemon(tmp_path) is None
    with registered(tmp_path):
        assert find_daemon(tmp_path) == os.getpid()
    assert find_daemon(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_daemon_left_is_no_daemon(tmp_path: Path) -> None:
    """Its number may be another process's by now."""
    (tmp_path / DAEMON_PID).write_text(f"{os.getpid()}\n", "ascii")
    assert find_daemon(tmp_path) is None


def test_a_disk_that_takes_nothing_stops_no_start(tmp_path: Path) -> None:
    """The daemon works, and is not found."""
    with registered(tmp_path / "missing"):
        assert find_daemon(tmp_path / "missing") is None


def test_who_looks_as_the_daemon_starts_does_not_hide_it(tmp_path: Path) -> None:
    """A look holds the file locked for a moment; the daemon waits for its end."""
    path = tmp_path / DAEMON_PID
    path.touch()
    waiting = threading.Event()

    def let_go_later() -> None:
        waiting.wait(60)
        time.sleep(0.2)  # By then it asks for the lock.
        look.close()

    look = path.open(encoding="utf-8")
    fcntl.flock(look, fcntl.LOCK_SH)
    thread = threading.Thread(target=let_go_later)
    thread.start()
    waiting.set()
    with registered(tmp_path):
        assert look.closed
        assert find_daemon(tmp_path) == os.getpid()
    thread.join()


def test_a_directory_that_is_not_ours_any_more_is_no_trouble_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon has stored all it read, and ends as it should."""

    def fail(_path: Path, missing_ok: bool = False) -> None:
        raise PermissionError

    with registered(tmp_path):
        monkeypatch.setattr(Path, "unlink", fail)
    assert find_daemon(tmp_path) is None


@pytest.fixture
def daemon(small_server: Simulated) -> Iterator[Path]:
    """One that runs; the file with what it says."""
    log = small_server.directory / "errors.txt"
    command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(small_server.settings)]
    with log.open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            until(log, "listening on")
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def until(log: Path, text: str) -> None:
    """Wait for a text in a log."""
    for _ in range(600):
        if text in log.read_text("utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def reload(server: Simulated) -> tuple[int, str]:
    """Ask the daemon to read its settings again."""
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", "reload", "-c", str(server.settings)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_reload_reaches_the_daemon_if_it_would_be_taken(
    small_server: Simulated, daemon: Path
) -> None:
    """A mistake is told to who asks, and the daemon hears nothing of it."""
    sound = small_server.settings.read_text("utf-8")
    small_server.settings.write_text(sound + "\n[time]\nlateness = 60\n", "utf-8")
    code, message = reload(small_server)
    assert code == 0, message
    until(daemon, "settings reloaded: time.lateness")
    small_server.settings.write_text(sound + "\n[time]\nlateness = -1\n", "utf-8")
    code, message = reload(small_server)
    assert code == 7
    assert "time.lateness" in message
    assert "not reloaded" not in daemon.read_text("utf-8")


def test_without_a_daemon_a_reload_says_so(small_server: Simulated) -> None:
    """With the exit code of the state."""
    small_server.state.mkdir(mode=0o700)
    code, message = reload(small_server)
    assert code == 3
    assert "no daemon works on" in message
