"""What a service manager hears of the daemon, over a real socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.runtime.service_manager import ServiceManager
from support.simulated_server import Simulated


class Listener:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(60)

    def next(self) -> list[str]:
        """The lines of the next message."""
        return self.socket.recv(4096).decode().split("\n")

    def until(self, line: str) -> list[str]:
        """Messages up to one that has this line, and that one."""
        lines: list[str] = []
        while line not in lines:
            lines += self.next()
        return lines


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    """A socket with a name in the file system, or in the abstract namespace."""
    path = request.param == "path"
    made = Listener(str(tmp_path / "notify") if path else f"@donkeywatch-{os.getpid()}")
    yield made
    made.socket.close()


def test_the_words_are_those_of_sd_notify(listener: Listener) -> None:
    """A line each, of the names that systemd knows."""
    manager = ServiceManager(listener.environ)
    manager.ready(10.0)
    assert listener.next() == ["READY=1", "WATCHDOG=1"]
    manager.reloading(11.5)
    assert listener.next() == ["RELOADING=1", "MONOTONIC_USEC=11500000"]
    manager.stopping()
    assert listener.next() == ["STOPPING=1"]


def test_signs_of_life_come_three_times_within_the_timeout(listener: Listener) -> None:
    """And what the daemon says of itself when that has changed."""
    manager = ServiceManager(listener.environ)
    assert manager.watchdog_seconds == 3.0
    manager.ready(10.0)
    listener.next()
    for tenth in range(1, 31):
        manager.alive(10.0 + tenth / 10, "ready")
    assert listener.next() == ["STATUS=ready"]
    assert [listener.next() for _ in range(3)] == [["WATCHDOG=1"]] * 3
    manager.alive(14.0, "not ready")
    assert listener.next() == ["STATUS=not ready", "WATCHDOG=1"]
    listener.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.next()


def test_a_watchdog_of_another_process_is_not_ours(listener: Listener) -> None:
    """It may have been inherited."""
    other = ServiceManager({**listener.environ, "WATCHDOG_PID": str(os.getpid() + 1)})
    assert other.watchdog_seconds == 0
    ours = ServiceManager({**listener.environ, "WATCHDOG_PID": str(os.getpid())})
    assert ours.watchdog_seconds == 3.0


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """Nor where its socket is gone."""
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        manager = ServiceManager(environ)
        manager.ready(1.0)
        manager.alive(2.0, "ready")
        manager.stopping()


def test_the_daemon_tells_its_life(small_server: Simulated, tmp_path: Path) -> None:
    """Ready, how it is, signs of life, a reload, and its end."""
    listener = Listener(str(tmp_path / "notify"))
    command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(small_server.settings)]
    environ = {**os.environ, **listener.environ}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as daemon:
        try:
            assert listener.next() == ["READY=1", "WATCHDOG=1"]
            listener.until("STATUS=ready: 1 source(s) followed and caught up")
            listener.until("WATCHDOG=1")
            daemon.send_signal(signal.SIGHUP)
            listener.until("RELOADING=1")
            assert "READY=1" in listener.until("WATCHDOG=1")
            daemon.send_signal(signal.SIGTERM)
            listener.until("STOPPING=1")
            assert daemon.wait(60) == 0
        finally:
            daemon.kill()
    listener.socket.close()
