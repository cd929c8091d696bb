"""Answers that may be kept have a tag, which changes when they do; live ones are never kept."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.cacheable_responses import matches
from support.asking import Asked, served
from support.browsing import Site, copied
from support.simulated_server import Simulated

pytestmark = pytest.mark.usefixtures("_silent_server")
KEPT = (
    "/api/v1/hours?limit=24", "/api/v1/hours?limit=24&format=csv", "/api/v1/weeks?limit=1",
    "/api/v1/weeks?limit=1&format=csv", "/api/v1/profile", "/api/v1/profile?format=csv",
    "/api/v1/countries", "/api/v1/countries?format=csv", "/api/v1/", "/docs", "/openapi.json",
    "/assets/page.js", "/assets/uPlot.esm.js", "/favicon.ico", "/api/v1/hours?to=2020-01-01",
)  # fmt: skip
LIVE = ("/", "/metrics", "/healthz", "/readyz", "/api/v1/fractions", "/api/v1/fractions?format=csv")
REFUSED = ("/nothing", "/api/v1/hours?limit=0", "/api/v1/profile?topic=x", "/assets/x")
tags = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'))


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", KEPT)
def test_what_is_unchanged_is_not_sent_again(ask: Asked, path: str, coding: str) -> None:
    """304 without a body to a client that names the tag, among others or by a star."""
    headers = {"Accept-Encoding": coding}
    first = ask(path, headers=headers)
    assert first.status_code == 200
    tag = first.headers["etag"]
    for given_tags in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = ask(path, headers={**headers, "If-None-Match": given_tags})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control"):
            assert again.headers[name] == first.headers[name]
        head = ask(path, "HEAD", {**headers, "If-None-Match": given_tags})
        assert head.status_code == 304
    for other in ('"x"', "x", "", tag.strip('"')):
        again = ask(path, headers={**headers, "If-None-Match": other})
        assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("path", KEPT)
def test_what_may_be_kept_is_asked_for_each_time(ask: Asked, path: str) -> None:
    """By one client alone, and not for another login."""
    answer = ask(path)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("path", [*LIVE, *REFUSED])
def test_what_is_live_is_never_kept(ask: Asked, path: str) -> None:
    """Nor are refusals; not even a star makes 304 of them."""
    answer = ask(path, headers={"If-None-Match": "*"})
    assert answer.status_code != 304
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


def test_each_coding_has_a_tag_of_its_own(ask: Asked) -> None:
    """A tag is that of the bytes that are sent."""
    path = KEPT[0]
    plain, coded = (ask(path, headers={"Accept-Encoding": c}) for c in ("identity", "gzip"))
    assert coded.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in coded.headers["vary"].split(", ")
    assert "content-encoding" not in plain.headers
    assert plain.content == coded.content
    assert plain.headers["etag"] != coded.headers["etag"]


def test_answers_to_other_questions_have_other_tags(ask: Asked) -> None:
    """A tag is never that of something else."""
    tagged = [ask(path).headers["etag"] for path in KEPT]
    assert len(set(tagged)) == len(tagged)


@pytest.fixture
def database(site: Site, tmp_path: Path) -> Iterator[tuple[Asked, sqlite3.Connection]]:
    """An application over a copy of a database, which can be changed."""
    server: Simulated = copied(site, tmp_path)
    connection = sqlite3.connect(server.state / "donkeywatch.db", isolation_level=None)
    with served(server, site.status) as request:
        yield request, connection
    connection.close()


CHANGES = (
    "update windows set late = late + 1 where {which}",
    "update windows set covered_seconds = covered_seconds / 2 where {which}",
    "update windows set addresses = addresses + 1 where {which}",
    "update windows set sum_qq = sum_qq + 1 where {which}",
    "update windows set queries = queries + 1 where {which}",
    "update window_topics set queries = queries + 1 where {which}",
    "update window_topics set addresses_1 = addresses_1 + 1 where {which}",
    "update window_topics set addresses_3 = addresses_3 + 1 where {which}",
    "update window_topics set sum_qk = sum_qk + 1 where {which}",
    "delete from windows where {which}",
    "insert into breaks (time, kind, digest) select start, 'lexicon', 'ab' from windows"
    " where {which}",
)
FIRST = "kind = '{kind}' and start = (select min(start) from windows where kind = '{kind}')"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["hour", "week"])
def test_a_change_of_a_window_changes_the_tag(
    database: tuple[Asked, sqlite3.Connection], kind: str, change: str
) -> None:
    """Whichever of its figures it is; a client that has the old answer gets the new one."""
    request, connection = database
    path = f"/api/v1/{kind}s?limit=3"
    before = request(path)
    connection.execute(change.format(which=FIRST.format(kind=kind)))
    after = request(path, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]


def test_a_query_that_moves_to_another_hour_changes_the_tag(
    database: tuple[Asked, sqlite3.Connection],
) -> None:
    """Though the sums over both are what they were."""
    request, connection = database
    path = "/api/v1/hours?limit=3"
    before = request(path)
    for by, place in ((1, "asc"), (-1, "desc")):
        connection.execute(
            "update windows set queries = queries + ? where kind = 'hour' and start = (select start"
            " from (select start from windows where kind = 'hour' order by start limit 3)"
            f" order by start {place} limit 1)",
            (by,),
        )
    after = request(path, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200


def test_a_page_with_an_open_window_is_live(database: tuple[Asked, sqlite3.Connection]) -> None:
    """It has no tag until all of it is closed; pages before it have one."""
    request, connection = database
    connection.execute(
        "update windows set closed = 0 where kind = 'hour' and start ="
        " (select start from windows where kind = 'hour' order by start limit 1 offset 5)"
    )
    for form in ("json", "csv"):
        page = f"/api/v1/hours?format={form}&limit="
        live = request(f"{page}6", headers={"If-None-Match": "*"})
        assert (live.status_code, live.headers["cache-control"]) == (200, "no-store")
        assert "etag" not in live.headers
        assert "etag" in request(f"{page}5").headers


def test_with_a_token_304_needs_it_too(counted: tuple[Simulated, Status]) -> None:
    """A stranger learns nothing of a tag."""
    with served(*counted, token="s3cret-word") as request:
        right = {"Authorization": "Bearer s3cret-word"}
        tag = request(KEPT[0], headers=right).headers["etag"]
        assert request(KEPT[0], headers={"If-None-Match": tag}).status_code == 401
        assert request(KEPT[0], headers={"If-None-Match": tag, **right}).status_code == 304


def test_a_long_answer_is_compressed_whole(ask: Asked) -> None:
    """As one gzip stream, whose text is that of the plain answer."""
    path = "/api/v1/hours?limit=30000"
    plain = ask(path, headers={"Accept-Encoding": "identity"}).content
    assert ask(path, headers={"Accept-Encoding": "gzip"}).content == plain
    assert len(gzip.compress(plain)) < len(plain) / 3


@given(st.lists(tags, max_size=5), tags, st.booleans())
def test_a_tag_is_recognised_in_any_list(names: list[str], tag: str, is_weak: bool) -> None:
    """Where it stands in the list, as strong or as weak, and nowhere else."""
    text = ", ".join(f'{"W/" if is_weak else ""}"{name}"' for name in names)
    assert matches([text], tag) == (tag in names)
    assert matches([text, f'"{tag}"'], tag)
    assert matches([], tag) is False


@given(st.lists(st.text(), max_size=3))
def test_any_header_is_read_without_a_failure(headers: list[str]) -> None:
    """What is no list of tags names none."""
    result = matches(headers, "0123-gzip")
    assert result == (", ".join(headers).strip() == "*" or '"0123-gzip"' in ", ".join(headers))
