"""uvicorn beside the engine: binding, TLS, limits, and the end."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI, Response

from donkeywatch.errors import ConfigError
from donkeywatch.publish.http import connections
from donkeywatch.publish.http import server as server_module
from donkeywatch.publish.http.base_middleware import RequestLimits
from donkeywatch.publish.http.server import Server
from donkeywatch.settings.schema import Http


def hello() -> FastAPI:
    """An application with one page, and one that takes a while."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(RequestLimits)

    @app.get("/")
    def page() -> str:
        return "hello"

    @app.get("/large")
    def large() -> Response:
        return Response(bytes(32 << 20))

    @app.get("/slow")
    def slow() -> str:
        time.sleep(0.5)
        return "at last"

    return app


@contextmanager
def running(http: Http) -> Iterator[Server]:
    """A server that answers, and is stopped at the end."""
    server = Server(hello(), http)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(url: str, verify: ssl.SSLContext | bool = True) -> httpx.Response:
    """An answer, past any proxy."""
    return httpx.get(url, trust_env=False, timeout=10, verify=verify)


def test_what_takes_long_is_prepared_once_requests_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a thread of its own, which ends with the server; a busy database is no trouble."""
    app, stopped = hello(), threading.Event()
    began = threading.Event()

    def prepare(should_stop: Callable[[], bool]) -> None:
        began.set()
        while not should_stop():
            time.sleep(0.01)
        stopped.set()
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(server_module, "PREPARE_AFTER_SECONDS", 0.1)
    app.state.prepare = prepare
    server = Server(app, Http(port=0))
    server.start()
    assert began.wait(10)
    assert get(server.url).json() == "hello"
    assert not stopped.is_set()
    server.stop()
    assert stopped.wait(10)


def test_a_free_port_is_taken_and_told() -> None:
    """Port 0 becomes a real one, in the URL, and is answered once start returns."""
    with running(Http(port=0)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert get(server.url).json() == "hello"


def test_an_ipv6_address_is_in_brackets() -> None:
    """The URL of ::1 can be used as it is."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with running(Http(host="::1", port=0)) as server:
        assert server.url.startswith("http://[::1]:")
        assert get(server.url).json() == "hello"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_all_addresses_are_those_of_both_families(address: str) -> None:
    """`::` answers IPv4 as well, whatever the system's default is."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        pytest.skip("this machine has no IPv6")
    with running(Http(host="::", port=0)) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_reads_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives it up, and its place is free again."""
    monkeypatch.setattr(connections, "UNREAD_MILLISECONDS", 500)
    with running(Http(port=0)) as server, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        held = server._socket._connections
        until = time.monotonic() + 5
        while not held._busy and time.monotonic() < until:
            time.sleep(0.01)
        assert held._busy
        until = time.monotonic() + 20
        while len(held) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(held) == 0


