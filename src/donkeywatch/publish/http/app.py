"""The web application: GET only, from one snapshot per request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import PlainTextResponse
from pydantic import StringConstraints

from donkeywatch import __version__
from donkeywatch.counting.calendar import iso_utc, to_ms, week_start
from donkeywatch.publish.by_country import profile_hours, week_by_country
from donkeywatch.publish.csv_tables import windows_csv
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.hour_profile import profile
from donkeywatch.publish.http.page_routes import add_page_routes
from donkeywatch.publish.http.request_guard import Guard
from donkeywatch.publish.metrics.exposition_cache import ExpositionCache
from donkeywatch.publish.metrics.registry import MetricsCollector
from donkeywatch.publish.responses import (
    BreakResponse,
    CountriesResponse,
    ErrorResponse,
    FractionsResponse,
    Health,
    ProfileHour,
    ProfileResponse,
    WindowPage,
    box_answer,
    source_health,
    window_response,
)
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.settings.schema import Settings

END_OF_TIME = 1 << 52
"""Later than any window, ms; small enough for SQLite and for dates to be printed never."""

ResponseDocs = dict[int | str, dict[str, Any]]
REFUSED: ResponseDocs = {422: {"model": ErrorResponse, "description": "a parameter is no good"}}

From = Annotated[
    str | None,
    Query(
        alias="from",
        description="first start, ISO 8601 (UTC where no zone is told), a date, or an ISO week",
    ),
]
To = Annotated[str | None, Query(description="end (exclusive), in the same forms")]
Week = Annotated[
    str | None,
    Query(pattern="^[0-9]{4}-W[0-9]{2}$", description="ISO week; by default the last closed one"),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="windows a page")]
OutputFormat = Annotated[
    Literal["json", "csv"], Query(alias="format", description="form of the answer")
]
Country = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]] | None,
    Query(max_length=50, description="ISO 3166 codes to put together"),
]


def create_app(settings: Settings, status: Callable[[], Status]) -> FastAPI:
    """The application over the database of ``settings`` and the engine's status."""
    app = FastAPI(
        title="donkeywatch",
        version=__version__,
        summary="What fraction of an eDonkey server's queries and addresses is flagged",
        docs_url=None,
        redoc_url=None,
    )

    def snapshots() -> Snapshots:
        now = status()
        return Snapshots(settings.state, [topic for topic, _ in now.topics], now.accuracies)

    exposition = ExpositionCache(MetricsCollector(snapshots, status), status)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(Guard, http=settings.http)
    _add_health(app, settings, status)
    _add_figures(app, snapshots, status)

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """All metrics, in the Prometheus or the OpenMetrics text format."""
        body, content_type = exposition.text(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    add_page_routes(app, settings, snapshots, status)
    return app


def _add_health(app: FastAPI, settings: Settings, status: Callable[[], Status]) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        """The process answers; says nothing about the log."""
        return {"healthy": True}

    @app.get("/readyz", responses={503: {"model": Health}})
    def readyz(response: Response) -> Health:
        """Following, caught up to within `follow.ready_lag`, and the last commit was good."""
        current = status()
        reasons = current.readiness_problems(settings.follow.ready_lag)
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


def _add_figures(
    app: FastAPI, snapshots: Callable[[], Snapshots], status: Callable[[], Status]
) -> None:
    @app.get("/api/v1/fractions")
    def fractions() -> FractionsResponse:
        """The rolling windows, and the last closed hour and week."""
        with snapshots().open() as snapshot:
            windows = [window_response(view) for view in snapshot.current()]
        return FractionsResponse(lexicon=status().lexicon, windows=windows)

    def calendar(
        kind: str, request: Request, start: str | None, end: str | None, limit: int, form: str
    ) -> WindowPage | Response:
        first, last = parse_time(start, 0), parse_time(end, END_OF_TIME)
        with snapshots().open() as snapshot:
            views = snapshot.windows_between(kind, first, last, limit + 1)
            breaks = snapshot.breaks(first, last)
        next_start = iso_utc(views[limit].start) if len(views) > limit else None
        if form == "csv":
            url = request.url.include_query_params(**{"from": next_start})
            links = {"Link": f'<{url.path}?{url.query}>; rel="next"'} if next_start else {}
            return PlainTextResponse(
                windows_csv(views[:limit]), headers=links, media_type="text/csv; charset=utf-8"
            )
        return WindowPage(
            windows=[window_response(view) for view in views[:limit]],
            breaks=[BreakResponse(time=iso_utc(time), kind=kind) for time, kind in breaks],
            next=next_start,
        )

    csv_too: ResponseDocs = {200: {"content": {"text/csv": {}}}, **REFUSED}

    @app.get("/api/v1/hours", response_model=WindowPage, responses=csv_too)
    def hours(
        request: Request,
        start: From = None,
        to: To = None,
        limit: Limit = 168,
        form: OutputFormat = "json",
    ) -> WindowPage | Response:
        """Calendar hours, UTC, oldest first; hours that were not followed are missing."""
        return calendar("hour", request, start, to, limit, form)

    @app.get("/api/v1/weeks", response_model=WindowPage, responses=csv_too)
    def weeks(
        request: Request,
        start: From = None,
        to: To = None,
        limit: Limit = 520,
        form: OutputFormat = "json",
    ) -> WindowPage | Response:
        """ISO weeks, UTC, oldest first."""
        return calendar("week", request, start, to, limit, form)

    @app.get("/api/v1/profile", responses={404: {"description": "no such topic"}, **REFUSED})
    def day_profile(
        topic: str = "pedophile", country: Country = None, start: From = None, to: To = None
    ) -> ProfileResponse:
        """The 24 hours of the day over the closed weeks in the range, each country in its own time.

        Countries that `/api/v1/countries` does not name in a week are in UTC there. With `country`,
        it is those of the weeks in which each of the countries is named. A range without a closed
        week has its closed hours in UTC; with `country`, nothing. A local hour of a day counts
        where it was followed in the time of each of the countries.
        """
        known = [name for name, _ in status().topics]
        if topic not in known:
            raise HTTPException(404, f"no such topic; there are: {', '.join(known)}")
        countries = sorted(set(country or []))
        with snapshots().open() as snapshot:
            first, last = parse_time(start, 0), parse_time(to, END_OF_TIME)
            inputs = profile_hours(snapshot, topic, countries, first, last)
            made = profile(inputs.stretches, countries)
        hours = [
            ProfileHour(
                hour=h.hour, days=h.days, queries=h.queries, flagged=h.flagged,
                mean_of_ratios=h.mean_of_ratios, ratio_of_sums=h.ratio_of_sums,
                query_box=box_answer(h.query_box), ratio_box=box_answer(h.ratio_box),
            )
            for h in made
        ]  # fmt: skip
        return ProfileResponse(
            topic=topic, countries=countries, clock="local" if inputs.local else "utc", hours=hours
        )

    @app.get(
        "/api/v1/countries", responses={404: {"description": "no such closed week"}, **REFUSED}
    )
    def countries(week: Week = None) -> CountriesResponse:
        """One closed week by country at arrival; those with fewer than 100 addresses together."""
        start = None if week is None else parse_time(week, 0)
        with snapshots().open() as snapshot:
            table = week_by_country(snapshot, start)
        if start is not None and table.week is None:
            raise HTTPException(404, "no such closed week")
        return table


def parse_time(text: str | None, default: int) -> int:
    """A time given as ISO 8601, a date (UTC) or an ISO week, in ms; HTTP 422 if it is none."""
    if text is None:
        return default
    try:
        if "-W" in text and "T" not in text:
            return week_start(text)
        # A plus sign that was not escaped arrives as a space.
        given = datetime.fromisoformat(text.replace(" ", "+"))
        return to_ms(given if given.tzinfo else given.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise HTTPException(
            422, "give times as 2026-11-23T10:00:00Z, 2026-11-23 or 2026-W48"
        ) from None
