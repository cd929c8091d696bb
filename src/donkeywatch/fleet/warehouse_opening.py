"""Opening the warehouse that the settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from donkeywatch.errors import ConfigError
from donkeywatch.fleet.clickhouse_servers import ClickHouseServers
from donkeywatch.fleet.embedded_engine import EmbeddedEngine
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.settings.fleet_settings import Fleet


def open_warehouse(fleet: Fleet) -> Warehouse:
    """Open what `fleet.url` names; ConfigError where there is none."""
    if fleet.url is None:
        raise ConfigError(
            "`fleet.url` is not set: there is no fleet", "see docs/fleet.md for how to set one up"
        )
    url = urlsplit(fleet.url.get_secret_value())
    if url.scheme == "chdb":
        return EmbeddedEngine(Path(url.path))
    return ClickHouseServers(url, fleet)
