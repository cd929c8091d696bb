"""The scrape configuration, and a real Prometheus that scrapes a real daemon with it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from donkeywatch.settings.schema import Http
from donkeywatch.simulation.generator import Simulation
from support.instruments import component, listening, process, prometheus
from support.simulated_server import START, Simulated, simulated

CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus" / "prometheus.yml"
TOKEN = "a-token-of-the-test"


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
    beside(tmp_path)
    path.write_text(with_token(CONFIG.read_text("utf-8"), tmp_path), "utf-8")
    done = subprocess.run(
        [component("promtool"), "check", "config", str(path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def beside(directory: Path) -> None:
    """Put the rules where the configuration looks for them."""
    for name in ("recording.yml", "alerts.yml"):
        shutil.copy(CONFIG.with_name(name), directory)


def with_token(text: str, directory: Path) -> str:
    """The configuration with the token's lines uncommented and its file in a directory."""
    text = re.sub(r"^( +)# (authorization:|  type: |  credentials_file: )", r"\1\2", text,
                  flags=re.MULTILINE)  # fmt: skip
    (directory / "token").write_text(TOKEN, "ascii")
    return text.replace("/etc/prometheus/donkeywatch.token", str(directory / "token"))


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small simulated server whose live log is the archive's only file."""
    sim = Simulation(seed=22, start=START, hours=24, queries=2_000, addresses=300)
    result = simulated(tmp_path / "server", sim, files=1)
    result.archive[0].rename(result.log)
    with result.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    return result


@pytest.mark.parametrize("token", [False, True], ids=["open", "token"])
def test_prometheus_scrapes_a_daemon(server: Simulated, tmp_path: Path, *, token: bool) -> None:
    """With the shipped configuration, but port and interval, the target is up and the counts true.

    With a token set, the uncommented lines get Prometheus in.
    """
    secret = {"DONKEYWATCH_TOKEN": TOKEN} if token else {}
    run = [sys.executable, "-m", "donkeywatch", "run", "--config", str(server.settings)]
    with process(run, tmp_path / "daemon", **secret):
        text = CONFIG.read_text("utf-8")
        text = text.replace("127.0.0.1:9461", listening(tmp_path / "daemon"))
        text = re.sub(r"(scrape|evaluation)_(interval|timeout): \d+s", r"\1_\2: 1s", text)
        beside(tmp_path)
        (tmp_path / "p.yml").write_text(with_token(text, tmp_path) if token else text, "utf-8")
        with prometheus(tmp_path / "p.yml", tmp_path) as running:
            expected = server.truth.lines["query"]
            running.wait_for(f"donkeywatch_queries_total == {expected}", tmp_path / "prometheus")
            (target,) = running.answer_to("/api/v1/targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
