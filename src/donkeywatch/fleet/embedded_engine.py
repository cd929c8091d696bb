"""ClickHouse's engine in this process, for a small fleet on one machine or a first try."""

from __future__ import annotations

import fcntl
import json
import os
import re
from itertools import islice
from pathlib import Path
from typing import Any

from donkeywatch.errors import ConfigError, WarehouseError
from donkeywatch.fleet.warehouse import INSERT_ROWS, Columns, Row, Warehouse

DATABASE = "fleet"
LOCK = "donkeywatch.lock"
"""File in the directory that is locked while a process has it open: the engine allows but one."""


class EmbeddedEngine(Warehouse):
    """One shard in a directory; waits until no other process has it open."""

    database, shards, version = DATABASE, 1, (26, 9)

    def __init__(self, directory: Path) -> None:
        """Open it, which makes it; ConfigError without the engine."""
        try:
            from chdb.session import Session
        except ImportError:
            raise ConfigError(
                "`fleet.url` chdb:// needs the extra `[fleet-embedded]`, which is not installed",
                "install donkeywatch with `[fleet-embedded]`, or the package chdb beside it",
            ) from None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._session: Any = Session(str(directory / "engine"))
        self._query(
            "set output_format_json_quote_64bit_integers = 0, max_query_size = 268435456,"
            " max_ast_elements = 67108864, max_expanded_ast_elements = 67108864"
        )

    def local(self, table: str) -> str:
        """Give the name of a table: there is one shard."""
        return self.whole(table)

    def whole(self, table: str) -> str:
        """Give the name of a table."""
        return f"{self.database}.{table}"

    def rows(self, query: str) -> list[Row]:
        """Ask the engine."""
        return [tuple(json.loads(line)) for line in self._query(query).splitlines()]

    def rows_of_shards(self, query: str) -> list[list[Row]]:
        """Ask the one shard."""
        return [self.rows(query)]

    def execute_on_shards(self, statement: str) -> None:
        """Have the engine do something."""
        self._query(statement)

    def insert(self, table: str, columns: Columns) -> None:
        """Insert columns, a block at a time."""
        head = f"insert into {self.whole(table)} ({', '.join(columns)}) format JSONCompactEachRow "
        rows = zip(*columns.values(), strict=True)
        while block := list(islice(rows, INSERT_ROWS)):
            self._query(head + "\n".join(json.dumps(row) for row in block))

    def close(self) -> None:
        """Close the engine, so that another process may open it."""
        self._session.close()
        os.close(self._lock)

    def _query(self, statement: str) -> str:
        try:
            return str(self._session.query(statement, "JSONCompactEachRow"))
        except RuntimeError as error:
            # Not the engine's text, which may quote anything.
            code = re.search(r"Code: (\d+)", str(error))
            raise WarehouseError(
                f"the embedded engine refuses (error {code[1] if code else 0})",
                "see to the disk; what is not shipped yet is sent again",
            ) from None
