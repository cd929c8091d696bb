"""Programs that tests run beside donkeywatch: found, started, asked and ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

OPEN = build_opener(ProxyHandler({})).open


def component(name: str) -> str:
    """The path of a program; without it the test skips, but fails under CI."""
    result = shutil.which(name)
    if result is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must have it")
        pytest.skip(f"{name} is not installed")
    return result


@contextmanager
def process(command: list[str], log: Path, **environ: str) -> Iterator[None]:
    """A program that is ended by its own process id."""
    env = os.environ | environ
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=env) as started,
    ):
        try:
            yield
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()


def listening(log: Path) -> str:
    """Host and port in the daemon's log, once they are there."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if match := re.search(r"listening on http://(\S+)", log.read_text("utf-8")):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def answer_to(self, path: str, **parameters: str) -> Any:
        """The data of an answer; None while there is none."""
        try:
            with OPEN(f"{self.url}{path}?{urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except (URLError, ConnectionError):
            return None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, now."""
        data = self.answer_to("/api/v1/query", query=expression)
        result: list[dict[str, Any]] = data["result"] if data else []
        return result

    def wait_for(self, expression: str, log: Path) -> None:
        """Until an expression has a series."""
        until = time.monotonic() + 40
        while not self.query(expression):
            assert time.monotonic() < until, log.read_text("utf-8")
            time.sleep(0.1)


@contextmanager
def prometheus(config: Path, directory: Path) -> Iterator[Prometheus]:
    """A Prometheus on loopback with a configuration, its data and log in a directory."""
    port = free_port()
    command = [
        component("prometheus"), f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with process(command, directory / "prometheus"):
        yield Prometheus(f"http://127.0.0.1:{port}")
