"""The web application over a counted simulation, asked through a real server."""

from __future__ import annotations

import base64
import csv
import hmac
import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from donkeywatch.counting.calendar import week_start
from donkeywatch.errors import ConfigError
from donkeywatch.publish.engine_status import SourceStatus, Status
from donkeywatch.publish.http import authorisation
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.base_middleware import HEADERS
from donkeywatch.publish.http.parameters import parse_time
from donkeywatch.publish.http.server import Server
from donkeywatch.settings import loader
from donkeywatch.simulation.generator import Simulation
from support.asking import Asked, error, served
from support.simulated_server import NOW, START, TOPICS, Simulated, engine, simulated, without_zeros

pytestmark = pytest.mark.usefixtures("_silent_server")
PATHS = (
    "/", "/metrics", "/healthz", "/readyz", "/openapi.json", "/api/v1/fractions", "/api/v1/hours",
    "/api/v1/weeks", "/api/v1/profile", "/api/v1/countries", "/api/v1/splices",
    "/assets/page.js", "/api/v1/",
    "/docs", "/favicon.ico",
)  # fmt: skip
HIDDEN = {"/openapi.json", "/assets/page.js", "/docs", "/favicon.ico"}
LIVE = {"/", "/metrics", "/healthz", "/readyz", "/api/v1/fractions"}
"""Answers that are another one at the next moment."""
TABLES = ("fractions", "hours", "weeks", "profile", "countries")
FORMS = ("2026-11-23T10:00:00Z", "2026-11-23", "2026-W48")
BAD_TOKENS = ("", "Bearer", "Bearer wrong", "Bearer s3cretX", "Basic s3cret-word", "s3cret-word")


def pages(ask: Asked, path: str) -> Iterator[dict[str, Any]]:
    """The pages of a range, by their `next`."""
    following, glue = "", "&" if "?" in path else "?"
    for _ in range(1000):
        page = ask.json(path + (f"{glue}from={following}" if following else ""))
        yield page
        if page["next"] is None:
            return
        following = page["next"]
    raise AssertionError("endless pages")


def shown(window: dict[str, Any]) -> dict[str, Any]:
    """A window of an answer in the form of the truth, as far as answers go."""
    return {
        "queries": window["queries"],
        "addresses": window["addresses"],
        "topics": {
            topic["topic"]: {
                "queries": topic["queries"],
                **{f"addresses_{least}": n for least, n in topic["addresses"].items()},
                "categories": topic["categories"],
            }
            for topic in window["topics"]
        },
    }


def answer_of(window: dict[str, Any]) -> dict[str, Any]:
    """A window of the truth without what answers do not have."""
    window = without_zeros(window)
    del window["countries"], window["sum_qq"]
    for topic in window["topics"].values():
        for name in ("sum_qk", "sum_kk", "exclusive_queries", "top_1", "top_10"):
            del topic[name]
    return window


# -- figures -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hours", "weeks"])
def test_every_closed_window_equals_the_truth(ask: Asked, kind: str) -> None:
    """Each hour and week of the simulation is answered with the simulator's own counts."""
    truth = ask.server.truth.as_json()[kind]
    name = "start" if kind == "hours" else "week"
    windows = [w for page in pages(ask, f"/api/v1/{kind}?limit=100") for w in page["windows"]]
    assert all(window["closed"] for window in windows)
    assert {w[name]: shown(w) for w in windows if w["queries"]} == {
        start: answer_of(window) for start, window in truth.items()
    }


def test_fractions_are_those_of_their_counts(ask: Asked) -> None:
    """Every fraction is flagged over all, and lies inside its interval."""
    windows = ask.json("/api/v1/hours?limit=400")["windows"]
    for window in [*windows, *ask.json("/api/v1/fractions")["windows"]]:
        for topic in window["topics"]:
            of_queries = topic["query_fraction"]
            assert of_queries["value"] == topic["queries"] / window["queries"]
            assert of_queries["design_effect"] >= 1
            intervals = [of_queries]
            for least, n in topic["addresses"].items():
                intervals.append(topic["address_fraction"][least])
                assert intervals[-1]["value"] == n / window["addresses"]
            for interval in intervals:
                assert 0 <= interval["lower"] <= interval["value"] <= interval["upper"] <= 1


def test_current_fractions_are_rolling_windows_then_hour_then_week(ask: Asked) -> None:
    """/api/v1/fractions has the five windows in order, equal to the truth between their bounds."""
    answer = ask.json("/api/v1/fractions")
    assert re.fullmatch("[0-9a-f]{16}", answer["lexicon"])
    assert [w["window"] for w in answer["windows"]] == ["1h", "24h", "7d", "hour", "week"]
    for window in answer["windows"]:
        bounds = parse_time(window["start"], 0), parse_time(window["end"], 0)
        truth = answer_of(ask.server.truth.window(*bounds))
        if window["window"] in ("1h", "24h", "7d"):
            for topic in truth["topics"].values():
                topic["categories"] = {}
        assert shown(window) == truth
        assert 0 < window["coverage"] <= 1
        assert [topic["topic"] for topic in window["topics"]] == list(TOPICS)


