"""Who may ask the operator's server: by which name, and with which token."""

from __future__ import annotations

import re

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Scope

from donkeywatch.publish.http.accept_encoding import accepts_gzip
from donkeywatch.publish.http.authorisation import Authorisation
from donkeywatch.publish.http.base_middleware import STRICT_TRANSPORT, RequestLimits
from donkeywatch.publish.http.error_responses import error_response
from donkeywatch.settings.schema import Http

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
"""A name or an address, and a port, as a client of ours writes them."""
ABSOLUTE = re.compile(r"^https?://[^/]*", re.IGNORECASE)
"""What a request that was made for a proxy has before its path (RFC 9112, section 3.2.2)."""
API = "/api/v1"
"""What pages of another origin may read, where one is allowed."""
PROBES = ("/healthz", "/readyz")
"""What a load balancer asks for, under any name or none."""


class Guard(RequestLimits):
    """The limits of a request, and whose host and token it has to have."""

    def __init__(self, app: ASGIApp, http: Http) -> None:
        super().__init__(app)
        self._http = http
        self._authorisation = Authorisation(http)
        self._names = {"localhost", "127.0.0.1", "::1", http.host.lower(), *http.names}

    def inner_scope(self, scope: Scope) -> Scope:
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

    def add_headers(self, inner: Scope, headers: MutableHeaders) -> None:
        """Let the pages of one other origin read the API, if there is one; never with a login.

        It is the same for each request: who asks does not matter to a cache.
        """
        if self._http.tls_certificate is not None:
            headers.update(STRICT_TRANSPORT)
        origin = self._http.cors_origin
        path = inner["path"].removeprefix(self._http.root_path)
        if origin is not None and inner["method"] == "GET" and path.startswith(API):
            headers["Access-Control-Allow-Origin"] = origin
            headers.add_vary_header("Origin")

    async def refuse(self, request: Request) -> Response | None:
        """The answer to a request that goes no further; None for one that does."""
        path = request.scope["path"].removeprefix(self._http.root_path)
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


def _requested_host(request: Request) -> str | None:
    """The host that is asked for; None where it is not told once, in plain letters.

    The URL of a request has the server's own name where that of the header cannot be read.
    """
    host_headers = request.headers.getlist("host")
    host = HOST.fullmatch(host_headers[0]) if len(host_headers) == 1 else None
    return host["name"].strip("[]").lower().removesuffix(".") if host else None
