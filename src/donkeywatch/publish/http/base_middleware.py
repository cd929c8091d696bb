"""The base middleware: GET and HEAD only, limits of size, security headers, error answers."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from email.utils import formatdate

from h11 import LocalProtocolError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donkeywatch.publish.http.error_responses import error_response

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
"""The Cache-Control of an answer that does not name one itself."""
MAX_HEAD_BYTES = 16 << 10
"""Request line and headers."""
MAX_HEADERS = 100
MAX_BODY_BYTES = 16 << 10
"""A body of a GET means nothing; so much of one is read and ignored."""
CLOSE = {"Connection": "close"}


class RequestLimits:
    """ASGI middleware: GET and HEAD, limits of size, and the same headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, inner = False, self.inner_scope(scope)

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Date"] = formatdate(usegmt=True)
                headers.setdefault("Cache-Control", NOT_KEPT)
                self.add_headers(inner, headers)
            await send(message)

        answer = refuse_size(scope) or refuse_method(scope) or await self.refuse(Request(inner))
        try:
            if answer is not None:
                await answer(scope, receive, secured)
            elif scope["method"] == "HEAD":
                await self._app(inner, *head_only(secured))
            else:
                await self._app(inner, receive, secured)
        except LocalProtocolError:
            pass  # The client has broken the protocol meanwhile: it can be sent nothing more.
        except Exception as error:
            failure = failure_answer(error)
            if not started:  # Else the server cuts the answer off.
                await failure(scope, receive, secured)

    def inner_scope(self, scope: Scope) -> Scope:
        """Give the request as the application sees it: HEAD is asked as GET."""
        return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

    def add_headers(self, inner: Scope, headers: MutableHeaders) -> None:
        """Add what else an answer to a request has; nothing here."""

    async def refuse(self, request: Request) -> Response | None:  # noqa: ARG002 - none is here
        """Give the answer to a request that goes no further; None for one that does, as here."""
        return None


def refuse_method(scope: Scope) -> Response | None:
    """The answer to a request that is neither GET nor HEAD; None for any other."""
    if scope["method"] in ("GET", "HEAD"):
        return None
    return error_response(405, "only GET and HEAD are answered", "use GET", {"Allow": "GET, HEAD"})


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
        return error_response(411, "the length of the body is not given", remedy, CLOSE)
    length = headers.get("content-length", "0")
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        remedy = f"send no more than {MAX_BODY_BYTES} bytes, or no body"
        return error_response(413, "the body is too long", remedy, CLOSE)
    return None


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
