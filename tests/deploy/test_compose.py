"""Compose: pinned images, directories as volumes, loopback alone, and files that agree.

No container is started here. What the containers would see is put together from the mounts
instead, and given to the programs themselves.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from donkeywatch import __version__
from donkeywatch.settings.schema import Http
from donkeywatch.simulation.generator import Simulation
from support.instruments import component
from support.simulated_server import START, simulated

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
Json = dict[str, Any]
COMPLETE: Json = yaml.safe_load((COMPOSE / "compose.yml").read_text("utf-8"))
SERVICES: dict[str, Json] = COMPLETE["services"]
LASTING = {name: service for name, service in SERVICES.items() if name != "prepare"}
OWN = os.getuid()


def mounts(service: str) -> dict[str, tuple[str, bool]]:
    """What a service sees: path inside, path outside with its variable put in, and if read only."""
    mapping = {}
    for volume in SERVICES[service]["volumes"]:
        plain = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume)
        outside, inside, *mode = plain.split(":")
        mapping[inside] = (outside, mode == ["ro"])
    return mapping


def preparing() -> ModuleType:
    """prepare.py as a module."""
    spec = importlib.util.spec_from_file_location("prepare", COMPOSE / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seen_by(service: str, text: str, base: Path) -> str:
    """A file of a container with the paths inside replaced by those outside.

    What is prepared is under ``base``, and so is the server's log; the rest is the project's.
    """
    observed = mounts(service)

    def outside(path: re.Match[str]) -> str:
        result = observed[path[1]][0]
        if result.startswith("/"):
            return f"{base / 'host'}{result}/"
        return f"{(COMPOSE if result.startswith('..') else base) / result}/"

    return re.sub(rf"(?<=[ \"])({'|'.join(observed)})/", outside, text)


def test_all_three_are_there_and_start_after_what_prepares_them() -> None:
    """One command: each waits until directories, token and password are made."""
    assert set(LASTING) == {"donkeywatch", "prometheus", "grafana"}
    for service in LASTING.values():
        assert service["depends_on"] == {"prepare": {"condition": "service_completed_successfully"}}
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """To a version, never to whatever is newest; donkeywatch's is the one of this tree."""
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    if image == "donkeywatch":
        assert tag == __version__
        assert (COMPOSE / SERVICES[name]["build"]).resolve() == ROOT


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_loopback_alone(name: str) -> None:
    """What is published is published to this machine."""
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) == (name not in ("prepare", "prometheus"))  # That one has no login.
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)
    assert SERVICES[name].get("network_mode") == ("none" if name == "prepare" else None)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_it_must(name: str) -> None:
    """No capability, no writing outside of volumes, no new privileges, and not root for long."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    root = name == "prepare"
    assert service["user"] == ("0:0" if root else "10001:10001")
    assert service.get("cap_add", []) == (["CHOWN", "DAC_OVERRIDE", "FOWNER"] if root else [])


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_are_directories_that_exist(name: str, tmp_path: Path) -> None:
    """Each is a directory of the project, is made by `prepare`, or is the server's."""
    made = {f"./data/{directory}" for directory in preparing().DIRECTORIES}
    for inside, (outside, read_only) in mounts(name).items():
        assert inside.startswith("/")
        if outside in made:
            assert read_only == ("secret" in outside or "token" in outside)
        elif outside.startswith("/"):
            assert (outside, read_only) == ("/var/log/enode-go", True)
        else:
            assert (COMPOSE / outside).is_dir()
            assert read_only == (name != "prepare")


