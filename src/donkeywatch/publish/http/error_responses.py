"""Requests that are not answered: every one gets an error of the same form, with its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from donkeywatch.publish.responses import ErrorResponse, RequestError

INDEX = "ask /api/v1/ for the paths, and /docs for their parameters"
REMEDIES = {404: INDEX, 405: "use GET or HEAD"}
"""By status, where the application itself refuses a request before any of our code."""

ResponseDocs = dict[int | str, dict[str, Any]]
REFUSED: ResponseDocs = {422: {"model": ErrorResponse, "description": "a parameter is no good"}}
NOT_THERE: ResponseDocs = {
    404: {"model": ErrorResponse, "description": "what it names is not there"}
}


class RequestRefused(HTTPException):
    """A request that is refused; never repeats what was given."""

    def __init__(
        self, status: int, message: str, remedy: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.remedy = remedy


def error_response(
    status: int, message: str, remedy: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that is refused or failed."""
    error = RequestError(status=status, message=message, remedy=remedy)
    return JSONResponse(ErrorResponse(error=error).model_dump(), status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Give what FastAPI and Starlette refuse the form of our own errors."""

    @app.exception_handler(HTTPException)
    def refused(_request: Request, error: HTTPException) -> Response:
        remedy = getattr(error, "remedy", REMEDIES.get(error.status_code, INDEX))
        message = "there is no such path" if error.detail == "Not Found" else error.detail
        return error_response(error.status_code, message, remedy, error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> Response:
        problems = [_problem(details) for details in error.errors()]
        return error_response(422, "; ".join(problems), "give each parameter as /docs says")


def _problem(details: Mapping[str, Any]) -> str:
    """Name the parameter and what it may be, but not what it was."""
    name = str(details["loc"][1]) if len(details["loc"]) > 1 else str(details["loc"][0])
    wanted = str(details["msg"])
    return f"parameter {name}: {wanted[:1].lower()}{wanted[1:]}"


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request with a parameter that its path does not have.

    A misspelt one would go unnoticed, and the answer would be one to another question.
    """
    route = request.scope.get("route")
    known: Sequence[str] = ()
    if isinstance(route, APIRoute):
        known = sorted(field.alias for field in route.dependant.query_params)
    if not set(request.query_params) <= set(known):
        names = f"it has {', '.join(known)}" if known else "it has none"
        raise RequestRefused(
            422, "this path has no parameter of that name", f"{names}; leave others out"
        )