# -- ranges and pages --------------------------------------------------------------------


def test_pages_follow_each_other_without_gap_or_overlap(ask: Asked) -> None:
    """Following `next` gives the same hours as one great page, each once."""
    whole = ask.json("/api/v1/hours?limit=10000")
    assert whole["next"] is None
    parts = list(pages(ask, "/api/v1/hours?limit=7"))
    assert [w for page in parts for w in page["windows"]] == whole["windows"]
    assert {len(page["windows"]) for page in parts[:-1]} == {7}
    starts = [w["start"] for w in whole["windows"]]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-09-28T00:00:00Z", "2026-10-05T00:00:00Z"),
        ("2026-09-28", "2026-10-05"),
        ("2026-W40", "2026-W41"),
        ("2026-09-28T02:00:00%2B02:00", "2026-10-04T19:00:00-05:00"),
        ("2026-09-28T02:00:00+02:00", "2026-10-05T00:00:00"),
        ("2026-09-27T23:00:00.001Z", "2026-10-04T23:00:00.001Z"),
    ],
)
def test_the_three_forms_of_a_time_mean_the_same(ask: Asked, first: str, last: str) -> None:
    """From is included and to is not, in each form; a bare plus sign of a zone is understood."""
    windows = ask.json(f"/api/v1/hours?from={first}&to={last}")["windows"]
    assert len(windows) == 168
    assert windows[0]["start"] == "2026-09-28T00:00:00Z"
    assert windows[-1]["end"] == "2026-10-05T00:00:00Z"
    (week,) = ask.json(f"/api/v1/weeks?from={first}&to={last}")["windows"]
    assert week["week"] == "2026-W40"


def test_an_empty_range_is_an_empty_page(ask: Asked) -> None:
    """A range before or after all data, or of no length, has no window and no next page."""
    for query in ("to=2020-01-01", "from=2030-W01", "from=2026-W41&to=2026-W41"):
        assert ask.json(f"/api/v1/hours?{query}") == {"windows": [], "breaks": [], "next": None}


