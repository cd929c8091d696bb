"""The Compose files of a fleet: what `prepare` makes is a fleet, and the files agree."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from donkeywatch import __version__
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.ingest import keyring
from donkeywatch.settings import loader

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "deploy" / "fleet"
COMPOSE: dict[str, Any] = yaml.safe_load((FLEET / "compose.yml").read_text("utf-8"))


def preparing() -> ModuleType:
    """prepare_fleet.py as a module."""
    spec = importlib.util.spec_from_file_location("prepare_fleet", FLEET / "prepare_fleet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_prepared_is_a_fleet(tmp_path: Path) -> None:
    """Each server has the keys of this week and the next, and a second time nothing changes."""
    pytest.importorskip("chdb")
    prepare = preparing()
    prepare.prepare(tmp_path, f"chdb://{tmp_path}/warehouse", "")
    union = loader.load(tmp_path / "data" / "union" / "donkeywatch.toml", {})
    checks = []
    for name in prepare.SERVERS:
        settings = loader.load(tmp_path / "data" / name / "donkeywatch.toml", {})
        assert settings.fleet.ships
        checks.append(keyring.shared_key_checks(settings.key_directory))
    assert checks[0] == checks[1] == checks[2]
    assert len(checks[0]) == 2
    with open_warehouse(union.fleet) as warehouse:
        (known,) = warehouse.rows(f"select count() from {warehouse.whole('week_keys')}")
    assert known == (2,)
    before = {path: path.read_bytes() for path in tmp_path.glob("data/*/*.toml")}
    prepare.prepare(tmp_path, f"chdb://{tmp_path}/warehouse", "")
    assert {path: path.read_bytes() for path in tmp_path.glob("data/*/*.toml")} == before
    prepare.give_away(tmp_path, os.getuid())


def test_the_files_agree() -> None:
    """Names of hosts, of the cluster and of the servers, the version, and loopback alone."""
    prepare, services = preparing(), COMPOSE["services"]
    assert set(prepare.SERVERS) < set(services)
    hosts = re.findall(r"//(.*)/", prepare.URL)[0].split(",")
    assert {host.split(":")[0] for host in hosts} < set(services)
    cluster = (FLEET / "clickhouse" / "cluster.xml").read_text()
    assert f"<{prepare.CLUSTER}>" in cluster
    assert all(f"<host>{host.split(':')[0]}</host>" in cluster for host in hosts)
    scraped = (FLEET / "prometheus" / "prometheus.yml").read_text()
    assert all(f'"{name}:9461"' in scraped for name in (*prepare.SERVERS, "union"))
    for service in services.values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")
        if service["image"].startswith("donkeywatch:"):
            assert service["image"] == f"donkeywatch:{__version__}"
        for volume in service["volumes"]:
            outside = volume.split(":")[0]
            assert outside.startswith((".", "./data")), volume
    settings = tomllib.loads(prepare.SIMULATED.format(name="x") + prepare.HTTP)
    assert settings["source"][0]["path"] == "search.log"