def test_a_port_that_is_taken_refuses_the_start() -> None:
    """The error names host and port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1 port {port}") as caught:
            Server(hello(), Http(port=port))
    assert "another `port`" in caught.value.remedy


def test_the_port_is_free_again_after_the_stop() -> None:
    """Stop ends the thread and closes the socket, so that the next start works at once."""
    before = set(threading.enumerate())
    with running(Http(port=0)) as server:
        port = int(server.url.rpartition(":")[2])
    with pytest.raises(httpx.ConnectError):
        get(server.url)
    with running(Http(port=port)) as again:
        assert get(again.url).json() == "hello"
    assert not {thread for thread in threading.enumerate() if thread.name == "http"} - before


def test_an_open_request_is_answered_before_the_end() -> None:
    """A stop waits for what is being answered."""
    result: list[str] = []
    with running(Http(port=0)) as server:
        asking = threading.Thread(target=lambda: result.append(get(f"{server.url}/slow").json()))
        asking.start()
        until = time.monotonic() + 10
        while not server._server.server_state.tasks and time.monotonic() < until:
            time.sleep(0.01)
    asking.join()
    assert result == ["at last"]


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "donkeywatch test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].chmod(0o600)
    return paths


def test_with_a_certificate_https_is_served(tmp_path: Path) -> None:
    """The URL says https, a client that trusts the certificate is answered, plain HTTP is not."""
    cert, key = certificate(tmp_path)
    with running(Http(port=0, tls_certificate=cert, tls_key=key)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        assert get(server.url, trusting).json() == "hello"
        with pytest.raises(httpx.TransportError):
            get(server.url.replace("https", "http"))


@pytest.mark.parametrize("wrong", ["missing", "garbage", "other key"])
def test_tls_files_that_cannot_be_used_refuse_the_start(tmp_path: Path, wrong: str) -> None:
    """The error is about TLS, and the port is given back."""
    cert, key = certificate(tmp_path)
    if wrong == "missing":
        key.unlink()
    elif wrong == "garbage":
        cert.write_text("no certificate", "ascii")
    else:
        (tmp_path / "other").mkdir()
        _, key = certificate(tmp_path / "other")
    with pytest.raises(ConfigError, match="TLS files cannot be used"):
        Server(hello(), Http(port=0, tls_certificate=cert, tls_key=key))


def test_a_tls_key_that_everybody_can_read_refuses_the_start(tmp_path: Path) -> None:
    """With what to do about it; its group may read it."""
    cert, key = certificate(tmp_path)
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="everybody can read it") as caught:
        Server(hello(), Http(port=0, tls_certificate=cert, tls_key=key))
    assert caught.value.remedy == f"run: chmod o-r {key}"
    key.chmod(0o640)
    with running(Http(port=0, tls_certificate=cert, tls_key=key)) as server:
        assert server.url.startswith("https://")


def sent(url: str, data: bytes, seconds: float = 5.0) -> bytes:
    """The whole answer to some bytes, or what came until the time was over."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as client:
        try:
            client.sendall(data)
            while part := client.recv(65536):
                answer += part
        except (ConnectionError, TimeoutError):
            pass
    return answer


def test_a_request_without_end_is_cut_off() -> None:
    """Headers beyond 16 KiB are refused and not collected."""
    with running(Http(port=0)) as server:
        endless = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (1 << 20)
        answer = sent(server.url, endless)
        assert not answer or answer.startswith(b"HTTP/1.1 4")
        assert get(server.url).json() == "hello"


def test_what_is_not_http_is_refused() -> None:
    """Garbage gets 400 and the server goes on."""
    with running(Http(port=0)) as server:
        assert sent(server.url, b"\x16\x03\x01\x02\x00\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert get(server.url).json() == "hello"


def test_what_a_client_does_wrong_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """A word that it was wrong is enough; and what it asks for in vain is not worth one."""
    bad_chunk = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    websocket = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with caplog.at_level(logging.DEBUG), running(Http(port=0)) as server:
        sent(server.url, bad_chunk)
        assert b'"hello"' in sent(server.url, websocket)
        assert get(server.url).json() == "hello"
    logged = {each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING}
    assert logged <= {"Invalid HTTP request received."}


def test_the_server_does_not_tell_what_it_is() -> None:
    """No Server header, on good answers and on bad ones."""
    with running(Http(port=0)) as server:
        assert "server" not in get(server.url).headers
        assert b"\r\nserver:" not in sent(server.url, b"nonsense\r\n\r\n").lower()


def test_a_connection_that_idles_is_closed() -> None:
    """After an answer the connection is kept for its time and then closed."""
    server = Server(hello(), Http(port=0))
    server._server.config.timeout_keep_alive = 1
    server.start()
    try:
        answer = sent(server.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        server.stop()


@pytest.mark.parametrize("half", [b"", b"GET / HTTP/1.1\r\nHost:"], ids=["nothing", "half"])
def test_a_request_that_never_comes_is_given_up(half: bytes) -> None:
    """A client that sends nothing, or half a request, does not hold one of the places for ever."""
    server = Server(hello(), Http(port=0))
    server._server.config.timeout_keep_alive = 1
    server.start()
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=3) as client:
            client.sendall(half)
            try:
                client.recv(65536)
            except TimeoutError:
                pytest.fail("still waiting after three times the limit")
    finally:
        server.stop()
