"""Who may read what: the token of a request, the scope of its path, and a limit on wrong ones."""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import blake2b

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from donkeywatch.errors import DonkeywatchError
from donkeywatch.publish.http.connections import client_of
from donkeywatch.publish.http.error_responses import error_response
from donkeywatch.settings.access_tokens import (
    SCOPES,
    AccessToken,
    Scope,
    find_token,
    read_tokens,
)
from donkeywatch.settings.schema import Http

log = logging.getLogger("donkeywatch")

UNASKED = "/healthz"
"""The one path that is answered without a token."""
ANY_SCOPE = "/readyz"
"""The path that is answered with any token."""
FLEET_KEYS = "/api/v1/fleet/keys"
METRICS = "/metrics"
BASIC = 'Basic realm="donkeywatch: any name, and the token as password", charset="UTF-8"'
"""What makes a browser ask for the token, since nobody can give it a header."""
MAX_FAILURES = 10
"""Wrong tokens of one client within `FAILURE_SECONDS`, after which none of its is looked at."""
FAILURE_SECONDS = 60.0
MAX_CLIENTS = 1000
"""Clients with wrong tokens that are remembered."""


class FailureLimit:
    """Counts the wrong tokens of each client; ``clock`` never jumps, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Give how long a client has to wait before a token of its is looked at; 0: it may try."""
        times = self._failures.get(client)
        if times is None or len(times) < MAX_FAILURES:
            return 0.0
        return max(0.0, times[0] + FAILURE_SECONDS - self._clock())

    def note(self, client: str) -> None:
        """Count a wrong token."""
        times = self._failures.setdefault(client, deque(maxlen=MAX_FAILURES))
        times.append(self._clock())
        self._failures.move_to_end(client)
        while len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)


class NamedTokens:
    """The tokens of a file, read again when it changes; those that were right are remembered.

    A token costs a slow hash once, and a quick one under a key of this process after that.
    """

    def __init__(self, http: Http) -> None:
        self._path = http.tokens
        self._state: object = None
        self._tokens: tuple[AccessToken, ...] = ()
        self._right: dict[bytes, AccessToken] = {}
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def find(self, given: str) -> AccessToken | None:
        """Give the token that was sent, if there is one; where the file is bad there is none."""
        if self._path is None:
            return None
        with self._lock:
            self._refresh()
            digest = blake2b(given.encode(), key=self._key, digest_size=32).digest()
            if digest not in self._right:
                token = find_token(self._tokens, given)
                if token is None:
                    return None
                self._right[digest] = token
            return self._right[digest]

    def _refresh(self) -> None:
        assert self._path is not None  # noqa: S101 - asked for before
        try:
            stat = self._path.stat()
            state: object = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except OSError:
            state = "missing"
        if state == self._state:
            return
        self._state, self._tokens = state, ()
        self._right.clear()
        try:
            self._tokens = read_tokens(self._path)
        except DonkeywatchError as error:
            log.error("no named token is taken: %s", error)


class Authorisation:
    """Refuses requests without a token that may read what they ask for."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._named = NamedTokens(http)
        self._failures = FailureLimit()

    async def refuse(self, request: Request, path: str) -> Response | None:
        """The answer to a request that has no right token; None for any other."""
        if not self._http.asks_for_token or path == UNASKED:
            return None
        client = client_of(request.client.host) if request.client else ""
        if wait := self._failures.wait_seconds(client):
            return error_response(
                429,
                "too many wrong tokens came from this client",
                "wait a minute, and use the right one",
                {"Retry-After": str(int(wait) + 1)},
            )
        given = _given_token(request)
        scopes = await run_in_threadpool(self._scopes_of, given) if given else None
        if scopes is None:
            if given:  # A browser asks once without any.
                self._failures.note(client)
                log.warning("a request with a wrong token was refused")
            return error_response(
                401,
                "the token is missing or wrong",
                "send the header Authorization: Bearer <token>",
                {"WWW-Authenticate": BASIC if _is_browser(request) else "Bearer"},
            )
        needed = _scope_of(path)
        if path != ANY_SCOPE and needed not in scopes:
            return error_response(
                403, "this token may not read this", f"use a token with the scope {needed}"
            )
        return None

    def _scopes_of(self, given: str) -> tuple[Scope, ...] | None:
        """Give what a token may read; None where it is wrong."""
        token = self._http.token
        if token is not None and hmac.compare_digest(
            given.encode(), token.get_secret_value().encode()
        ):
            return SCOPES
        named = self._named.find(given)
        return None if named is None else named.scopes


def _scope_of(path: str) -> Scope:
    if path == METRICS:
        return "metrics"
    return "fleet" if path.startswith(FLEET_KEYS) else "read"


def _given_token(request: Request) -> str:
    """Give the token of a request; a browser sends it as the password of Basic (RFC 7617)."""
    raw = request.headers.get("authorization", "").encode("latin-1")
    scheme, _, value = raw.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            value = b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return ""
    elif scheme.lower() != b"bearer":
        return ""
    return value.decode("utf-8", "replace")


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
