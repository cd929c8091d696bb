"""The metrics as text, written again only when something has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from donkeywatch.publish.engine_status import Status


class ExpositionCache:
    """Remembers the last text: several scrapers of one state share what it takes to write it.

    All of it is Python, which takes the interpreter from the counting for as long. A status
    without a revision does not tell whether the database is the same, and nothing is remembered.
    """

    def __init__(self, collector: Collector, status: Callable[[], Status]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(collector)
        self._status = status
        self._lock = threading.Lock()
        self._cached: tuple[Status, str, bytes] | None = None

    def text(self, accept: str) -> tuple[bytes, str]:
        """Body and content type: the Prometheus or the OpenMetrics text format, as accepted."""
        encoder, kind = choose_encoder(accept)
        with self._lock:
            status = self._status()
            if self._cached is not None and self._cached[:2] == (status, kind):
                return self._cached[2], kind
            # What is collected may be newer than this status, never older.
            body: bytes = encoder(self._registry)
            self._cached = None if status.change_counter is None else (status, kind, body)
            return body, kind
