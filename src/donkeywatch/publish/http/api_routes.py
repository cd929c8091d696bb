"""The figures of the API: fractions, hours, weeks, the profile of the day, countries, splices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.publish import csv_tables
from donkeywatch.publish.closed_window_cache import ClosedWindowCache
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.hour_profile import HourProfile, profile
from donkeywatch.publish.http import parameters
from donkeywatch.publish.http.cacheable_responses import coded_response, conditional_response
from donkeywatch.publish.http.error_responses import (
    NOT_THERE,
    REFUSED,
    RequestRefused,
    ResponseDocs,
    refuse_unknown_parameters,
)
from donkeywatch.publish.http.parameters import END_OF_TIME, parse_range, parse_time
from donkeywatch.publish.named_countries import profile_hours, week_by_country
from donkeywatch.publish.responses import (
    CountriesResponse,
    FractionsResponse,
    Interval,
    ProfileHour,
    ProfileResponse,
    SpliceResponse,
    SplicesResponse,
    WindowPage,
    box_answer,
)
from donkeywatch.publish.snapshot import Snapshot, Snapshots
from donkeywatch.publish.window_documents import window_document, window_page_json, windows_json
from donkeywatch.publish.window_views import WindowView

JSON = "application/json"
CSV: ResponseDocs = {200: {"content": {"text/csv": {}}}}
UNCHANGED: ResponseDocs = {304: {"description": "what `If-None-Match` names is still so"}}
WINDOWS: ResponseDocs = {**CSV, **UNCHANGED, **REFUSED}


def api_router(
    snapshots: Callable[[], Snapshots], status: Callable[[], Status], texts: ClosedWindowCache
) -> APIRouter:
    """The paths, which answer from a database and the engine's status."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(refuse_unknown_parameters)])
    _add_fractions(router, snapshots, status)
    _add_calendar(router, snapshots, status, texts)
    _add_profile(router, snapshots, status)
    _add_countries(router, snapshots)
    _add_splices(router, snapshots)
    return router


def write_all_hours(
    snapshots: Snapshots, status: Status, texts: ClosedWindowCache, should_stop: Callable[[], bool]
) -> None:
    """Write all closed hours as JSON and CSV, so that the first who asks for them need not wait."""
    with snapshots.open() as snapshot:
        page = snapshot.page_state("hour", *parse_range(None, None), END_OF_TIME)
        for form, write in _forms_of_windows(_categories(snapshot, status)):
            for _ in texts.write(snapshot, "hour", page.blocks, form, write):
                if should_stop():
                    return


def _forms_of_windows(
    categories: Sequence[tuple[str, str]],
) -> tuple[tuple[object, Callable[[Sequence[WindowView]], bytes]], ...]:
    """Give what `ClosedWindowCache.write` needs for JSON and for CSV."""
    return (
        ("json", windows_json),
        (tuple(categories), lambda views: csv_tables.windows_rows(views, categories)),
    )


def _add_fractions(
    router: APIRouter, snapshots: Callable[[], Snapshots], status: Callable[[], Status]
) -> None:
    @router.get("/fractions", response_model=FractionsResponse, responses={**CSV, **REFUSED})
    def fractions(form: parameters.OutputFormat = "json") -> Response:
        """The rolling windows, and the last closed hour and week."""
        with snapshots().open() as snapshot:
            views = snapshot.current()
            categories = _categories(snapshot, status())
        if form == "csv":
            table = csv_tables.windows_csv(views, categories)
            return Response(table, media_type=csv_tables.MEDIA_TYPE)
        windows = [window_document(view) for view in views]
        document = {"lexicon": status().lexicon, "windows": windows}
        return Response(to_json(document), media_type=JSON)


def _add_calendar(
    router: APIRouter,
    snapshots: Callable[[], Snapshots],
    status: Callable[[], Status],
    texts: ClosedWindowCache,
) -> None:
    def calendar(
        kind: str, request: Request, start: str | None, end: str | None, limit: int, form: str
    ) -> Response:
        first, last = parse_range(start, end)
        with snapshots().open() as snapshot:
            page = snapshot.page_state(kind, first, last, limit)
            breaks = snapshot.breaks(first, last)
            state: list[object] = [page, breaks, snapshot.view_state]
            headers = {}
            categories = _categories(snapshot, status())
            as_json, as_csv = _forms_of_windows(categories)
            parts: Iterator[bytes]
            if form == "csv":
                rows = texts.write(snapshot, kind, page.blocks, *as_csv)
                parts = chain([csv_tables.windows_header(categories)], rows)
                media_type = csv_tables.MEDIA_TYPE
                state.append(categories)
                if page.following is not None:
                    headers["Link"] = _next_link(request, page.following)
            else:
                windows = texts.write(snapshot, kind, page.blocks, *as_json)
                parts = window_page_json(windows, breaks, page.following)
                media_type = JSON
            if page.is_closed:
                return conditional_response(request, state, parts, media_type, headers)
            return coded_response(request, parts, media_type, headers)

    @router.get("/hours", response_model=WindowPage, responses=WINDOWS)
    def hours(
        request: Request,
        start: parameters.From = None,
        to: parameters.To = None,
        limit: parameters.Limit = 168,
        form: parameters.OutputFormat = "json",
    ) -> Response:
        """Calendar hours, UTC, oldest first; hours that were not followed are missing."""
        return calendar("hour", request, start, to, limit, form)

    @router.get("/weeks", response_model=WindowPage, responses=WINDOWS)
    def weeks(
        request: Request,
        start: parameters.From = None,
        to: parameters.To = None,
        limit: parameters.Limit = 520,
        form: parameters.OutputFormat = "json",
    ) -> Response:
        """ISO weeks, UTC, oldest first."""
        return calendar("week", request, start, to, limit, form)


