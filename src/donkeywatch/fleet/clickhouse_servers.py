"""ClickHouse servers over the native protocol, one connection a shard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote

from donkeywatch.errors import ConfigError, WarehouseError
from donkeywatch.fleet.warehouse import INSERT_ROWS, Columns, Row, Warehouse, literal
from donkeywatch.settings.fleet_settings import Fleet
from donkeywatch.settings.private_files import read_private_file

CONNECT_SECONDS, ANSWER_SECONDS = 5, 120
PORT, TLS_PORT = 9000, 9440
"""Usual ports of the native protocol."""
SYNCHRONOUS = {"insert_distributed_sync": 1}
"""An insert is over when every shard has its rows; otherwise they would lie on one host's disk."""
UNLIMITED_QUERY = {"max_query_size": 1 << 28, "max_ast_elements": 1 << 26,
                   "max_expanded_ast_elements": 1 << 26}  # fmt: skip
"""A query names every batch that counts: thousands."""

Answer = TypeVar("Answer")


class ClickHouseServers(Warehouse):
    """The hosts of a URL, each another shard of the cluster; one alone needs no cluster."""

    def __init__(self, url: SplitResult, fleet: Fleet) -> None:
        """Nothing is connected before something is asked."""
        try:
            import clickhouse_driver
        except ImportError:
            raise ConfigError(
                "`fleet.url` needs the extra `[fleet]`, which is not installed",
                "install donkeywatch with `[fleet]`, or its package clickhouse-driver beside it",
            ) from None
        self._error = clickhouse_driver.errors.Error
        self.database, self._cluster = url.path.strip("/"), fleet.cluster
        user, at, hosts = url.netloc.rpartition("@")
        secret = (
            read_private_file(fleet.password_file, "fleet.password_file")
            if fleet.password_file
            else b""
        )
        options: dict[str, Any] = {
            "user": unquote(user) if at else "default",
            "password": secret.decode().strip(),
            "connect_timeout": CONNECT_SECONDS,
            "send_receive_timeout": ANSWER_SECONDS,
            "secure": url.scheme == "clickhouses",
        }
        if fleet.ca_file:
            options["ca_certs"] = str(fleet.ca_file)
        self.hosts = hosts.split(",")
        self._clients = [
            clickhouse_driver.Client(host, port=port, **options)
            for host, port in (_host_and_port(each, url.scheme) for each in self.hosts)
        ]
        self.shards = len(self._clients)
        if self.shards > 1 and not self._cluster:
            raise ConfigError(
                "`fleet.url` names several hosts, and `fleet.cluster` none",
                "set `fleet.cluster` to the name these hosts have in ClickHouse's remote_servers",
            )
        self._threads = ThreadPoolExecutor(self.shards)

    @property
    def version(self) -> tuple[int, ...]:  # type: ignore[override]
        """The oldest of the hosts' versions."""
        answers = self.rows_of_shards("select version()")
        return min(tuple(int(part) for part in rows[0][0].split(".")[:2]) for rows in answers)

    def local(self, table: str) -> str:
        """Give the name of the part of a table that one shard holds."""
        return f"{self.database}.{table}_local" if self._cluster else f"{self.database}.{table}"

    def whole(self, table: str) -> str:
        """Give the name under which the parts of a table are one."""
        return f"{self.database}.{table}"

    def rows(self, query: str) -> list[Row]:
        """Ask the first host."""
        return self._call(0, lambda client: client.execute(query, settings=UNLIMITED_QUERY))

    def rows_of_shards(self, query: str) -> list[list[Row]]:
        """Ask every host, all at the same time."""
        return list(
            self._threads.map(
                lambda shard: self._call(
                    shard, lambda client: client.execute(query, settings=UNLIMITED_QUERY)
                ),
                range(self.shards),
            )
        )

    def execute_on_shards(self, statement: str) -> None:
        """Have every host do something."""
        self.rows_of_shards(statement)

    def execute_on(self, shard: int, statement: str) -> None:
        """Have one host, by its place in the URL, do something."""
        self._call(shard, lambda client: client.execute(statement))

    def insert(self, table: str, columns: Columns) -> None:
        """Insert through the first host, in blocks; each row goes to the shard of its pseudonym."""
        names = list(columns)
        statement = f"insert into {self.whole(table)} ({', '.join(names)}) values"
        rows = len(columns[names[0]])
        for start in range(0, rows, INSERT_ROWS):
            block = [columns[name][start : start + INSERT_ROWS] for name in names]
            self._call(
                0,
                lambda client, block=block: client.execute(  # type: ignore[misc]
                    statement, block, columnar=True, settings=SYNCHRONOUS
                ),
            )

    def check_shards(self) -> None:
        """ConfigError unless the hosts are the shards of the cluster, each another one."""
        if not self._cluster:
            return
        numbers = self.rows_of_shards(
            "select shard_num from system.clusters where is_local and cluster ="  # noqa: S608 - quoted
            f" {literal(self._cluster)}"
        )
        every = self.rows(
            "select distinct shard_num from system.clusters"  # noqa: S608 - quoted
            f" where cluster = {literal(self._cluster)}"
        )
        for host, shard in zip(self.hosts, numbers, strict=True):
            if len(shard) != 1:
                raise ConfigError(
                    f"{host} is no shard of the cluster {self._cluster}",
                    "name in `fleet.url` one host of each shard, as remote_servers has them",
                )
        if sorted(shard[0] for shard in numbers) != sorted(every):
            raise ConfigError(
                f"`fleet.url` names {len(numbers)} hosts, but the cluster {self._cluster} has"
                f" {len(every)} shards",
                "name in `fleet.url` one host of each shard",
            )

    def close(self) -> None:
        """End the connections."""
        self._threads.shutdown()
        for client in self._clients:
            client.disconnect()

    def _call(self, shard: int, ask: Callable[[Any], Answer]) -> Answer:
        client, host = self._clients[shard], self.hosts[shard]
        try:
            return ask(client)
        except self._error as error:
            client.disconnect()
            # Not the server's text, which may quote anything.
            code = getattr(error, "code", 0) or 0
            raise WarehouseError(
                f"ClickHouse at {host} refuses (error {code}, {type(error).__name__})",
                "see its log for the error; what is not shipped yet is sent again",
            ) from None
        except (OSError, EOFError) as error:
            client.disconnect()
            raise WarehouseError(
                f"ClickHouse at {host} does not answer ({type(error).__name__})",
                "see to the server; what is not shipped yet is sent again",
            ) from None


def _host_and_port(text: str, scheme: str) -> tuple[str, int]:
    usual = TLS_PORT if scheme == "clickhouses" else PORT
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.lstrip(":") or usual)
    host, _, port = text.partition(":")
    return host, int(port or usual)
