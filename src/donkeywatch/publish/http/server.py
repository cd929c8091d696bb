"""uvicorn in a thread of its own, so that the engine keeps the main one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from donkeywatch.errors import AddressUnavailable, ConfigError
from donkeywatch.publish.http.base_middleware import MAX_HEAD_BYTES
from donkeywatch.publish.http.connections import Connections, LimitedListener, Peer, max_connections
from donkeywatch.publish.http.socket_and_tls import bind, load_tls, tls_refusal
from donkeywatch.settings.schema import Http

SHUTDOWN_SECONDS = 3
"""Seconds that answers may take to end when the server stops."""
PREPARE_AFTER_SECONDS = 5.0
"""Seconds after the start when what takes long is prepared: the logs come first."""
STARTUP_SECONDS = 10.0
"""Seconds the server may take to answer."""


class Server:
    """Bound at construction, so that a port that is taken refuses the start."""

    def __init__(
        self, app: Starlette, http: Http, *, table: str = "http", share: float = 1.0
    ) -> None:
        """Listen at an address that the settings' ``table`` tells, with a share of connections."""
        load_tls(http)
        bound = bind(http, table)
        limit = max(1, round(max_connections() * share))
        connections = Connections(limit, plain=http.tls_certificate is None)
        self._socket = LimitedListener(bound, connections)
        host = f"[{http.host}]" if ":" in http.host else http.host
        scheme = "https" if http.tls_certificate else "http"
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        try:
            app.state.stopping = self._stopping = threading.Event()
            self._server = _IdleServer(_settings(app, http, connections))
            logging.getLogger("uvicorn.error").addFilter(_is_of_interest)
            self._server.config.load()
        except OSError as error:
            self._socket.close()
            raise _config_error(error) from None
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=table, daemon=True)
        self._prepare: Callable[[Callable[[], bool]], None]
        self._prepare = getattr(app.state, "prepare", lambda _should_stop: None)

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        except OSError as error:
            self._failure = error

    def start(self) -> None:
        """Return once requests are answered; what takes long is then prepared in a thread."""
        self._thread.start()
        until = time.monotonic() + STARTUP_SECONDS
        while not self._server.started:
            if self._failure is not None:
                raise _config_error(self._failure)
            if not self._thread.is_alive() or time.monotonic() > until:
                raise AddressUnavailable(
                    f"http: the server did not start within {STARTUP_SECONDS:.0f} s",
                    "see the messages above; try another `port` under [http]",
                )
            time.sleep(0.01)
        threading.Thread(target=self._prepare_answers, name="prepare", daemon=True).start()

    def _prepare_answers(self) -> None:
        if not self._stopping.wait(PREPARE_AFTER_SECONDS):
            with contextlib.suppress(sqlite3.Error, OSError):  # Who asks then gets the error.
                self._prepare(self._stopping.is_set)

    def reload_tls(self, http: Http) -> None:
        """Read the TLS files again; ConfigError, and the old ones stay, when they are no good."""
        load_tls(http, *filter(None, (self._server.config.ssl,)))

    def stop(self) -> None:
        """Finish open requests and end the thread."""
        self._stopping.set()  # Answers without an end see this.
        self._server.request_exit()
        if self._thread.is_alive():
            self._thread.join(timeout=STARTUP_SECONDS)
        self._socket.close()


def _trusted_forms(network: str) -> list[str]:
    """A network as connections show it; IPv4 on a socket of both families is inside IPv6."""
    if ":" in network:
        return [network]
    address, _, bits = network.partition("/")
    return [network, f"::ffff:{address}/{96 + int(bits)}"]


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Not how an answer was given up: nobody read it when the server stopped, or its failure, or
    what the client did, is known already."""
    is_cancelled = record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not is_cancelled and not record.getMessage().startswith("ASGI callable returned without")


def _config_error(error: OSError) -> ConfigError:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ConfigError(
            "http: too few open files are allowed to this process",
            "raise the limit (ulimit -n, or LimitNOFILE= in the systemd unit)",
        )
    return tls_refusal(error)


class _IdleServer(uvicorn.Server):
    """One that does not wake ten times a second: `RequestLimits` dates the answers."""

    _wake: Callable[[], object] | None = None

    async def main_loop(self) -> None:
        """Until `request_exit`."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(over.set)
        if not self.should_exit:
            await over.wait()

    def request_exit(self) -> None:
        """End it, from another thread."""
        self.should_exit = True
        if self._wake is not None:
            with contextlib.suppress(RuntimeError):  # Its loop is closed: it has ended by itself.
                self._wake()


class _RequestTimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which a request does not arrive in time."""

    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._connections = connections
        self._peer: Peer = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")
        self._connections.attach(self._peer, transport.abort)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """A whole request stops the clock, a piece of one does not."""
        if self._deadline is None and not self._is_busy:
            self._wait()
        super().data_received(data)
        if self._is_busy:
            self._stop()
        self._connections.mark(self._peer, busy=self._is_busy)

    def on_response_complete(self) -> None:
        """The next request may have been waiting already."""
        super().on_response_complete()
        self._connections.mark(self._peer, busy=self._is_busy)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        """Answer as ever whoever asks for another protocol; without a word in the log."""
        return False

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _settings(app: Starlette, http: Http, connections: Connections) -> uvicorn.Config:
    protocol = partial(_RequestTimeoutProtocol, connections=connections)
    return uvicorn.Config(
        app,
        loop="asyncio",  # Another one would not ask the `LimitedListener`.
        log_config=None,
        access_log=False,
        lifespan="off",
        http=cast(type[asyncio.Protocol], protocol),
        server_header=False,
        date_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        proxy_headers=bool(http.proxies),
        forwarded_allow_ips=[form for proxy in http.proxies for form in _trusted_forms(proxy)],
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ws="none",
        ssl_certfile=http.tls_certificate,
        ssl_keyfile=http.tls_key,
    )