def _add_profile(
    router: APIRouter, snapshots: Callable[[], Snapshots], status: Callable[[], Status]
) -> None:
    @router.get("/profile", response_model=ProfileResponse, responses={**WINDOWS, **NOT_THERE})
    def day_profile(
        request: Request,
        topic: parameters.Topic = "pedophile",
        country: parameters.Country = None,
        start: parameters.From = None,
        to: parameters.To = None,
        form: parameters.OutputFormat = "json",
    ) -> Response:
        """The 24 hours of the day over the closed weeks in the range, each country in its own time.

        Countries that `/api/v1/countries` does not name in a week are in UTC there. With `country`,
        it is those of the weeks in which each of the countries is named. A range without a closed
        week has its closed hours in UTC; with `country`, nothing. A local hour of a day counts
        where it was followed in the time of each of the countries.
        """
        known = [name for name, _ in status().topics]
        if topic not in known:
            remedy = f"take one of those there are: {', '.join(known)}"
            raise RequestRefused(404, "there is no such topic", remedy)
        countries = sorted(set(country or []))
        first, last = parse_range(start, to)
        with snapshots().open() as snapshot:
            pages = [snapshot.page_state(k, first, last, END_OF_TIME) for k in ("hour", "week")]
            figures = [[block.figures for block in page.blocks] for page in pages]
            state = topic, countries, form, figures

            def body() -> bytes:
                inputs = profile_hours(snapshot, topic, countries, first, last)
                answer = ProfileResponse(
                    topic=topic,
                    countries=countries,
                    clock="local" if inputs.local else "utc",
                    hours=[_profile_hour(hour) for hour in profile(inputs.stretches, countries)],
                )
                return csv_tables.profile_csv(answer) if form == "csv" else to_json(answer)

            parts = (make() for make in (body,))
            return conditional_response(request, state, parts, _media_type(form))


def _add_countries(router: APIRouter, snapshots: Callable[[], Snapshots]) -> None:
    @router.get("/countries", response_model=CountriesResponse, responses={**WINDOWS, **NOT_THERE})
    def countries(
        request: Request, week: parameters.Week = None, form: parameters.OutputFormat = "json"
    ) -> Response:
        """One closed week by country at arrival; those with fewer than 100 addresses together."""
        start = None if week is None else parse_time(week, 0)
        with snapshots().open() as snapshot:
            table = week_by_country(snapshot, start)
        if start is not None and table.week is None:
            remedy = "ask /api/v1/weeks for those there are"
            raise RequestRefused(404, "there is no such closed week", remedy)
        body = csv_tables.countries_csv(table) if form == "csv" else to_json(table)
        return conditional_response(request, body, [body], _media_type(form))


def _add_splices(router: APIRouter, snapshots: Callable[[], Snapshots]) -> None:
    @router.get("/splices", response_model=SplicesResponse, responses={**UNCHANGED, **REFUSED})
    def splices(request: Request) -> Response:
        """By how much each series grew when another word list took over from the shadow."""
        with snapshots().open() as snapshot:
            answer = SplicesResponse(
                splices=[
                    SpliceResponse(
                        time=iso_utc(splice.time),
                        topic=splice.topic,
                        since=iso_utc(splice.since),
                        factor=Interval(
                            value=splice.factor,
                            lower=splice.lower,
                            upper=splice.upper,
                            design_effect=1.0,
                        ),
                        old_queries=splice.old_queries,
                        new_queries=splice.new_queries,
                        addresses=splice.addresses,
                    )
                    for splice in snapshot.splices()
                ]
            )
        body = to_json(answer)
        return conditional_response(request, body, [body], JSON)


def _categories(snapshot: Snapshot, status: Status) -> list[tuple[str, str]]:
    """Topics with each of their categories, those of the lexicon and those that have counts."""
    named = {(topic, name) for topic, names in status.topics for name in names}
    return sorted(named | snapshot.categories())


def _next_link(request: Request, following: int) -> str:
    url = request.url.include_query_params(**{"from": iso_utc(following)})
    return f'<{url.path}?{url.query}>; rel="next"'


def _media_type(form: str) -> str:
    return csv_tables.MEDIA_TYPE if form == "csv" else JSON


def _profile_hour(hour: HourProfile) -> ProfileHour:
    return ProfileHour(
        hour=hour.hour, days=hour.days, queries=hour.queries, flagged=hour.flagged,
        mean_of_ratios=hour.mean_of_ratios, ratio_of_sums=hour.ratio_of_sums,
        query_box=box_answer(hour.query_box), ratio_box=box_answer(hour.ratio_box),
    )  # fmt: skip
