"""What every request passes first: its size, its method, its host and its token."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donkeywatch.publish.http.authorisation import Authorisation
from donkeywatch.publish.http.encodings import accepts_gzip
from donkeywatch.publish.http.refusals import error_response
from donkeywatch.settings.schema import Http

log = logging.getLogger("donkeywatch")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Those of the OWASP Secure Headers Project that go with a page without foreign parts."""
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
"""Of an answer by HTTPS: for a year this name is asked by HTTPS alone."""
NOT_KEPT = "no-store"
"""What caches are told of an answer that does not say itself that it may be kept."""
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
"""A name or an address, and a port, as a client of ours writes them."""
ABSOLUTE = re.compile(r"^https?://[^/]*", re.IGNORECASE)
"""What a request that was made for a proxy has before its path (RFC 9112, section 3.2.2)."""
API = "/api/v1"
"""What pages of another origin may read, where one is allowed."""
PROBES = ("/healthz", "/readyz")
"""What a load balancer asks for, under any name or none."""
MAX_HEAD_BYTES = 16 << 10
"""Request line and headers."""
MAX_HEADERS = 100
MAX_BODY_BYTES = 16 << 10
"""A body of a GET means nothing; so much of one is read and ignored."""
CLOSE = {"Connection": "close"}


class Guard:
    """ASGI middleware around the whole application; answers what it refuses itself."""

    def __init__(self, app: ASGIApp, http: Http) -> None:
        self._app, self._http = app, http
        self._authorisation = Authorisation(http)
        self._names = {"localhost", "127.0.0.1", "::1", http.host.lower(), *http.names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on; every answer gets the same headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if self._http.tls_certificate is not None:
                    headers.update(STRICT_TRANSPORT)
                headers.setdefault("Cache-Control", NOT_KEPT)
                self._allow_origin(inner, headers)
            await send(message)

        inner = self._as_get(scope)
        answer = refuse_size(scope) or await self._refuse(scope["method"], Request(inner))
        try:
            if answer is not None:
                await answer(scope, receive, secured)
            elif scope["method"] == "HEAD":
                await self._app(inner, *head_only(secured))
            else:
                await self._app(inner, receive, secured)
        except Exception as error:
            failure = failure_answer(error)
            if not started:  # Else the server cuts the answer off.
                await failure(scope, receive, secured)

    def _as_get(self, scope: Scope) -> Scope:
        """The request as the application sees it: GET, under the root path, gzip or nothing."""
        root = self._http.root_path
        path = ABSOLUTE.sub("", scope["path"]) or "/"
        if path != root and not path.startswith(f"{root}/"):
            path = root + path  # The proxy has taken it off, or there is none in between.
        accepted = ",".join(Request(scope).headers.getlist("accept-encoding"))
        coding = b"gzip" if accepts_gzip(accepted) else b"identity"
        headers = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
        headers.append((b"accept-encoding", coding))
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return {**scope, "method": method, "path": path, "root_path": root, "headers": headers}

    def _allow_origin(self, request: Scope, headers: MutableHeaders) -> None:
        """Let the pages of one other origin read the API, if there is one; never with a login.

        It is the same for each request: who asks does not matter to a cache.
        """
        origin = self._http.cors_origin
        path = request["path"].removeprefix(self._http.root_path)
        if origin is not None and request["method"] == "GET" and path.startswith(API):
            headers["Access-Control-Allow-Origin"] = origin
            headers.add_vary_header("Origin")

    async def _refuse(self, method: str, request: Request) -> Response | None:
        """The answer to a request that goes no further; None for one that does."""
        path = request.scope["path"].removeprefix(self._http.root_path)
        if method not in ("GET", "HEAD"):
            return error_response(
                405, "only GET and HEAD are answered", "use GET", {"Allow": "GET, HEAD"}
            )
        is_open = not self._http.asks_for_token
        if is_open and path not in PROBES and _requested_host(request) not in self._names:
            # Without a token only this machine may ask: not a page that a browser of this
            # machine shows, under a name that its server lets point here.
            remedy = f"ask as {self._http.host}, or add the name to `names` under [http]"
            return error_response(421, "this is not the name of this server", remedy)
        if (refused := await self._authorisation.refuse(request, path)) is not None:
            return refused
        if not path:
            # Relative, so that it holds whatever the proxy calls this server.
            return Response(
                status_code=308, headers={"Location": self._http.root_path.rpartition("/")[2] + "/"}
            )
        return None


def refuse_size(scope: Scope) -> Response | None:
    """The answer to a request that is too large; None for any other."""
    headers = Request(scope).headers
    head = len(scope["raw_path"]) + len(scope["query_string"])
    head += sum(len(name) + len(value) + 4 for name, value in headers.raw)
    if head > MAX_HEAD_BYTES or len(headers) > MAX_HEADERS:
        remedy = f"send no more than {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers"
        return error_response(431, "the request line and headers are too long", remedy, CLOSE)
    if "transfer-encoding" in headers:
        remedy = "send no body, or one with a Content-Length"
        return error_response(411, "the length of the body is not told", remedy, CLOSE)
    length = headers.get("content-length", "0")
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        remedy = f"send no more than {MAX_BODY_BYTES} bytes, or no body"
        return error_response(413, "the body is too long", remedy, CLOSE)
    return None


def _requested_host(request: Request) -> str | None:
    """The host that is asked for; None where it is not told once, in plain letters.

    The URL of a request has the server's own name where that of the header cannot be read.
    """
    host_headers = request.headers.getlist("host")
    host = HOST.fullmatch(host_headers[0]) if len(host_headers) == 1 else None
    return host["name"].strip("[]").lower().removesuffix(".") if host else None


def failure_answer(error: Exception) -> Response:
    """The answer to a request that failed; names the kind of the failure alone, as the log."""
    if isinstance(error, sqlite3.Error):
        log.warning("a request failed: %s", type(error).__name__)
        return error_response(503, "the database cannot be read now", "try again")
    log.error("a request failed: %s", type(error).__name__)
    return error_response(500, "this request failed", "look into the daemon's log for when")


def head_only(send: Send) -> tuple[Receive, Send]:
    """Receiver and sender that end an answer behind its headers, also one without an end."""
    ended = asyncio.Event()

    async def receive_end() -> Message:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            ended.set()

    return receive_end, send_head
