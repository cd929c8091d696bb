"""P6: no oracle for strangers: who has no token, or another machine, sees nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from donkeywatch.errors import ConfigError
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.status_client import Answer, ask_health
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START, engine

TOKEN = "zqorvtoken"
OPEN = {"/healthz"}
"""What tells no more than that the process answers."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without a token, and a database."""
    sim = Simulation(start=START, hours=1, queries=50, addresses=50)
    path = simulation_directory.write_settings(sim, tmp_path)
    with engine(path):
        pass
    return loader.load(path, {})


def with_http(settings: Settings, **http: object) -> Settings:
    """Give settings with something else of [http]."""
    merged = settings.http.model_validate({**settings.http.model_dump(), **http})
    return settings.model_copy(update={"http": merged})


def routes(app: FastAPI) -> list[str]:
    """Give all paths that the application answers."""
    return [
        path.replace("{name}", "page.js") for r in app.routes if (path := getattr(r, "path", ""))
    ]


def status_codes(app: FastAPI, host: str, headers: dict[str, str]) -> dict[str, int]:
    """Ask for all paths under a name; their status. Heads only, since events have no end."""

    async def ask() -> dict[str, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            answers = {path: await client.head(path, headers=headers) for path in routes(app)}
        return {path: answer.status_code for path, answer in answers.items()}

    return asyncio.run(ask())


def test_nothing_is_told_without_the_token(settings: Settings) -> None:
    """Of every path that there is, events and assets included."""
    app = create_app(lambda: with_http(settings, token=TOKEN), Status)
    refused = status_codes(app, "127.0.0.1", {})
    assert {"/api/v1/events", "/metrics", "/", "/openapi.json"} <= set(refused)
    assert {path for path, code in refused.items() if code != 401} == OPEN
    wrong = status_codes(app, "127.0.0.1", {"Authorization": f"Bearer {TOKEN}x"})
    assert {path for path, code in wrong.items() if code != 401} == OPEN
    known = status_codes(app, "127.0.0.1", {"Authorization": f"Bearer {TOKEN}"})
    assert 401 not in known.values()


def test_without_a_token_no_other_name_is_answered(settings: Settings) -> None:
    """A page of a stranger, whose name leads here, is refused: DNS rebinding."""
    codes = status_codes(create_app(lambda: settings, Status), "stranger.example", {})
    assert {path for path, code in codes.items() if code != 421} == {*OPEN, "/readyz"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_served_with_a_token_only(tmp_path: Path, host: str) -> None:
    """Settings that would open it to them are refused."""
    sim = Simulation(start=START, hours=1, queries=50, addresses=50)
    path = simulation_directory.write_settings(sim, tmp_path)
    path.write_text(path.read_text() + f'\n[http]\nhost = "{host}"\n')
    with pytest.raises(ConfigError, match="token"):
        loader.load(path, {})
    path.write_text(path.read_text() + f'token = "{TOKEN}"\n')
    path.chmod(0o600)
    assert loader.load(path, {}).http.token is not None


@contextlib.contextmanager
def recording_proxy() -> Iterator[tuple[int, list[bytes]]]:
    """A port, and all that is sent to it."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    with connection:
                        received.append(connection.recv(4096))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], received
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "HTTP_PROXY"])
def test_status_sends_its_token_to_no_proxy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever the surroundings say: it asks its own daemon."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with recording_proxy() as (proxy, received):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        monkeypatch.delenv("no_proxy", raising=False)
        answer = ask_health(with_http(settings, token=TOKEN, port=port).http)
    assert received == []
    assert answer.kind is Answer.NOBODY
