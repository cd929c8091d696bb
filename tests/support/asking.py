"""The web application over a database, asked through a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import Server
from donkeywatch.runtime.backfill import backfill
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import NOW, START, Simulated, engine, simulated

HOURS = 15 * 24


class Asked:
    """A server that is asked without any proxy, each time on a new connection."""

    def __init__(self, server: Simulated, settings: Settings, url: str) -> None:
        self.server, self.settings, self.url = server, settings, url

    def __call__(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer, whatever its status."""
        return httpx.request(method, self.url + path, headers=headers, trust_env=False, timeout=20)

    def json(self, path: str) -> Any:
        """The body of an answer that must be good."""
        answer = self(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def count_simulation(directory: Path) -> tuple[Simulated, Status]:
    """A simulation of two weeks and a day, counted, and the engine's status."""
    sim = Simulation(seed=31, start=START, hours=HOURS, queries=15_000, addresses=3_000)
    server = simulated(directory, sim)
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
        return server, opened.status()


@contextmanager
def served(
    server: Simulated, status: Status, token: str | None = None, **more: object
) -> Iterator[Asked]:
    """The application with a status that stands still; ``more`` is of [http]."""
    settings = loader.load(server.settings, {})
    http = settings.http.model_copy(
        update={"port": 0, "token": None if token is None else SecretStr(token), **more}
    )
    settings = settings.model_copy(update={"http": http})
    running = Server(create_app(lambda: settings, lambda: status), http)
    running.start()
    try:
        yield Asked(server, settings, running.url)
    finally:
        running.stop()


def error(answer: httpx.Response) -> dict[str, Any]:
    """What a refusal says; it has the one form that they all have."""
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["error"]
    assert list(document["error"]) == ["status", "message", "remedy"]
    assert document["error"]["status"] == answer.status_code
    return dict(document["error"])
