"""The scrape configuration, and a real Prometheus that scrapes a real daemon with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from donkeywatch.config import Http
from donkeywatch.lab.simulate import Simulation
from support import START, Simulated, simulated

CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus.yml"
TOKEN = "a-token-of-the-test"
OPEN = build_opener(ProxyHandler({})).open


def component(name: str) -> str:
    """The path of a program; without it the test skips, but fails under CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must have it")
        pytest.skip(f"{name} is not installed")
    return found


def test_promtool_accepts_the_configuration() -> None:
    """`promtool check config` finds nothing wrong."""
    done = subprocess.run(
        [component("promtool"), "check", "config", str(CONFIG)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
    assert "WARNING" not in done.stdout + done.stderr


def test_the_default_port_on_loopback_is_scraped_every_15_seconds() -> None:
    """The target is where a daemon listens that was told nothing else."""
    text = CONFIG.read_text("utf-8")
    default = Http()
    assert f'targets: ["{default.host}:{default.port}"]' in text
    assert "scrape_interval: 15s" in text
    assert re.search(r"^ *# *credentials_file: ", text, re.MULTILINE)


def test_promtool_accepts_the_configuration_with_the_token_uncommented(tmp_path: Path) -> None:
    """The commented lines for a token are good as they stand."""
    path = tmp_path / "prometheus.yml"
    path.write_text(with_token(CONFIG.read_text("utf-8"), tmp_path), "utf-8")
    done = subprocess.run(
        [component("promtool"), "check", "config", str(path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def with_token(text: str, directory: Path) -> str:
    """The configuration with the token's lines uncommented and its file in a directory."""
    text = re.sub(r"^( +)# (authorization:|  type: |  credentials_file: )", r"\1\2", text,
                  flags=re.MULTILINE)  # fmt: skip
    (directory / "token").write_text(TOKEN, "ascii")
    return text.replace("/etc/prometheus/donkeywatch.token", str(directory / "token"))


@contextmanager
def process(command: list[str], log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended by its own process id."""
    env = os.environ | environ
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=env) as started,
    ):
        try:
            yield started
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
        if found := re.search(r"listening on http://(\S+)", log.read_text("utf-8")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small simulated server whose live log is the archive's only file."""
    sim = Simulation(seed=22, start=START, hours=24, queries=2_000, addresses=300)
    found = simulated(tmp_path / "server", sim, files=1)
    found.archive[0].rename(found.log)
    with found.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    return found


def asked(url: str, path: str, **parameters: str) -> Any:
    """What Prometheus answers, or None while it does not."""
    try:
        with OPEN(f"{url}{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except (URLError, ConnectionError):
        return None


@pytest.mark.parametrize("token", [False, True], ids=["open", "token"])
def test_prometheus_scrapes_a_daemon(server: Simulated, tmp_path: Path, *, token: bool) -> None:
    """With the shipped configuration, but port and interval, the target is up and the counts true.

    With a token set, the uncommented lines get Prometheus in.
    """
    prometheus = component("prometheus")
    secret = {"DONKEYWATCH_TOKEN": TOKEN} if token else {}
    run = [sys.executable, "-m", "donkeywatch", "run", "--config", str(server.settings)]
    with process(run, tmp_path / "daemon", **secret):
        text = CONFIG.read_text("utf-8")
        text = text.replace("127.0.0.1:9461", listening(tmp_path / "daemon"))
        text = re.sub(r"scrape_(interval|timeout): \d+s", r"scrape_\1: 1s", text)
        (tmp_path / "p.yml").write_text(with_token(text, tmp_path) if token else text, "utf-8")
        port = free_port()
        command = [
            prometheus, f"--config.file={tmp_path / 'p.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        with process(command, tmp_path / "prometheus"):
            expected = server.truth.lines["query"]
            until, found = time.monotonic() + 40, None
            while time.monotonic() < until and found != expected:
                time.sleep(0.2)
                answer = asked(url, "/api/v1/query", query="donkeywatch_queries_total")
                found = float(answer["result"][0]["value"][1]) if answer and answer["result"] else 0
            assert found == expected, (tmp_path / "prometheus").read_text("utf-8")
            (target,) = asked(url, "/api/v1/targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
