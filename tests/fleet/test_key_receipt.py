"""A server fetches its own keys: what it says to whom, and what it makes of the answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError, WarehouseError
from donkeywatch.fleet import key_receipt
from donkeywatch.settings.schema import Settings
from fleet.simulated_fleet import SimulatedFleet

TOKEN = "a-long-random-word"


class Answering(BaseHTTPRequestHandler):
    """Answers what it is told to."""

    status, body = 200, b'{"keys": []}'
    requests: list[tuple[str, str | None]] = []  # noqa: RUF012 - of the class

    def do_GET(self) -> None:
        """Note who asks for what."""
        self.requests.append((self.path, self.headers["Authorization"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[tuple[Settings, type[Answering]]]:
    """The settings of a server, and who hands out its keys."""
    fleet = SimulatedFleet(tmp_path, f"chdb://{tmp_path}/warehouse")
    fleet.make(("first",))
    handler = type("Handler", (Answering,), {"requests": []})
    server = HTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    settings = fleet.settings("first")
    changed = settings.fleet.model_copy(
        update={"keys_url": f"http://localhost:{server.server_port}", "token_file": token}
    )
    yield settings.model_copy(update={"fleet": changed}), handler
    server.shutdown()
    server.server_close()


def test_it_asks_for_its_own_keys_with_its_token_and_no_proxy(
    answering: tuple[Settings, type[Answering]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment would see the token."""
    monkeypatch.setenv("http_proxy", "http://localhost:9")
    monkeypatch.delenv("no_proxy", raising=False)
    settings, handler = answering
    assert key_receipt.fetch(settings) == []
    assert handler.requests == [("/api/v1/fleet/keys/first", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_is_told_with_its_remedy(
    answering: tuple[Settings, type[Answering]], status: int
) -> None:
    """It may pass: nothing ends by it."""
    settings, handler = answering
    handler.status = status
    with pytest.raises(WarehouseError, match=f"HTTP {status}") as error:
        key_receipt.fetch(settings)
    assert "token add" in error.value.remedy


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"keys": 3}'])
def test_an_answer_that_is_none_is_told(
    answering: tuple[Settings, type[Answering]], body: bytes
) -> None:
    """As of another program that listens there."""
    settings, handler = answering
    handler.body = body
    with pytest.raises(WarehouseError, match="does not answer"):
        key_receipt.fetch(settings)


def test_a_key_that_is_not_for_this_server_is_refused(
    answering: tuple[Settings, type[Answering]],
) -> None:
    """Whoever hands it out."""
    settings, handler = answering
    sealed = {"week": "2026-W49", "start": 1795996800000, "server": "second",
              "ephemeral": "A" * 43 + "=", "sealed": "AAAA"}  # fmt: skip
    handler.body = json.dumps({"keys": [json.dumps(sealed)]}).encode()
    with pytest.raises(ConfigError, match="not for this server"):
        key_receipt.fetch(settings)
