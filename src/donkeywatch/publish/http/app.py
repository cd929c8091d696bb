"""The web application: GET only, from one snapshot per request."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import PlainTextResponse

from donkeywatch import __version__
from donkeywatch.publish.closed_window_cache import ClosedWindowCache
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.api_routes import api_router, write_all_hours
from donkeywatch.publish.http.description_routes import add_description_routes
from donkeywatch.publish.http.error_responses import add_error_handlers
from donkeywatch.publish.http.page_routes import add_page_routes
from donkeywatch.publish.http.request_guard import Guard
from donkeywatch.publish.metrics.collector import MetricsCollector
from donkeywatch.publish.metrics.exposition_cache import ExpositionCache
from donkeywatch.publish.readiness_schema import Health, source_health
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.settings.schema import Settings


def create_app(settings: Callable[[], Settings], status: Callable[[], Status]) -> FastAPI:
    """The application over the database of the settings and the engine's status.

    Of the settings those of now count, but for the table `http` and the state directory.
    """
    http, state = settings().http, settings().state
    root = http.root_path
    app = FastAPI(
        servers=[{"url": root}] if root else None,
        title="donkeywatch",
        version=__version__,
        summary="What fraction of an eDonkey server's queries and addresses is flagged",
        openapi_url=None,  # It is at /openapi.json all the same, with a tag.
    )

    def snapshots() -> Snapshots:
        now = status()
        return Snapshots(state, [topic for topic, _ in now.topics], now.accuracies)

    exposition = ExpositionCache(MetricsCollector(snapshots, status), status)
    add_error_handlers(app)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(Guard, http=http)
    _add_health(app, settings, status)
    texts = ClosedWindowCache()
    app.include_router(api_router(snapshots, status, texts))
    app.state.prepare = lambda should_stop: write_all_hours(
        snapshots(), status(), texts, should_stop
    )

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """All metrics, in the Prometheus or the OpenMetrics text format."""
        body, content_type = exposition.text(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    add_description_routes(app)
    add_page_routes(app, settings, snapshots, status)
    return app


def _add_health(
    app: FastAPI, settings: Callable[[], Settings], status: Callable[[], Status]
) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        """The process answers; says nothing about the log."""
        return {"healthy": True}

    @app.get("/readyz", responses={503: {"model": Health}})
    def readyz(response: Response) -> Health:
        """Following, caught up to within `follow.ready_lag`, and the last commit was good."""
        current = status()
        reasons = current.readiness_problems(settings().follow.ready_lag)
        response.status_code = 503 if reasons else 200
        sources = [source_health(source) for source in current.sources]
        notices = list(current.notices)
        return Health(
            ready=not reasons,
            state=current.state_id,
            reasons=reasons,
            notices=notices,
            sources=sources,
        )
