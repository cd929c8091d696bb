"""The page's own paths: the page, its files, and the news for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.assets import assets
from donkeywatch.publish.http.cacheable_responses import static_response
from donkeywatch.publish.http.change_events import MAX_STREAMS, PLACES_PER_CLIENT, EventFeed
from donkeywatch.publish.http.connections import client_of
from donkeywatch.publish.http.error_responses import (
    REFUSED,
    RequestRefused,
    refuse_unknown_parameters,
)
from donkeywatch.publish.http.page import render
from donkeywatch.publish.responses import ErrorResponse
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.settings.schema import Settings


def add_page_routes(
    app: FastAPI,
    settings: Callable[[], Settings],
    snapshots: Callable[[], Snapshots],
    status: Callable[[], Status],
) -> None:
    """Add them to the application; ``app.state.stopping``, if set, ends the news."""
    feed = EventFeed(snapshots, status, lambda: settings().follow.ready_lag)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        """The current figures as a page, which the script keeps up to date and adds charts to."""
        with snapshots().open() as snapshot:
            return render(snapshot, status(), settings(), time.time_ns() // 1_000_000)

    @app.get("/assets/{name}", include_in_schema=False)
    def asset(request: Request, name: str) -> Response:
        """A file of the page: script, style or icon."""
        if name not in assets():
            raise RequestRefused(404, "there is no such file", "ask / for the page")
        content_type, data = assets()[name]
        return static_response(request, data, content_type)

    @app.get(
        "/api/v1/events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}},
            **REFUSED,
            503: {
                "model": ErrorResponse,
                "description": f"{MAX_STREAMS} listen already, or {PLACES_PER_CLIENT} from this"
                " address",
            },
        },
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    async def events(request: Request) -> Response:
        """Server-sent events: `update` at once and after changes, once a second at most.

        `heartbeat` meanwhile, and after ten minutes `end`: connect again.
        """
        client = client_of(request.client.host if request.client else "")
        if not feed.acquire(client):
            raise RequestRefused(
                503, "too many pages are open", "close some, or try again", {"Retry-After": "10"}
            )
        stopping = getattr(request.app.state, "stopping", None)
        return EventStreamResponse(feed, client, lambda: stopping is not None and stopping.is_set())


class EventStreamResponse(StreamingResponse):
    """The news for a page that has taken its place, which is given back however it ends."""

    def __init__(self, feed: EventFeed, client: str, should_stop: Callable[[], bool]) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(feed.stream(should_stop), media_type="text/event-stream", headers=headers)
        self._feed, self._client = feed, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a page that is gone before the first piece has had a place, too."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.release(self._client)
