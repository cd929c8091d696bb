"""Anyone may ask the public server, and gets what is released and nothing else."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from donkeywatch.counting.calendar import WEEK, week_name
from donkeywatch.errors import AddressUnavailable
from donkeywatch.publish.http.base_middleware import HEADERS
from donkeywatch.publish.http.released_answers import COLUMNS
from donkeywatch.publish.http.released_app import create_public_app, make_public_server
from donkeywatch.publish.http.released_reader import open_released
from donkeywatch.publish.http.server import Server
from donkeywatch.settings.schema import Http, Release, Settings, Source
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.schema import TABLES
from donkeywatch.store.store import Store
from support.released_weeks import START, decide_weeks

PATHS = (
    "/", "/page.css", "/chart.svg", "/api/v1/weeks", "/api/v1/hours", "/api/v1/countries",
    "/api/v1/weeks?format=csv", f"/api/v1/hours?week={week_name(START)}",
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three decided weeks; of the last nothing may be told."""
    return decide_weeks(tmp_path)


@contextmanager
def asking(state: Path, title: str) -> Iterator[httpx.Client]:
    """A client of a server on a socket of its own."""
    server = Server(create_public_app(state / DATABASE, title), Http(port=0))
    server.start()
    try:
        headers = {"Host": "figures.example"}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
            yield client
    finally:
        server.stop()


@pytest.fixture
def client(state: Path) -> Iterator[httpx.Client]:
    """Somebody who asks, under a name that this server was never told."""
    with asking(state, "A <server>") as client:
        yield client


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_no_other_table_can_be_read(state: Path, table: str) -> None:
    """SQLite refuses the statement, whatever this program asks."""
    with open_released(state / DATABASE) as db:
        if table == "released":
            assert db.execute("select * from released").fetchall()
            return
        for statement in (
            f"select * from {table}",
            f"select r.start from released r join {table}",
            f"select (select 1 from {table}) from released",
        ):
            with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
                db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from hours",
        "select * from sqlite_master",
        "insert into released values ('week', 1, '', '', '{}', 1)",
        "pragma table_info(windows)",
        "attach ':memory:' as other",
        "create temp table other (x)",
        "with w as (select * from windows) select * from w",
    ],
)
def test_nothing_else_can_be_done_with_the_database(state: Path, statement: str) -> None:
    """No view, no schema, no change."""
    with open_released(state / DATABASE) as db, pytest.raises(sqlite3.DatabaseError):
        db.execute(statement)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_may_be_cached_and_is_guarded(client: httpx.Client, path: str) -> None:
    """An hour, by anyone; a second request with its tag gets no body. No cookie, no script."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_allowed(client: httpx.Client, method: str) -> None:
    """GET and HEAD; a refusal is not cached."""
    answer = client.request(method, "/api/v1/weeks")
    assert answer.status_code == 405
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/readyz", "/healthz", "/api/v1/fractions", "/openapi.json", "/api/v1/weeks/"],
)
def test_nothing_of_the_operators_is_there(client: httpx.Client, path: str) -> None:
    """No live figure, no metric, no state of the daemon."""
    assert client.get(path, follow_redirects=False).status_code == 404


def test_the_weeks_have_rounded_figures_by_topic(client: httpx.Client) -> None:
    """A week of which nothing may be told is there, and says so."""
    weeks = client.get("/api/v1/weeks").json()["weeks"]
    assert [week["week"] for week in weeks] == [week_name(START + n * WEEK) for n in range(3)]
    assert [len(week["topics"]) for week in weeks] == [1, 1, 0]
    topic = weeks[0]["topics"][0]
    assert (topic["topic"], topic["flagged_addresses"], topic["flagged_queries"]) == (
        "<one>",
        60,
        180,
    )
    assert topic["address_fraction"][0] == pytest.approx(60 / 700)
    assert "queries" not in weeks[2]


def test_hours_and_countries_are_those_of_the_week_that_is_asked_for(client: httpx.Client) -> None:
    """By default of the newest that was decided, of which there may be none."""
    name = week_name(START)
    assert len(client.get(f"/api/v1/hours?week={name}").json()["hours"]) == 3
    countries = client.get(f"/api/v1/countries?week={name}").json()["countries"]
    assert [country["country"] for country in countries] == ["FR"]
    assert client.get("/api/v1/hours").json()["hours"] == []
    assert client.get("/api/v1/hours?week=2001-W01").status_code == 404
    assert client.get("/api/v1/hours?week=soon").status_code == 422
    assert client.get("/api/v1/weeks?format=xml").status_code == 422


def test_the_csv_has_the_same_figures(client: httpx.Client) -> None:
    """One row per window and topic, and one for a window without."""
    table = list(csv.DictReader(io.StringIO(client.get("/api/v1/weeks?format=csv").text)))
    assert list(table[0]) == list(COLUMNS)
    assert [(row["topic"], row["flagged_addresses"]) for row in table] == [
        ("<one>", "60"), ("<one>", "80"), ("", ""),
    ]  # fmt: skip


def test_page_and_chart_escape_what_the_operator_wrote(client: httpx.Client) -> None:
    """The title and the topics."""
    page, chart = client.get("/").text, client.get("/chart.svg").text
    assert "A &lt;server&gt;" in page
    assert "too few to tell" in page
    assert page.count("&lt;one&gt;") == 2
    assert chart.count("<circle") == 2
    assert "&lt;one&gt;" in chart
    assert "<one>" not in page + chart


def test_an_empty_table_has_a_page(tmp_path: Path) -> None:
    """Before the first week was decided."""
    ensure_state_directory(tmp_path)
    Store(tmp_path, ()).close()
    with asking(tmp_path, "") as client:
        assert "No week is released yet" in client.get("/").text
        assert "No figures yet" in client.get("/chart.svg").text
        assert client.get("/api/v1/hours").json()["hours"] == []


def test_it_listens_at_an_address_of_its_own(state: Path) -> None:
    """On a real socket, with limits of its own; a taken port is named by its table."""
    source = Source(path=Path("search.log"), format="tsv")
    settings = Settings(
        state=state, lexicon=Path("lexicon.toml"), source=(source,), release=Release(port=0)
    )
    server = make_public_server(settings, 0)
    try:
        server.start()
        answer = httpx.get(f"{server.url}/api/v1/weeks", trust_env=False)
        assert len(json.loads(answer.text)["weeks"]) == 3
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(AddressUnavailable, match=r"release: cannot listen"):
            make_public_server(settings, port)
    finally:
        server.stop()


def test_one_port_cannot_serve_both(tmp_path: Path) -> None:
    """The settings refuse it."""
    source = Source(path=Path("search.log"), format="tsv")
    with pytest.raises(ValueError, match="the same"):
        Settings(state=tmp_path, lexicon=Path("l"), source=(source,), release=Release(port=9461))


def test_its_chart_may_be_shown_elsewhere_and_its_page_may_not_be_framed(
    client: httpx.Client,
) -> None:
    """All other headers are those of the operator's server."""
    answer = client.get("/chart.svg")
    expected = HEADERS | {"Cross-Origin-Resource-Policy": "cross-origin"}
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert answer.headers["X-Frame-Options"] == "deny"
