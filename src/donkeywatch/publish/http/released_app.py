"""The public web application: the released figures for anyone, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from donkeywatch.counting.calendar import week_start
from donkeywatch.publish.http.base_middleware import RequestLimits
from donkeywatch.publish.http.error_responses import error_response
from donkeywatch.publish.http.released_answers import to_csv, to_document
from donkeywatch.publish.http.released_page import STYLE, render_chart, render_page
from donkeywatch.publish.http.released_reader import ReleasedReader, ReleasedWindow
from donkeywatch.publish.http.server import Server
from donkeywatch.settings.schema import Http, Settings
from donkeywatch.settings.state_files import DATABASE

CONNECTION_SHARE = 0.25
"""Of the connections that the operator's server may have."""
FOR_ANYONE = {"Cross-Origin-Resource-Policy": "cross-origin"}
"""The chart may be shown in other sites' pages."""
CACHED = "public, max-age=3600"
"""A week is added once a week, and nothing is ever changed."""


class PublicLimits(RequestLimits):
    """The limits of a request; whoever sends it."""

    def add_headers(self, inner: Scope, headers: MutableHeaders) -> None:  # noqa: ARG002 - for all
        """Let other sites show the chart."""
        headers.update(FOR_ANYONE)


def create_public_app(database: Path, title: str) -> Starlette:
    """The application over the table `released` of a database."""
    reader = ReleasedReader(database)

    def page(request: Request) -> Response:
        return _cached(request, render_page(title, reader.weeks()), "text/html; charset=utf-8")

    def style(request: Request) -> Response:
        return _cached(request, STYLE, "text/css; charset=utf-8")

    def chart(request: Request) -> Response:
        return _cached(request, render_chart(reader.weeks()), "image/svg+xml")

    def weeks(request: Request) -> Response:
        return _figures(request, "weeks", reader.weeks())

    def of_week(name: str, read: Callable[[int], list[ReleasedWindow]]) -> Route:
        """A path that answers for `week`, by default for the newest of the decided ones."""

        def answer(request: Request) -> Response:
            text = request.query_params.get("week")
            try:
                start = None if text is None else week_start(text)
            except ValueError:
                return error_response(422, "this is no ISO week", "give a week as 2026-W48")
            known = [week.start for week in reader.weeks()]
            if start is not None and start not in known:
                return error_response(404, "this week is not released", "see /api/v1/weeks")
            newest = known[-1] if known else None
            chosen = newest if start is None else start
            return _figures(request, name, [] if chosen is None else read(chosen))

        return Route(f"/api/v1/{name}", answer)

    routes = [
        Route("/", page),
        Route("/page.css", style),
        Route("/chart.svg", chart),
        Route("/api/v1/weeks", weeks),
        of_week("hours", reader.hours),
        of_week("countries", reader.countries),
    ]
    middleware = [Middleware(PublicLimits), Middleware(GZipMiddleware, minimum_size=1024)]
    app = Starlette(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False  # It would repeat the name that a client asks for.
    return app


def make_public_server(settings: Settings, port: int) -> Server:
    """The server of the released figures, at an address of its own."""
    app = create_public_app(settings.state / DATABASE, settings.title)
    http = Http(host=settings.release.host, port=port)
    return Server(app, http, table="release", share=CONNECTION_SHARE)


def _figures(request: Request, name: str, windows: Sequence[ReleasedWindow]) -> Response:
    form = request.query_params.get("format", "json")
    if form == "csv":
        return _cached(request, to_csv(windows), "text/csv; charset=utf-8")
    if form != "json":
        return error_response(422, "there is no such format", "`format` is json or csv")
    return _cached(request, json.dumps(to_document(name, windows)), "application/json")


def _cached(request: Request, text: str, content_type: str) -> Response:
    """An answer that caches may keep; 304 where the client has it already (RFC 9110, 13.1.2)."""
    body = text.encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": CACHED}
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known or tag.removeprefix("W/") in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers={**headers, "Content-Type": content_type})
