"""uvicorn in a thread of its own, so that the engine keeps the main one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from donkeywatch.errors import AddressUnavailable, ConfigError
from donkeywatch.publish.listening import bind, load_tls, tls_refusal
from donkeywatch.settings import Http

GRACE = 3
"""Seconds that answers may take to end when the server stops."""
START = 10.0
"""Seconds the server may take to answer."""


class Server:
    """Bound at construction, so that a port that is taken refuses the start."""

    def __init__(self, app: FastAPI, http: Http) -> None:
        load_tls(http)
        self._socket = bind(http)
        host = f"[{http.host}]" if ":" in http.host else http.host
        scheme = "https" if http.tls_certificate else "http"
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        try:
            app.state.stopping = self._stopping = threading.Event()
            self._server = _Calm(_settings(app, http))
            logging.getLogger("uvicorn.error").addFilter(_is_told)
            self._server.config.load()
        except OSError as error:
            self._socket.close()
            raise _refusal(error) from None
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        except OSError as error:
            self._failure = error

    def start(self) -> None:
        """Return once requests are answered."""
        self._thread.start()
        until = time.monotonic() + START
        while not self._server.started:
            if self._failure is not None:
                raise _refusal(self._failure)
            if not self._thread.is_alive() or time.monotonic() > until:
                raise AddressUnavailable(
                    f"http: the server did not start within {START:.0f} s",
                    "see the messages above; try another `port` under [http]",
                )
            time.sleep(0.01)

    def renew(self, http: Http) -> None:
        """Read the TLS files again; ConfigError, and the old ones stay, when they are no good."""
        load_tls(http, *filter(None, (self._server.config.ssl,)))

    def stop(self) -> None:
        """Finish open requests and end the thread."""
        self._stopping.set()  # Answers without an end see this.
        self._server.leave()
        if self._thread.is_alive():
            self._thread.join(timeout=START)
        self._socket.close()


def _is_told(record: logging.LogRecord) -> bool:
    """Not how an answer was given up that nobody read when the server stopped."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _refusal(error: OSError) -> ConfigError:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ConfigError(
            "http: too few open files are allowed to this process",
            "raise the limit (ulimit -n, or LimitNOFILE= in the systemd unit)",
        )
    return tls_refusal(error)


class _Calm(uvicorn.Server):
    """One that wakes once a second, for the date of its answers, and not ten times."""

    _over: Callable[[], object] | None = None

    async def main_loop(self) -> None:
        """Until `leave`."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._over = lambda: loop.call_soon_threadsafe(over.set)
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 1)

    def leave(self) -> None:
        """End it, from another thread."""
        self.should_exit = True
        if self._over is not None:
            with contextlib.suppress(RuntimeError):  # Its loop is closed: it has ended by itself.
                self._over()


class _Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection on which a request does not arrive in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """A whole request stops the clock, a piece of one does not."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _settings(app: FastAPI, http: Http) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=_Impatient,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=512,
        h11_max_incomplete_event_size=16 << 10,
        ws="none",
        ssl_certfile=http.tls_certificate,
        ssl_keyfile=http.tls_key,
    )