@pytest.mark.parametrize("kind", ["hours", "weeks"])
def test_csv_has_the_figures_of_json(ask: Asked, kind: str) -> None:
    """The table has one row per window and topic, with the same numbers to the last digit."""
    answer = ask(f"/api/v1/{kind}?limit=50&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    windows = ask.json(f"/api/v1/{kind}?limit=50")["windows"]
    pairs = [(window, topic) for window in windows for topic in window["topics"]]
    assert len(rows) == len(pairs) > 0
    for row, (window, topic) in zip(rows, pairs, strict=True):
        for name in ("window", "start", "end"):
            assert row[name] == window[name]
        assert (row["topic"], row["closed"]) == (topic["topic"], "1")
        assert float(row["coverage"]) == window["coverage"]
        assert int(row["queries"]) == window["queries"]
        assert int(row["addresses"]) == window["addresses"]
        assert int(row["flagged_queries"]) == topic["queries"]
        for least, n in topic["addresses"].items():
            assert int(row[f"flagged_addresses_{least}"]) == n
        for name, interval in (
            ("query_fraction", topic["query_fraction"]),
            ("address_fraction", topic["address_fraction"]["1"]),
        ):
            assert float(row[name]) == interval["value"]
            assert float(row[f"{name}_lower"]) == interval["lower"]
            assert float(row[f"{name}_upper"]) == interval["upper"]


def test_the_link_of_a_csv_page_leads_to_the_rest(ask: Asked) -> None:
    """Following rel="next" of CSV pages gives the rows of one great page.

    The link is a relative reference (RFC 8288), so it replaces the whole query.
    """
    path = "/api/v1/hours?format=csv&limit=30&to=2026-09-24"
    expected = ask("/api/v1/hours?format=csv&limit=10000&to=2026-09-24").text.splitlines()
    result = expected[:1]
    for _ in range(10):
        answer = ask(path)
        assert answer.headers["content-type"].startswith("text/csv")
        result += answer.text.splitlines()[1:]
        if "link" not in answer.headers:
            break
        link = re.fullmatch('<(.+)>; rel="next"', answer.headers["link"])
        assert link
        path = str(httpx.URL(f"{ask.url}/api/v1/hours").join(link[1]).raw_path, "ascii")
    assert result == expected


# -- profile -----------------------------------------------------------------------------


def test_the_profile_sums_to_the_truth(ask: Asked) -> None:
    """Mean times days over the 24 hours is the number of queries, where no hour is left out."""
    hours = ask.server.truth.as_json()["hours"]
    (first, *_), end = sorted(hours), sorted(hours)[24 * 5]
    inside = [hour for start, hour in hours.items() if first <= start < end]
    for topic in TOPICS:
        document = ask.json(f"/api/v1/profile?topic={topic}&from={first}&to={end}")
        assert (document["topic"], document["countries"], document["clock"]) == (topic, [], "utc")
        assert [hour["hour"] for hour in document["hours"]] == list(range(24))
        assert round(sum(h["queries"] * h["days"] for h in document["hours"])) == sum(
            hour["queries"] for hour in inside
        )
        assert round(sum(h["flagged"] * h["days"] for h in document["hours"])) == sum(
            hour["topics"][topic]["queries"] for hour in inside
        )


def test_the_profile_of_closed_weeks_is_in_the_time_of_each_country(ask: Asked) -> None:
    """Only the ends of the range are left out, where some have an hour and others have not."""
    hours = ask.server.truth.as_json()["hours"].values()
    document = ask.json("/api/v1/profile")
    assert document["clock"] == "local"
    days = [hour["days"] for hour in document["hours"]]
    assert len(hours) / 24 - 3 <= min(days) <= max(days) <= len(hours) / 24 + 1
    queries = sum(hour["queries"] * hour["days"] for hour in document["hours"])
    share = sum(days) / len(hours)
    assert queries == pytest.approx(share * sum(hour["queries"] for hour in hours), rel=0.05)


def test_the_profile_of_a_single_hour_is_that_of_the_calendar(ask: Asked) -> None:
    """No country has its own time there: what is shown is the hour itself, in UTC."""
    hour = ask.json("/api/v1/hours?limit=1")["windows"][0]
    document = ask.json(f"/api/v1/profile?from={hour['start']}&to={hour['end']}")
    assert document["clock"] == "utc"
    shown = [(h["hour"], h["queries"]) for h in document["hours"] if h["days"]]
    assert shown == [(int(hour["start"][11:13]), hour["queries"])]


def test_the_profile_of_countries_counts_only_theirs(ask: Asked) -> None:
    """With countries given, it has their queries in the weeks in which each had 100 addresses.

    Both have the same time, so that of the hours of a week each is there, whatever is left out.
    """
    document = ask.json("/api/v1/profile?country=FR&country=ES&country=FR")
    assert document["countries"] == ["ES", "FR"]
    weeks = [week["countries"] for week in ask.server.truth.as_json()["weeks"].values()]
    large = [week for week in weeks if min(week[c]["addresses"] for c in ("FR", "ES")) >= 100]
    assert 0 < len(large) < len(weeks)
    queries = sum(week[country]["queries"] for week in large for country in ("FR", "ES"))
    assert round(sum(h["queries"] * h["days"] for h in document["hours"] if h["days"])) == queries


def test_the_profile_of_a_country_tells_no_single_hour(ask: Asked) -> None:
    """A range that holds no whole week says nothing of a country."""
    for start, end in (("22T10:00:00Z", "22T11:00:00Z"), ("21T01:00:00Z", "29T00:00:00Z")):
        span = f"from=2026-09-{start}&to=2026-09-{end}"
        document = ask.json(f"/api/v1/profile?country=FR&{span}")
        assert {hour["days"] for hour in document["hours"]} == {0}


@pytest.mark.parametrize("country", ["fr", "FRA", "F1", ""])
def test_a_country_that_is_no_code_is_refused(ask: Asked, country: str) -> None:
    """Only two capital letters are a country."""
    assert ask(f"/api/v1/profile?country={country}").status_code == 422


# -- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/hours", "/api/v1/weeks", "/api/v1/profile"])
@pytest.mark.parametrize(
    "given",
    ["", "yesterday", "2026-13-01", "2026-W60", "2026-w48x", "0000-W01", "1790000000", "%00",
     "99999999999-W01", "2026-W48-3"],
)  # fmt: skip
def test_a_time_in_no_form_names_the_forms(ask: Asked, path: str, given: str) -> None:
    """422 tells the three forms, and does not repeat what was given."""
    for name in ("from", "to"):
        answer = ask(f"{path}?{name}={given}")
        assert answer.status_code == 422
        assert all(form in error(answer)["remedy"] for form in FORMS)


@pytest.mark.parametrize("query", ["limit=0", "limit=30001", "limit=x", "format=xml"])
def test_a_bad_parameter_is_named(ask: Asked, query: str) -> None:
    """422 names the parameter, and what it may be."""
    answer = ask(f"/api/v1/hours?{query}")
    assert answer.status_code == 422
    name, _, given = query.partition("=")
    message = error(answer)["message"]
    assert message.startswith(f"parameter {name}: input should be ")
    assert given not in message.split()


def test_every_bad_parameter_is_named(ask: Asked) -> None:
    """Two of them in one answer."""
    message = error(ask("/api/v1/hours?limit=0&format=xml"))["message"]
    assert "parameter limit: " in message
    assert "parameter format: " in message


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1", *(f"/api/v1/{name}" for name in TABLES)])
def test_a_parameter_that_a_path_does_not_have_is_refused(ask: Asked, path: str) -> None:
    """422 names those that it has, and does not repeat what was given."""
    known = {
        parameter["name"]
        for parameter in ask.json("/openapi.json")["paths"]
        .get(path, {"get": {}})["get"]
        .get("parameters", [])
    }
    for query in ("form=2026-W40", "Limit=1", "%00=", "=", "nothing"):
        answer = ask(f"{path}?{query}")
        assert answer.status_code == 422
        assert "no parameter of that name" in error(answer)["message"]
        named = re.findall(r"[a-z]+", error(answer)["remedy"].partition(";")[0])
        assert set(named) - {"it", "has", "none"} == known


def test_the_stream_of_events_has_no_parameter(ask: Asked) -> None:
    """It is refused before it takes a place."""
    assert ask("/api/v1/events?last=1").status_code == 422


@pytest.mark.parametrize("path", ["/?theme=dark", "/metrics?name=x", "/healthz?1", "/readyz?x=1"])
def test_other_paths_ignore_what_is_added(ask: Asked, path: str) -> None:
    """A probe or a scraper may add something of its own."""
    assert ask(path).status_code in (200, 503)


@pytest.mark.parametrize("path", ["/api/v1/hours", "/api/v1/weeks", "/api/v1/profile"])
def test_a_range_that_is_turned_round_is_refused(ask: Asked, path: str) -> None:
    """Not an empty page, which would be taken for a server without queries."""
    answer = ask(f"{path}?from=2026-W41&to=2026-W40")
    assert answer.status_code == 422
    assert error(answer)["message"] == "`from` is after `to`"


def test_every_refusal_has_one_form(ask: Asked, counted: tuple[Simulated, Status]) -> None:
    """Its status, what is wrong and what to do, whoever in the application refuses it."""
    answers = [
        ask("/nothing"), ask("/assets/nothing"), ask("/api/v1/profile?topic=x"), ask("/", "POST"),
        ask("/api/v1/countries?week=2020-W01"), ask("/api/v1/hours?limit=x"),
        ask("/api/v1/hours?x=1"), ask("/api/v1/hours?from=x"), ask("/metrics/x"),
        ask("/", headers={"Host": "evil.example"}), ask("/", headers={"X-Long": "x" * 17_000}),
        httpx.request("GET", ask.url, content=b"x" * 17_000, trust_env=False),
        httpx.request("GET", ask.url, content=iter([b"x"]), trust_env=False),
    ]  # fmt: skip
    with served(*counted, token="s3cret-word") as request:
        answers.append(request("/"))
    assert {a.status_code for a in answers} == {401, 404, 405, 411, 413, 421, 422, 431}
    for answer in answers:
        assert all(error(answer)[name] for name in ("message", "remedy"))


def test_what_is_not_there_is_404(ask: Asked) -> None:
    """An unknown topic is told the known ones; debugging pages do not exist."""
    answer = ask("/api/v1/profile?topic=nothing")
    assert answer.status_code == 404
    assert error(answer)["remedy"] == "take one of those there are: pedophile, pornographic"
    for path in ("/docs/oauth2-redirect", "/redoc", "/api/v2", "/api/v1/x", "/metrics/x"):
        assert ask(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
def test_only_get_and_head_are_answered(ask: Asked, path: str, method: str) -> None:
    """405 names GET and HEAD."""
    answer = ask(path, method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", [*PATHS, "/nothing", "/api/v1/hours?from=x"])
def test_head_has_the_headers_of_get_and_no_body(ask: Asked, path: str, coding: str) -> None:
    """Status, type, length and all other headers are the same, compressed or not."""
    headers = {"Accept-Encoding": coding}
    get, head = ask(path, headers=headers), ask(path, "HEAD", headers)
    assert head.status_code == get.status_code
    assert head.content == b""
    for answer in (get, head):
        del answer.headers["date"]
    assert head.headers == get.headers


def test_head_of_the_events_ends(ask: Asked) -> None:
    """An answer without an end is ended behind its headers."""
    answer = ask("/api/v1/events", "HEAD")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("accepted", "coded"),
    [
        ("gzip", True), ("gzip;q=0.5, deflate", True), ("GZIP ; Q=1", True), ("*", True),
        ("br, *;q=0.1", True), ("x-gzip", True), ("identity;q=0.5, gzip", True),
        ("gzip;q=0", False), ("gzip;q=0.000, *", False), ("*;q=0", False), ("", False),
        ("identity, gzip;q=0.5", False), ("notgzip", False), ("gzip;q=x", False), ("br", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_where_it_is_accepted(ask: Asked, accepted: str, coded: bool) -> None:
    """By the weights of RFC 9110; what cannot be read is no wish."""
    answer = ask("/metrics", headers={"Accept-Encoding": accepted})
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == ("gzip" if coded else None)
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", 'a"b.evil.example', "a`b.evil.example", "a{b.evil.example", "a|b",
        "127.0.0.1:", "127.0.0.1:999999", "127.0.0.1:x", "127.0.0.1 evil.example",
    ],
)  # fmt: skip
def test_a_name_that_is_not_this_machines_is_refused(ask: Asked, host: str) -> None:
    """Also where no URL could be made of it; the name itself is not repeated."""
    answer = ask("/api/v1/fractions", headers={"Host": host})
    assert answer.status_code == 421
    remedy = "ask as 127.0.0.1, or add the name to `names` under [http]"
    assert error(answer)["remedy"] == remedy
    assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["evil.example", "a|b", "127.0.0.1:x", ""])
def test_probes_may_use_any_name(ask: Asked, path: str, host: str) -> None:
    """Health and readiness are told whatever the prober calls this machine."""
    assert ask(path, headers={"Host": host}).status_code in (200, 503)


@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost:1", "[::1]:9461", "localhost.:80"])
def test_this_machines_own_names_are_answered(ask: Asked, host: str) -> None:
    """With any port: it may be forwarded."""
    assert ask("/api/v1/fractions", headers={"Host": host}).status_code == 200


def test_a_name_in_the_settings_is_answered(counted: tuple[Simulated, Status]) -> None:
    """As it is written, with any port; no other name with it."""
    with served(*counted, names=("monitor.example.org",)) as request:
        for host in ("monitor.example.org", "MONITOR.example.org:443", "127.0.0.1"):
            assert request("/metrics", headers={"Host": host}).status_code == 200
        for host in ("example.org", "x.monitor.example.org", "monitor.example.org.x"):
            assert request("/metrics", headers={"Host": host}).status_code == 421


def test_all_is_found_under_the_root_path_and_without_it(
    counted: tuple[Simulated, Status],
) -> None:
    """Whether the proxy takes the path off or not; links lead back under it."""
    with served(*counted, root_path="/far/donkeywatch") as request:
        for path in PATHS:
            with_it, without = request(f"/far/donkeywatch{path}"), request(path)
            assert with_it.status_code == without.status_code in (200, 503)
            if path != "/metrics":
                assert with_it.content == without.content
        assert request("/far/healthz").status_code == 404
        assert request("/far/donkeywatch/far/donkeywatch/healthz").status_code == 404
        bare = request("/far/donkeywatch")
        assert (bare.status_code, bare.headers["location"]) == (308, "donkeywatch/")
        for prefix in ("", "/far/donkeywatch"):
            link = request(f"{prefix}/api/v1/hours?format=csv&limit=1").headers["link"]
            assert link.startswith("</far/donkeywatch/api/v1/hours?")
        assert request.json("/openapi.json")["servers"] == [{"url": "/far/donkeywatch"}]


def test_the_token_is_needed_under_the_root_path(counted: tuple[Simulated, Status]) -> None:
    """Health alone is open there, too; a path that only looks like it is not."""
    with served(*counted, token="s3cret-word", root_path="/dw") as request:
        assert request("/dw/healthz").status_code == request("/healthz").status_code == 200
        for path in ("/dw", "/dw/", "/dw/metrics", "/metrics", "/dw/dw/healthz", "/x/healthz"):
            assert request(path).status_code == 401
        assert request("/dw/healthz/..").status_code == 401


def test_a_request_made_for_a_proxy_is_answered(ask: Asked) -> None:
    """The whole URL stands in the request line (RFC 9112)."""
    host, _, port = ask.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        request = f"GET {ask.url}/healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(12) == b"HTTP/1.1 200"


def test_security_headers_are_on_every_answer(ask: Asked) -> None:
    """Good answers and errors alike forbid foreign scripts, framing, sniffing and caches."""
    answers = [ask(path) for path in (*PATHS, "/nothing", "/api/v1/hours?from=x")]
    answers += [ask("/", "POST"), ask("/", "HEAD")]
    assert {answer.status_code for answer in answers} == {200, 404, 405, 422, 503}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


def test_every_answer_has_the_date_of_now(ask: Asked) -> None:
    """To the second (RFC 9110, 6.6.1), though no clock of the server's wakes it."""
    for path in ("/healthz", "/nothing"):
        before = int(time.time())
        [date] = ask(path).headers.get_list("date")
        assert before <= parsedate_to_datetime(date).timestamp() <= time.time()


OWASP = {
    "x-frame-options": "deny",
    "x-content-type-options": "nosniff",
    "x-permitted-cross-domain-policies": "none",
    "x-dns-prefetch-control": "off",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""The proposal of the OWASP Secure Headers Project, for a server that answers by HTTP; the policy
of contents is tested above, and features of the browser are switched off one by one."""
TELLING = ("server", "x-powered-by", "x-aspnet-version", "via", "x-generator", "host-header")
"""What that project wants to be removed."""


def test_the_headers_are_those_of_the_owasp_list(ask: Asked) -> None:
    """On a figure, an error and a probe; nothing tells what serves them."""
    for path in ("/api/v1/fractions", "/nothing", "/healthz"):
        headers = ask(path).headers
        assert {name: headers.get(name) for name in OWASP} == OWASP, path
        assert "camera=()" in headers["permissions-policy"]
        assert not [name for name in TELLING if name in headers]
        assert "strict-transport-security" not in headers  # It would mean nothing by HTTP.


def test_an_answer_that_fails_has_the_headers_too(
    tmp_path: Path, counted: tuple[Simulated, Status]
) -> None:
    """Without a database 500 tells nothing about the inside, and is not cached either."""
    server, status = counted
    elsewhere = Simulated(tmp_path, server.truth)
    elsewhere.settings.write_text(server.settings.read_text("utf-8"), "utf-8")
    with served(elsewhere, status) as request:
        answer = request("/api/v1/fractions")
    assert answer.status_code >= 500
    assert str(tmp_path) not in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


# -- token -------------------------------------------------------------------------------


def test_with_a_token_nothing_is_told_without_it(
    counted: tuple[Simulated, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 without or with a wrong token, and the figures with the right one, on every path."""
    monkeypatch.setattr(authorisation, "MAX_FAILURES", 10_000)
    with served(*counted, token="s3cret-word") as request:
        for path in set(PATHS) - {"/healthz"}:
            refused = [request(path)]
            refused += [request(path, headers={"Authorization": given}) for given in BAD_TOKENS]
            for answer in refused:
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                remedy = "send the header Authorization: Bearer <token>"
                assert error(answer)["remedy"] == remedy
                assert answer.headers["cache-control"] == "no-store"
            right = request(path, headers={"Authorization": "Bearer s3cret-word"})
            assert right.status_code == (503 if path == "/readyz" else 200)


def test_an_unknown_path_cannot_be_probed_without_the_token(
    counted: tuple[Simulated, Status],
) -> None:
    """Strangers get 401 for what exists and for what does not; health alone is open."""
    with served(*counted, token="s3cret-word") as request:
        assert request("/nothing").status_code == 401
        assert request("/healthz/").status_code == 401
        assert request("/healthz").json() == {"healthy": True}


def test_a_browser_is_asked_for_the_token_and_may_give_it_as_password(
    counted: tuple[Simulated, Status],
) -> None:
    """Basic authentication with any name and the token; only what asks for HTML is offered it."""
    with served(*counted, token="s3cret-word") as request:
        offered = request("/", headers={"Accept": "text/html"}).headers["www-authenticate"]
        assert offered.startswith("Basic realm=")
        for name in ("", "anyone"):
            given = base64.b64encode(f"{name}:s3cret-word".encode()).decode()
            assert request("/", headers={"Authorization": f"Basic {given}"}).status_code == 200
        for wrong in (":", ":s3cret2", "s3cret-word:", "s3cret-word"):
            given = base64.b64encode(wrong.encode()).decode()
            assert request("/", headers={"Authorization": f"Basic {given}"}).status_code == 401


def test_tokens_are_compared_in_constant_time(
    counted: tuple[Simulated, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    """hmac.compare_digest decides, over the whole token."""
    observed: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, right: bytes) -> bool:
        observed.append((given, right))
        return hmac.compare_digest(given, right)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(authorisation, "hmac", Watched)
    with served(*counted, token="s3cret-word") as request:
        request("/metrics", headers={"Authorization": "Bearer guess"})
        request("/metrics")
    assert observed == [(b"guess", b"s3cret-word")]


def test_a_token_may_have_letters_beyond_ascii(counted: tuple[Simulated, Status]) -> None:
    """A token of any letters, sent as UTF-8, is accepted."""
    with served(*counted, token="géheimes") as request:
        answer = httpx.get(
            f"{request.url}/api/v1/fractions", trust_env=False,
            headers={b"Authorization": "Bearer géheimes".encode()},
        )  # fmt: skip
        assert answer.status_code == 200


def settings_text(host: str, more: str = "") -> str:
    """Settings that listen on a host."""
    return (
        'lexicon = "lexicon.toml"\n[[source]]\npath = "search.log"\nformat = "tsv"\n'
        f'[http]\nhost = "{host}"\n{more}'
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1", "server.example"])
def test_an_open_address_needs_a_token(tmp_path: Path, host: str) -> None:
    """Beyond loopback a start without a token is refused, with the remedy."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text(host), "utf-8")
    with pytest.raises(ConfigError, match="is not loopback and there is no token: set DONKEYWATCH"):
        loader.load(path, {})
    assert loader.load(path, {"DONKEYWATCH_TOKEN": "s3cret-word"}).http.token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_token(tmp_path: Path, host: str) -> None:
    """On this machine alone the figures may be open."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text(host), "utf-8")
    assert loader.load(path, {}).http.token is None


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_an_empty_variable_is_no_token(tmp_path: Path, token: str) -> None:
    """An empty DONKEYWATCH_TOKEN does not open a server to everyone."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0"), "utf-8")
    with pytest.raises(ConfigError):
        loader.load(path, {"DONKEYWATCH_TOKEN": token})


def test_an_empty_token_in_the_settings_is_no_token(tmp_path: Path) -> None:
    """Neither does `token = ""`."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0", 'token = ""\n'), "utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="empty"):
        loader.load(path, {})


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    """A letter is guessed at once."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0"), "utf-8")
    with pytest.raises(ConfigError, match="shorter than 8 characters"):
        loader.load(path, {"DONKEYWATCH_TOKEN": "a"})


def test_a_token_in_settings_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    """With what to do; without a token they may be read by all."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0", 'token = "s3cret-word"\n'), "utf-8")
    path.chmod(0o644)
    notice = loader.exposed_token(path)
    assert notice is not None
    assert "with a token: everybody can read it" in notice
    assert "token_file" in notice
    assert "s3cret-word" not in notice
    command = [sys.executable, "-m", "donkeywatch", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert notice in done.stdout
    path.chmod(0o640)
    assert loader.exposed_token(path) is None
    path.write_text(settings_text("127.0.0.1"), "utf-8")
    path.chmod(0o644)
    assert loader.exposed_token(path) is None


@pytest.mark.parametrize(
    "token",
    [
        "two words", "a\\tb", "a\\nb", "a\\u0000b", "\\u007f", "x\\u00a0y", "s" * 4097,
        "secr\\u00e9t-word",
    ],
)  # fmt: skip
def test_a_token_that_no_header_holds_is_refused(tmp_path: Path, token: str) -> None:
    """At the load, with the reason, and without the token."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0", f'token = "{token}"\n'), "utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="no HTTP header can hold it") as caught:
        loader.load(path, {})
    assert token not in str(caught.value)


def test_a_token_of_the_environment_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 would fail with each request."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0"), "utf-8")
    with pytest.raises(ConfigError, match="no HTTP header can hold it"):
        loader.load(path, {"DONKEYWATCH_TOKEN": "s3cret-word\udcff"})


@pytest.mark.parametrize("token", [" s3cret-word", "s3cret-word\n", "\t s3cret-word \r\n"])
def test_white_space_around_a_token_is_none_of_it(tmp_path: Path, token: str) -> None:
    """As editors and `echo` leave it."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("0.0.0.0"), "utf-8")
    result = loader.load(path, {"DONKEYWATCH_TOKEN": token}).http.token
    assert result is not None
    assert result.get_secret_value() == "s3cret-word"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('names = ["https://monitor.example.org"]', "without scheme"),
        ('names = ["monitor.example.org:443"]', "without scheme"),
        ('names = ["*"]', "without scheme"),
        ('names = [""]', "without scheme"),
        ('proxies = ["localhost"]', "addresses or networks"),
        ('proxies = ["192.0.2.1/24"]', "addresses or networks"),
        ('root_path = "donkeywatch"', "such as /donkeywatch"),
        ('root_path = "/a b"', "such as /donkeywatch"),
        ('root_path = "/a/../b"', "such as /donkeywatch"),
        ('root_path = "/api/dw"', "is a path of donkeywatch itself"),
    ],
)
def test_what_no_proxy_can_use_is_refused(tmp_path: Path, line: str, message: str) -> None:
    """At the load, with what to give instead."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(settings_text("127.0.0.1", line + "\n"), "utf-8")
    with pytest.raises(ConfigError, match=message):
        loader.load(path, {})


def test_settings_for_a_proxy_are_taken_as_people_write_them(tmp_path: Path) -> None:
    """Capitals, a slash at the end, a single address."""
    path = tmp_path / "donkeywatch.toml"
    more = 'names = ["Monitor.Example.org", "::1"]\nproxies = ["127.0.0.1", "2001:db8::/32"]\n'
    path.write_text(settings_text("127.0.0.1", more + 'root_path = "/dw/"\n'), "utf-8")
    http = loader.load(path, {}).http
    assert http.names == ("monitor.example.org", "::1")
    assert http.proxies == ("127.0.0.1/32", "2001:db8::/32")
    assert http.root_path == "/dw"


# -- health, readiness, schema -----------------------------------------------------------


def test_readiness_comes_with_the_log(tmp_path: Path) -> None:
    """503 with the reason until the log is followed and counted, then 200; health is always 200."""
    sim = Simulation(seed=32, start=START, hours=2, queries=200, addresses=100)
    server = simulated(tmp_path, sim, files=1)
    settings = loader.load(server.settings, {})
    settings = settings.model_copy(update={"http": settings.http.model_copy(update={"port": 0})})
    with engine(server.settings) as opened:
        status = [Status()]
        running = Server(create_app(lambda: settings, lambda: status[0]), settings.http)
        running.start()
        try:
            ask = Asked(server, settings, running.url)
            assert ask("/readyz").status_code == 503
            assert ask("/readyz").json()["reasons"] == ["the first scan is not done"]
            opened.tick(NOW)
            status[0] = opened.status()
            assert ask("/readyz").status_code == 503
            (reason,) = ask("/readyz").json()["reasons"]
            assert reason.startswith("source simulated: ")
            assert ask("/healthz").json() == {"healthy": True}
            server.archive[0].rename(server.log)
            for i in range(3):
                opened.tick(NOW + (i + 1) * 2_000)
            status[0] = opened.status()
            assert ask("/readyz").status_code == 200
            health = ask.json("/readyz")
            assert (health["ready"], health["reasons"]) == (True, [])
        finally:
            running.stop()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status(last_commit_ok=False), "the last commit failed"),
        (Status(engine_problems=("the disk is full",)), "the disk is full"),
        (
            Status(sources=(SourceStatus("main", True, False, 1 << 21, 0, None, None),)),
            "source main: 2097152 bytes behind",
        ),
        (
            Status(sources=(SourceStatus("main", False, False, 0, 0, None, "no such file"),)),
            "source main: no such file",
        ),
    ],
)
def test_every_reason_for_not_being_ready_is_told(
    counted: tuple[Simulated, Status], status: Status, reason: str
) -> None:
    """A failed commit, a problem, a lag and a missing log each make 503 with their reason."""
    with served(counted[0], status) as request:
        answer = request("/readyz")
        assert answer.status_code == 503
        assert reason in answer.json()["reasons"]


def test_a_lag_within_bounds_is_ready(counted: tuple[Simulated, Status]) -> None:
    """Up to follow.ready_lag behind is ready."""
    source = SourceStatus("main", True, False, 1 << 20, 0, None, None)
    with served(counted[0], Status(sources=(source,))) as request:
        assert request("/readyz").status_code == 200


def test_the_openapi_schema_is_whole(ask: Asked) -> None:
    """All references resolve, all answers are described, and no parameter is without words."""
    schema = ask.json("/openapi.json")
    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) == set(PATHS) - HIDDEN | {"/api/v1/events"}
    components = schema["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', ask("/openapi.json").text):
        assert name in components
    ids = set()
    for path, item in schema["paths"].items():
        assert list(item) == ["get"]
        operation = item["get"]
        ids.add(operation["operationId"])
        assert operation["description"].endswith(".")
        assert operation["responses"]["200"]["description"]
        for parameter in operation.get("parameters", []):
            assert parameter["in"] == "query"
            assert parameter["description"], (path, parameter["name"])
    assert len(ids) == len(schema["paths"])
    assert components["Health"]
    assert {f"/api/v1/{name}" for name in TABLES} == {
        path
        for path, item in schema["paths"].items()
        if "text/csv" in item["get"]["responses"]["200"]["content"]
    }


def test_every_answer_in_the_schema_has_examples(ask: Asked) -> None:
    """Each model has an example for every number and text in it."""
    components = ask.json("/openapi.json")["components"]["schemas"]
    ours = {name: m for name, m in components.items() if "Validation" not in name}
    assert set(ours) == {
        "BoxPlotResponse", "BreakResponse", "CountriesResponse", "CountryResponse",
        "CountryTopic", "ErrorResponse", "FractionsResponse", "Health", "IndexPath",
        "IndexResponse", "Interval", "ProfileHour", "ProfileResponse", "RequestError",
        "SourceHealth", "SpliceResponse", "SplicesResponse", "TopicResponse",
        "WindowPage", "WindowResponse",
    }  # fmt: skip
    for name, model in ours.items():
        for key, field in model["properties"].items():
            if "$ref" not in str(field) and field.get("type") != "boolean":
                assert field.get("examples"), (name, key)


# -- times -------------------------------------------------------------------------------


def test_moment_reads_the_three_forms() -> None:
    """A stamp, a date and an ISO week are times in ms UTC; nothing given is the default."""
    monday = week_start("2026-W48")
    for text in ("2026-11-23T00:00:00Z", "2026-11-23", "2026-W48", "2026-11-23T01:00:00 01:00"):
        assert parse_time(text, 7) == monday
    assert parse_time(None, 7) == 7
