"""ask_health: whatever is at the address in the settings, the command line gets an answer."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from donkeywatch.publish.http.status_client import Answer, ask_health
from donkeywatch.settings.schema import Http


def settings(port: int, certificate: Path | None = None) -> Http:
    """Settings of a daemon on loopback."""
    return Http.model_construct(
        host="127.0.0.1", port=port, token=None, tls_certificate=certificate
    )


def test_a_port_that_is_closed_is_nobody() -> None:
    """Also right after somebody has left it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ask_health(settings(port)).kind is Answer.NOBODY


@pytest.mark.parametrize("text", [None, "-----BEGIN CERTIFICATE-----\nhalf"])
def test_a_certificate_that_cannot_be_read_is_nobody(tmp_path: Path, text: str | None) -> None:
    """Missing, or half written: that ends no `status`, which has the figures to show."""
    certificate = tmp_path / "certificate.pem"
    if text is not None:
        certificate.write_text(text)
    assert ask_health(settings(1, certificate)).kind is Answer.NOBODY


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", Answer.REFUSED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Answer.OTHER),
        (b"220 mail.example ESMTP\r\n", Answer.OTHER),
    ],
)
def test_another_server_is_told_from_a_daemon(reply: bytes, kind: Answer) -> None:
    """One that refuses the token, one with another answer, and one that speaks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = ask_health(settings(listener.getsockname()[1]))
        thread.join()
    assert answer.kind is kind
    assert answer.health is None
