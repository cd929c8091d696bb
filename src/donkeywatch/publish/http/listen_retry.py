"""Starts the web server, and tries again while its address is not available."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from donkeywatch.errors import AddressUnavailable, DonkeywatchError
from donkeywatch.publish.http.server import Server
from donkeywatch.publish.http.socket_and_tls import load_tls
from donkeywatch.settings.schema import Http

log = logging.getLogger("donkeywatch")
RETRY_SECONDS = 3.0
"""Time between two attempts to listen."""
STOP_SECONDS = 1.0
"""Time that a stop waits for an attempt; a name that is being resolved may take longer."""


class ListenRetry:
    """Makes the server, and tries again in a thread of its own while its address is not there.

    ``make`` raises AddressUnavailable where a later try may succeed. What else it raises then is
    raised by `check`.
    """

    def __init__(self, make: Callable[[], Server]) -> None:
        self._make = make
        self._server: Server | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._ready: Callable[[str], None] = lambda _url: None
        self._failure: DonkeywatchError | None = None
        self.problems: tuple[str, ...] = ()
        """Why nothing listens; empty while the server does."""
        try:
            self._server = make()
        except AddressUnavailable as error:
            self.problems = (error.problem,)
            log.warning(
                "not listening: %s; the logs are followed, and it is tried again every %d s",
                error,
                RETRY_SECONDS,
            )

    def start(self, ready: Callable[[str], None]) -> None:
        """Answer requests, now or as soon as the address is there; then call ``ready`` with it."""
        self._ready = ready
        if self._server is not None:
            self._serve(self._server)
            return
        self._thread = threading.Thread(target=self._retry, name="listener", daemon=True)
        self._thread.start()

    def _serve(self, server: Server) -> None:
        server.start()
        self.problems = ()
        log.info("listening on %s", server.url)
        self._ready(server.url)

    def _retry(self) -> None:
        while not self._stopping.wait(RETRY_SECONDS):
            try:
                server = self._make()
            except AddressUnavailable as error:
                self.problems = (error.problem,)
                continue
            except OSError as error:  # A part of it is loaded at its first use.
                self.problems = (f"http: {error.strerror}",)
                continue
            except DonkeywatchError as error:
                self._failure = error
                return
            self._server = server
            if self._stopping.is_set():
                server.stop()
                return
            try:
                self._serve(server)
            except DonkeywatchError as error:
                self._failure = error
            return

    def check(self) -> None:
        """Raise what a later attempt has shown to be wrong for good."""
        if self._failure is not None:
            raise self._failure

    def renew(self, http: Http) -> None:
        """Read the TLS files again; ConfigError, and the old ones stay, when they are no good."""
        if self._server is None:
            load_tls(http)
        else:
            self._server.reload_tls(http)

    def stop(self) -> None:
        """Finish open requests and stop listening."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=STOP_SECONDS)
        if self._server is not None:
            self._server.stop()
