"""Surroundings that a test can make hostile: users, disks, clocks, preludes."""

from __future__ import annotations

import codecs
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conformance.fork_server import ForkServer
from conformance.readers import Daemon

CODECS = ("utf-8-sig", "cp1252", "utf-32-le", "idna")
"""Python looks for a codec when it is first needed, and remembers for good that it is not there:
so it is where Python lies in a directory that only root may look into."""


class PreparedForkServer(ForkServer):
    """A fork server whose children run some Python before they become daemons."""

    def __init__(self, prelude: str) -> None:
        script = (
            "import sys\n"
            "sys.path.insert(0, sys.argv[1])\n"
            "from conformance import fork_server\n"
            "def become(question, become=fork_server._become):\n"
            "    exec(sys.argv[2], {})\n"
            "    become(question)\n"
            "fork_server._become = become\n"
            "fork_server._main()\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parents[1]), prelude],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


class Nobody:
    """A user without rights, and a directory of his that everybody can reach."""

    def __init__(self, directory: Path) -> None:
        result = pwd.getpwnam("nobody")
        self.directory = directory
        self.user, self.group = result.pw_uid, result.pw_gid

    @property
    def prelude(self) -> str:
        """Makes a daemon his; what it needs of Python may lie where only root may look."""
        return (
            "import os, uvicorn.loops.auto, uvicorn.protocols.http.h11_impl\n"
            f"os.setgroups([]); os.setgid({self.group}); os.setuid({self.user})\n"
        )

    def owned_by(self) -> None:
        """Give him everything in the directory."""
        for path in (self.directory, *self.directory.rglob("*")):
            os.chown(path, self.user, self.group, follow_symlinks=False)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """This process is his for as long as the block lasts."""
        for name in CODECS:
            codecs.lookup(name)
        groups = os.getgroups()
        os.setgroups([])
        os.setresgid(self.group, self.group, 0)
        os.setresuid(self.user, self.user, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            os.setgroups(groups)


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[None]:
    """A small file system of its own at a directory."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    place.mkdir(mode=0o700, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "donkeywatch-test", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Ballast that leaves not a byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def refused(daemon: Daemon, code: int) -> str:
    """The message of a daemon that does not start: a fact and a remedy, no traceback."""
    before = len(daemon.log_text())
    daemon.launch()
    assert daemon.wait() == code, daemon.log_text()
    message = daemon.log_text()[before:]
    assert "remedy: " in message
    assert "Traceback" not in message
    assert "listening" not in message
    return message


class Shifted(ForkServer):
    """Starts real processes whose wall clock libfaketime shifts, while they run, by `shift`."""

    # This libfaketime's clock_nanosleep, which Python sleeps with, takes the monotonic clock for
    # the shifted one; select does not.
    PROGRAM = (
        "import select, time; time.sleep = lambda s: select.select([], [], [], s) and None\n"
        "from donkeywatch import cli; cli.main()"
    )

    def __init__(self, directory: Path, library: Path) -> None:
        self._clock = directory / "clock"
        self._library = library
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._shift = 0
        self.shift(0)

    def shift(self, ms: int, more: str = "") -> None:
        """Set the wall clock so far ahead of the real one; whole seconds."""
        part = self._clock.with_suffix(".part")
        part.write_text(f"{ms // 1000:+d}{more}\n")
        part.replace(self._clock)
        self._shift = ms // 1000 * 1000

    def now(self) -> int:
        """The wall clock of its processes, ms UTC."""
        return time.time_ns() // 1_000_000 + self._shift

    def fork(self, argv: list[str], errors: Path, files: int | None = None) -> int:
        """Start a process that is not forked."""
        shifting = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        with errors.open("ab") as sink:
            started = subprocess.Popen(
                [sys.executable, "-c", self.PROGRAM, *argv],
                env={**os.environ, **shifting},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        self._processes[started.pid] = started
        return started.pid

    def poll(self, pid: int) -> int | None:
        """The exit code; None while it runs."""
        return self._processes[pid].poll()

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)
            for left in Path("/dev/shm").glob(f"*faketime*_{process.pid}"):
                left.unlink()
