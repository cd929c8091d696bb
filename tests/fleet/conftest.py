"""Fleets for tests: servers with keys in common, and a warehouse of each kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from fleet.servers import BINARY, CLUSTER, Cluster
from fleet.simulated_fleet import SimulatedFleet


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two shards of Debian's ClickHouse on loopback."""
    if BINARY is None:
        assert not os.environ.get("CI"), "Debian's clickhouse-server is missing"
        pytest.skip("Debian's clickhouse-server is not installed")
    servers = Cluster(tmp_path_factory.mktemp("cluster"), 2)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(params=["embedded", "two shards"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> SimulatedFleet:
    """A fleet without servers yet, over each kind of warehouse."""
    if request.param == "embedded":
        if find_spec("chdb") is None:
            assert not os.environ.get("CI"), "chdb is missing"
            pytest.skip("chdb is not installed")
        return SimulatedFleet(tmp_path, f"chdb://{tmp_path}/warehouse")
    cluster: Cluster = request.getfixturevalue("cluster")
    database = f"fleet{abs(hash(str(tmp_path))):x}"
    return SimulatedFleet(tmp_path, cluster.url.replace("/fleet", f"/{database}"), CLUSTER)
