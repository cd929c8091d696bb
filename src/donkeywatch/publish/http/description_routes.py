"""Routes for OpenAPI, its HTML page, the index of the API, and the icon."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from string import Template
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from pydantic_core import to_json

from donkeywatch import __version__
from donkeywatch.publish.http.assets import assets, text
from donkeywatch.publish.http.cacheable_responses import static_response
from donkeywatch.publish.http.error_responses import REFUSED, refuse_unknown_parameters
from donkeywatch.publish.responses import IndexPath, IndexResponse

Description = Mapping[str, Any]
HTML = "text/html; charset=utf-8"
ICON = "icon.svg"
CODE = re.compile("`([^`]+)`")


def add_description_routes(app: FastAPI) -> None:
    """Add them to the application."""

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> Response:
        return static_response(request, to_json(app.openapi()), "application/json")

    @app.get("/docs", include_in_schema=False)
    def documentation(request: Request) -> Response:
        page = documentation_page(app.openapi())
        return static_response(request, page.encode(), HTML)

    @app.get("/favicon.ico", include_in_schema=False)
    def icon(request: Request) -> Response:
        content_type, data = assets()[ICON]
        return static_response(request, data, content_type)

    @app.get("/api/v1", include_in_schema=False, dependencies=[Depends(refuse_unknown_parameters)])
    @app.get(
        "/api/v1/",
        response_model=IndexResponse,
        responses=REFUSED,
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    def index(request: Request) -> Response:
        """The paths with a line each."""
        answer = IndexResponse(version=__version__, paths=list(_index(app.openapi())))
        return static_response(request, to_json(answer), "application/json")


def _index(description: Description) -> Iterator[IndexPath]:
    for path, methods in description["paths"].items():
        yield IndexPath(path=path, summary=methods["get"]["description"].partition("\n")[0])


def documentation_page(description: Description) -> str:
    """The OpenAPI description as one page that needs no script."""
    schemas = description["components"]["schemas"]
    return Template(text("docs.html")).substitute(
        version=escape(description["info"]["version"]),
        contents="".join(
            f'<li><a href="#{_anchor(path)}">{escape(path)}</a></li>'
            for path in description["paths"]
        ),
        paths="".join(_path(path, item["get"]) for path, item in description["paths"].items()),
        forms="".join(_form(name, schema) for name, schema in schemas.items()),
    )


def _anchor(path: str) -> str:
    return "path" + path.replace("/", "-")


def _path(path: str, operation: Description) -> str:
    paragraphs = "".join(
        f"<p>{_words(part)}</p>" for part in operation["description"].split("\n\n")
    )
    parameters = operation.get("parameters", [])
    rows = "".join(
        _row(
            f"<code>{escape(parameter['name'])}</code>",
            _kind(parameter["schema"]),
            f"<code>{escape(str(parameter['schema'].get('default', '')))}</code>",
            _words(parameter.get("description", "")),
        )
        for parameter in parameters
    )
    table = _table(("parameter", "form", "default", "meaning"), rows) if parameters else ""
    answers = "".join(
        _row(
            status,
            ", ".join(
                f"{escape(media_type)} {_kind(content.get('schema', {}))}"
                for media_type, content in answer.get("content", {}).items()
            ),
            _words(answer["description"]),
        )
        for status, answer in operation["responses"].items()
    )
    return (
        f'<section id="{_anchor(path)}"><h2><code>GET {escape(path)}</code></h2>{paragraphs}'
        f"{table}{_table(('status', 'answer', 'meaning'), answers)}</section>"
    )


def _form(name: str, schema: Description) -> str:
    rows = "".join(
        _row(
            f"<code>{escape(field)}</code>",
            _kind(inner),
            _words(inner.get("description", "")),
            "".join(
                f"<code>{escape(str(example))}</code>" for example in inner.get("examples", [])
            ),
        )
        for field, inner in schema.get("properties", {}).items()
    )
    return (
        f'<section id="form-{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{_words(schema.get('description', ''))}</p>"
        f"{_table(('field', 'form', 'meaning', 'example'), rows)}</section>"
    )


def _kind(schema: Description) -> str:
    """Describe the type of a value as HTML: its name, a list of it, or a link to its form."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#form-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(inner := schema.get("additionalProperties"), Mapping):
        return f"by name: {_kind(inner)}"
    return escape(schema.get("type", ""))


def _words(text: str) -> str:
    """Text as HTML, what stands between back quotes as code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _table(headings: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
