"""The one narrow interface to ClickHouse: statements, inserts by column, answers as tuples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

Row = tuple[Any, ...]
Columns = Mapping[str, Sequence[Any]]
"""Column by name, all of one length."""
INSERT_ROWS = 1 << 16
"""Rows that are sent at a time."""


class Warehouse(ABC):
    """A database on one or several shards; opened, used and closed by one thread.

    Every table has a part on each shard (`local`), and a name under which all parts are one
    (`whole`). WarehouseError where it does not answer, ConfigError where it refuses.
    """

    database: str
    shards: int
    version: tuple[int, ...]
    """Version of the engine, year and release first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def local(self, table: str) -> str:
        """Give the name of the part of a table that one shard holds."""

    @abstractmethod
    def whole(self, table: str) -> str:
        """Give the name under which the parts of a table are one."""

    @abstractmethod
    def rows(self, query: str) -> list[Row]:
        """Ask one host."""

    @abstractmethod
    def rows_of_shards(self, query: str) -> list[list[Row]]:
        """Ask every shard, which answers for its own parts alone; an answer a shard."""

    @abstractmethod
    def execute_on_shards(self, statement: str) -> None:
        """Have every shard do something."""

    @abstractmethod
    def insert(self, table: str, columns: Columns) -> None:
        """Insert into the parts of a table; ends when every shard has what is its own."""

    def check_shards(self) -> None:  # noqa: B027 - one shard alone is always right
        """ConfigError unless the hosts are the shards of the cluster, each another one."""

    @abstractmethod
    def close(self) -> None:
        """End the connections."""


def literal(value: int | float | str | Sequence[Any]) -> str:
    """Write a value as ClickHouse's SQL has it; a list is a tuple, for the operator `in`."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, int | float):
        return repr(value)
    return f"({', '.join(literal(each) for each in value)})"