def test_no_secret_is_written_down() -> None:
    """Token and password are in no file that is committed, and what holds them is ignored."""
    text = (COMPOSE / "compose.yml").read_text("utf-8")
    assert not re.search(r"(?i)(token|password):? *[=:] *[\"']?\w{8,}", text)
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {"/deploy/compose/data/", "/deploy/compose/config/lexicon.toml"} <= set(ignored)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A copy of what lies around compose.yml, prepared, with a generated lexicon and a log."""
    base = tmp_path / "compose"
    (base / "config").mkdir(parents=True)
    sim = Simulation(seed=3, start=START, hours=1, queries=50, addresses=50, format="enode-go")
    server = simulated(tmp_path / "server", sim, files=1)
    (server.directory / "archive" / "lexicon.toml").rename(base / "config" / "lexicon.toml")
    logs = base / "host" / "var" / "log" / "enode-go"
    logs.mkdir(parents=True)
    server.archive[0].rename(logs / "enode-go.log")
    preparing().prepare(base, OWN)
    return base


def test_preparing_makes_what_is_missing_and_keeps_what_is_there(beside: Path) -> None:
    """Directories of the owner alone; token and password are random, and stay the same."""
    words = {name: (beside / "data" / name).read_text("ascii") for name in preparing().WORDS}
    assert len(set(words.values())) == 2
    assert all(len(word) > 40 for word in words.values())
    for path in (beside / "data").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    lexicon = beside / "config" / "lexicon.toml"
    lexicon.chmod(0o644)
    preparing().prepare(beside, OWN)
    assert stat.S_IMODE(lexicon.stat().st_mode) == 0o600
    assert words == {name: (beside / "data" / name).read_text("ascii") for name in words}


def test_without_a_lexicon_nothing_starts(tmp_path: Path) -> None:
    """`prepare` fails with what to do; a link is refused, whatever it leads to."""
    with pytest.raises(FileNotFoundError, match="put your lexicon there"):
        preparing().prepare(tmp_path, OWN)
    (tmp_path / "config").mkdir()
    (tmp_path / "elsewhere").touch()
    (tmp_path / "config" / "lexicon.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="put your lexicon there"):
        preparing().prepare(tmp_path, OWN)
    assert not (tmp_path / "data").exists()


def test_donkeywatch_accepts_its_settings(beside: Path) -> None:
    """`donkeywatch check` passes on settings and log, with the files as they are mounted."""
    text = (COMPOSE / "config" / "donkeywatch.toml").read_text("utf-8")
    settings = beside / "config" / "donkeywatch.toml"
    settings.write_text(seen_by("donkeywatch", text, beside), "utf-8")
    log = beside / "host" / "var" / "log" / "enode-go" / "enode-go.log"
    environ = os.environ | {"DONKEYWATCH_STATE": str(beside / "data" / "donkeywatch")}
    for more in ([], [str(log)]):
        done = subprocess.run(
            [sys.executable, "-m", "donkeywatch", "check", "-c", str(settings), *more],
            capture_output=True, text=True, env=environ, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration(beside: Path) -> None:
    """`promtool check config` finds the rules and the token where they are mounted."""
    text = (COMPOSE / "prometheus" / "prometheus.yml").read_text("utf-8")
    config = beside / "prometheus.yml"
    config.write_text(seen_by("prometheus", text, beside), "utf-8")
    done = subprocess.run(
        [component("promtool"), "check", "config", str(config)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


def test_prometheus_is_told_what_it_is_told_outside() -> None:
    """Name of the job and intervals are those of deploy/prometheus; the target is the service."""
    inside = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text("utf-8"))
    outside = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    assert inside["global"] == outside["global"]
    names = [Path(name).name for name in inside["rule_files"]]
    assert names == outside["rule_files"]
    (ours,), (other,) = inside["scrape_configs"], outside["scrape_configs"]
    assert ours["job_name"] == other["job_name"]
    assert ours["static_configs"] == [{"targets": [f"donkeywatch:{Http().port}"]}]
    assert "/etc/prometheus" in mounts("prometheus")
    flags = dict(flag.split("=") for flag in SERVICES["prometheus"]["command"])
    assert flags["--config.file"] == "/etc/prometheus/prometheus.yml"
    assert flags["--storage.tsdb.path"] in mounts("prometheus")


def test_grafana_finds_what_it_is_provisioned_with() -> None:
    """Data source, dashboards, home and password are where the mounts put them."""
    observed = mounts("grafana")
    grafana = ROOT / "grafana"
    assert (
        COMPOSE / observed["/etc/grafana/provisioning"][0]
    ).resolve() == grafana / "provisioning"
    provider = yaml.safe_load((grafana / "provisioning/dashboards/donkeywatch.yml").read_text())
    (path,) = [each["options"]["path"] for each in provider["providers"]]
    assert (COMPOSE / observed[path][0]).resolve() == grafana / "dashboards"
    environ = SERVICES["grafana"]["environment"]
    home = Path(environ["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == path
    assert (grafana / "dashboards" / home.name).exists()
    source = yaml.safe_load((grafana / "provisioning/datasources/prometheus.yml").read_text())
    variables = re.findall(r"\$\{(\w+)\}", source["datasources"][0]["url"])
    assert [environ[name] for name in variables] == ["http://prometheus:9090"]
    secret = Path(environ["GF_SECURITY_ADMIN_PASSWORD__FILE"])
    outside = observed[str(secret.parent)][0].removeprefix("./data/")
    assert f"{outside}/{secret.name}" in preparing().WORDS
