"""What there is to ask for: the index, the page of documentation, the icon."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from donkeywatch import __version__
from donkeywatch.publish.engine_status import Status
from support.asking import Asked, served
from support.simulated_server import Simulated

pytestmark = pytest.mark.usefixtures("_silent_server")


class Reader(HTMLParser):
    """Tags that are open, names, links and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note its name and where it leads."""
        self.tags.add(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.names.add(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """Each ends where it should."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += f"{data} "


def plain(text: str) -> str:
    """Words with nothing but letters, digits and points between them."""
    return " ".join(re.findall(r"[\w.]+", re.sub(r"[.](?!\w)", "", text)))


@pytest.fixture(scope="module")
def page(ask: Asked) -> Reader:
    """The page of documentation, read."""
    answer = ask("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    reader = Reader()
    reader.feed(answer.text)
    assert reader.open == []
    return reader


def test_the_documentation_names_all_that_is_described(ask: Asked, page: Reader) -> None:
    """Each path, parameter, status, form and field, with its words."""
    schema = ask.json("/openapi.json")
    words = plain(page.text)
    assert __version__ in words
    for path, item in schema["paths"].items():
        operation = item["get"]
        assert plain(f"GET {path}") in words
        assert plain(operation["description"]) in words
        for parameter in operation.get("parameters", []):
            assert parameter["name"] in words
            assert plain(parameter["description"]) in words
        for status, answer in operation["responses"].items():
            assert status in words
            assert plain(answer["description"]) in words
    for name, form in schema["components"]["schemas"].items():
        assert name in words
        for field, inner in form["properties"].items():
            assert field in words
            assert plain(inner.get("description", "")) in words


def test_the_documentation_asks_no_other_host_and_no_script(ask: Asked, page: Reader) -> None:
    """Its links lead to this server, and inside the page to what is there."""
    assert "script" not in page.tags
    assert "style" not in page.tags
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.names
        else:
            assert not re.match(r"[a-z]+:|/", link)
            assert ask(f"/{link.removeprefix('./')}").status_code == 200


def test_the_index_has_every_path_that_is_described(ask: Asked) -> None:
    """With the first sentence of its description, and with or without a slash at the end."""
    answer = ask.json("/api/v1/")
    assert answer == ask.json("/api/v1")
    assert answer["version"] == __version__
    described = ask.json("/openapi.json")["paths"]
    assert [item["path"] for item in answer["paths"]] == list(described)
    for item in answer["paths"]:
        assert described[item["path"]]["get"]["description"].startswith(item["summary"])
        assert item["summary"].endswith(".")


def test_browsers_get_the_icon_where_they_look_for_it(ask: Asked) -> None:
    """The one of the page."""
    answer = ask("/favicon.ico")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.content == ask("/assets/icon.svg").content


def test_the_documentation_works_under_a_root_path(counted: tuple[Simulated, Status]) -> None:
    """Its links are relative."""
    with served(*counted, root_path="/dw") as request:
        assert request("/dw/docs").content == request("/docs").content
        assert request("/dw/assets/docs.css").status_code == 200


# -- other origins -----------------------------------------------------------------------

ORIGIN = "https://monitor.example.org"
API = ("/api/v1/", "/api/v1/hours?limit=1", "/api/v1/fractions", "/api/v1/hours?limit=0")
NOT_API = ("/", "/metrics", "/readyz", "/healthz", "/docs", "/openapi.json", "/assets/page.js")


@pytest.mark.parametrize("path", [*API, *NOT_API])
def test_no_other_origin_may_read_anything(ask: Asked, path: str) -> None:
    """Whatever origin asks: there is no header of CORS."""
    for origin in (ORIGIN, "null", ask.url):
        answer = ask(path, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("prefix", ["", "/dw"])
def test_the_origin_of_the_settings_may_read_the_api_alone(
    counted: tuple[Simulated, Status], prefix: str
) -> None:
    """It is named, whoever asks; never all, never with a login, and for no other path or method."""
    with served(*counted, cors_origin=ORIGIN, root_path="/dw") as request:
        for path in API:
            for origin in (ORIGIN, "https://evil.example"):
                for method in ("GET", "HEAD"):
                    answer = request(prefix + path, method, {"Origin": origin})
                    allowed = {n for n in answer.headers if n.startswith("access-control")}
                    assert allowed == {"access-control-allow-origin"}
                    assert answer.headers["access-control-allow-origin"] == ORIGIN
                    assert "Origin" in answer.headers["vary"].split(", ")
        refused = [request(prefix + path, headers={"Origin": ORIGIN}) for path in NOT_API]
        preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        refused += [request(prefix + API[1], method, preflight) for method in ("OPTIONS", "POST")]
        assert {answer.status_code for answer in refused} == {200, 503, 405}
        for answer in refused:
            assert not [name for name in answer.headers if name.startswith("access-control")]
