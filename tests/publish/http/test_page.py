"""The page as it comes, before any script: health, figures, countries; and its files."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from donkeywatch import __version__
from donkeywatch.counting.calendar import HOUR, SECOND
from donkeywatch.estimation.correction import Accuracy, Rate
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.engine_status import FleetWindowStatus, Status
from donkeywatch.publish.http import page
from donkeywatch.publish.http.assets import assets
from donkeywatch.publish.http.page import MAX_COUNTRIES, SILENT_AFTER, render, section_heading
from donkeywatch.publish.named_countries import week_by_country
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader
from support.browsing import Site, copied
from support.simulated_server import TOPICS, Simulated

ROOT = Path(__file__).parents[3]


def html_of(site: Site, status: Status | None = None) -> str:
    """The page as it is rendered."""
    with Snapshots(site.server.state, TOPICS).open() as snapshot:
        settings = loader.load(site.server.settings, {})
        return render(snapshot, status or site.status, settings, wall_ms())


def text_of(html: str) -> str:
    """The same without tags, white space as one space."""
    return " ".join(re.sub("<[^>]+>", " ", html).split())


def test_the_page_names_its_own_files_and_nothing_else(site: Site) -> None:
    """It loads its assets, and links to paths of its own that answer.

    Nothing is written inline, no form is there.
    """
    html = html_of(site)
    loaded = re.findall(r'<(?:script|link)\b[^>]*(?:src|href)="([^"#]+)"', html)
    assert {name.removeprefix("assets/") for name in loaded} <= set(assets())
    assert len(loaded) == 4
    links = set(re.findall(r'<a href="([^"#]+)"', html))
    assert {"api/v1/fractions", "api/v1/weeks?format=csv", "metrics"} <= links
    for link in links - {"docs"}:
        answer = httpx.get(f"{site.url}/{link}", trust_env=False)
        assert answer.status_code == 200, link
    assert not re.search(r"<(style|iframe|object|form|base)\b|<script>|\bstyle=|\bon\w+=", html)
    assert not re.search(r"url\(|@import|https?:", html)


def test_no_file_of_the_page_names_another_host() -> None:
    """Scripts and styles import each other by relative names, and fetch from where they are."""
    for name, (_, data) in assets().items():
        if name.startswith("uPlot"):
            continue
        match = set(re.findall(rb"https?://[^\s\"']+", data)) - {b"http://www.w3.org/2000/svg"}
        assert not match, name
        for imported in re.findall(rb'from "([^"]+)"', data):
            assert imported.decode().removeprefix("./") in assets(), name


def test_the_files_are_served_with_their_types(site: Site) -> None:
    """A script is a script, compressed on request; templates and licences are not served."""
    for name, (kind, data) in assets().items():
        answer = httpx.get(f"{site.url}/assets/{name}", trust_env=False)
        assert answer.headers["content-type"] == kind
        assert answer.content == data
        assert answer.headers.get("content-encoding") == ("gzip" if len(data) >= 1024 else None)
    for name in ("page.html", "uPlot.LICENSE", "nothing.js", "..%2fapp.py"):
        assert httpx.get(f"{site.url}/assets/{name}", trust_env=False).status_code == 404


def test_the_wheel_has_the_files(tmp_path: Path) -> None:
    """What pip installs holds every file of the page, templates and licence included."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    if subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True).returncode:
        command.pop()
    subprocess.run([*command, "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    web = ROOT / "src" / "donkeywatch" / "publish" / "http" / "web"
    with zipfile.ZipFile(wheel) as opened:
        for path in web.iterdir():
            assert opened.read(f"donkeywatch/publish/http/web/{path.name}") == path.read_bytes()


def test_what_is_not_ready_is_told_as_text(site: Site) -> None:
    """The reasons are on the page, escaped."""
    html = html_of(site, replace(site.status, engine_problems=("<b>the disk & more",)))
    assert "Not ready: &lt;b&gt;the disk &amp; more" in html
    (log,) = site.status.sources
    fresh = replace(log, last_event=wall_ms())  # However long the suite has taken up to here.
    html = html_of(site, replace(site.status, sources=(fresh,)))
    assert "Following and caught up, newest query" in html


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(15, "Following"), (16, "for 16 min"), (150, "for 2 h"), (3000, "2 days")],
)
def test_silence_is_told_with_its_length(site: Site, minutes: int, words: str) -> None:
    """Up to a quarter of an hour nothing is said; then how long, in the unit that fits."""
    assert SILENT_AFTER == 15 * 60_000
    (log,) = site.status.sources
    silent = replace(log, last_event=wall_ms() - minutes * 60_000 + (5_000 if minutes == 15 else 0))
    assert words in text_of(html_of(site, replace(site.status, sources=(silent,))))


def test_an_empty_database_makes_a_page_too(site: Site, tmp_path: Path) -> None:
    """Before the first query the page says so, has no row, and shows no country."""
    empty = copied(site, tmp_path, "delete from windows", "delete from counters")
    (log,) = site.status.sources
    status = replace(site.status, sources=(replace(log, last_event=None),))
    html = html_of(Site("", empty, status))
    text = text_of(html)
    assert text.count("The first figures come 2 min to 3 min after the first queries") == len(
        TOPICS
    )
    assert "windows end 2 min ago" in text
    assert "Following. No query has come yet." in text
    assert "The first week by country appears when it has closed." in text
    assert "<td" not in html


def test_the_page_says_which_server_it_is_about(site: Site, tmp_path: Path) -> None:
    """By its title, escaped, with the version; a demonstration says that it is one."""
    text = site.server.settings.read_text("utf-8")
    html = html_of(site)
    assert "<title>Simulated server</title>" in html
    assert "all figures are invented" in text_of(html)
    assert f"donkeywatch {__version__}" in text_of(html)
    operator_site = copied(site, tmp_path)
    text = text.replace('title = "Simulated server"\ndemonstration = true', 'title = "<b>"')
    operator_site.settings.write_text(text, "utf-8")
    real = html_of(Site(site.url, operator_site, site.status))
    assert "<title>&lt;b&gt;</title>" in real
    assert "invented" not in text_of(real)


def test_a_corrected_fraction_stands_beside_the_observed_one_and_is_called_so(site: Site) -> None:
    """Only where a record of an evaluation says how often the detector errs."""
    assert "corrected 0" not in text_of(html_of(site))
    accuracies = {"pedophile": Accuracy(Rate(0.8, 500), Rate(0.0005, 2_000))}
    with Snapshots(site.server.state, TOPICS, accuracies).open() as snapshot:
        (day,) = (view for view in snapshot.current() if view.kind == "24h")
        html = render(snapshot, site.status, loader.load(site.server.settings, {}), wall_ms())
    corrected = day.topics[0].corrected
    assert corrected is not None
    assert f"corrected {corrected.value:.3%} {corrected.lower:.3%}" in text_of(html)


def test_a_day_that_was_followed_in_part_is_told_as_such(site: Site, tmp_path: Path) -> None:
    """The large figure is about that part."""
    part = "update windows set covered_seconds = 5400 where kind = '24h'"
    html = html_of(Site(site.url, copied(site, tmp_path, part), site.status))
    assert "In the 90 min that were followed of the 24 hours up to" in text_of(html)


def test_each_window_says_which_time_it_is_about(site: Site) -> None:
    """The last closed hour and week have a date; the others an end."""
    windows = {w["window"]: w for w in site.json("/api/v1/fractions")["windows"]}
    text = text_of(html_of(site))
    hour, day = windows["hour"]["start"], windows["24h"]["end"]
    assert f"last closed hour {hour[:16].replace('T', ' ')}" in text
    assert f"last 24 hours to {day[:16].replace('T', ' ')}" in text
    assert f"last closed week {windows['week']['week']}" in text


def test_the_sentence_has_the_figures_of_the_last_day(site: Site) -> None:
    """It gives the counts of the last 24 hours, their end in UTC, and one in how many that is."""
    (day,) = [w for w in site.json("/api/v1/fractions")["windows"] if w["window"] == "24h"]
    topic = day["topics"][0]
    end = datetime.fromisoformat(day["end"]).astimezone(UTC)
    text = text_of(html_of(site))
    assert f"In the 24 hours up to {end:%Y-%m-%d %H:%M} UTC" in text
    assert f"{topic['queries']:,} of {day['queries']:,} queries were flagged as" in text
    assert f"about one in {round(day['queries'] / topic['queries']):,}" in text
    assert f"from {topic['addresses']['1']:,} of {day['addresses']:,} addresses" in text


def test_the_countries_are_those_of_the_api(site: Site) -> None:
    """Every row of the table is a country of /api/v1/countries with its figures, in its order."""
    document = site.json("/api/v1/countries")
    shown = [c for c in document["countries"] if c["country"]][:MAX_COUNTRIES]
    assert shown
    html = html_of(site)
    table = html[html.index("by-country") :]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table[: table.index("</table>")])
    assert len(rows) == len(shown)
    for row, country in zip(rows, shown, strict=True):
        assert (
            f'>{country["queries"]:,}</td><td data-column="addresses">{country["addresses"]:,}<'
            in row
        )
        for topic in country["topics"]:
            assert f">{topic['query_fraction']:.3%}</td>" in row
            assert f">{topic['address_fraction']['value']:.3%}<small>" in row


def test_countries_are_those_of_the_truth(site: Site) -> None:
    """Each large country has the simulator's own counts of the week; small ones are together."""
    document = site.json("/api/v1/countries")
    truth = site.server.truth.as_json()["weeks"][document["week"]]["countries"]
    large = [country for country in document["countries"] if country["country"]]
    (rest,) = [country for country in document["countries"] if not country["country"]] or [None]
    for country in large:
        message = truth.pop(country["country"])
        assert country["addresses"] >= 100
        assert (country["queries"], country["addresses"]) == (
            message["queries"],
            message["addresses"],
        )
        for topic in country["topics"]:
            counts = message["topics"].get(topic["topic"], {"queries": 0, "addresses": 0})
            assert (topic["queries"], topic["addresses"]) == (
                counts["queries"],
                counts["addresses"],
            )
    if rest:
        assert rest["countries"] == len(truth)
        for name in ("queries", "addresses"):
            assert rest[name] == sum(message[name] for message in truth.values())
    else:
        assert not truth


def test_a_week_without_countries_is_not_there(site: Site, tmp_path: Path) -> None:
    """A week that never was is 404 by its name; before the first one has closed there is none."""
    answer = httpx.get(f"{site.url}/api/v1/countries?week=2020-W01", trust_env=False)
    assert answer.status_code == 404
    assert httpx.get(f"{site.url}/api/v1/countries?week=now", trust_env=False).status_code == 422
    first = site.json("/api/v1/weeks?limit=1")["windows"][0]["week"]
    assert site.json(f"/api/v1/countries?week={first}")["week"] == first
    empty = copied(site, tmp_path, "delete from windows where kind = 'week'")
    with Snapshots(empty.state, TOPICS).open() as snapshot:
        assert week_by_country(snapshot).week is None


def test_a_union_says_how_many_servers_are_in_it(counted: tuple[Simulated, Status]) -> None:
    """It comes hour by hour, so that it is not said to be silent after minutes."""
    server, status = counted
    newest = max(source.last_event or 0 for source in status.sources)
    server_status = replace(status.sources[0], following=True, caught_up=True)
    sources = (server_status, server_status)
    union = replace(status, sources=sources, fleet_windows=(FleetWindowStatus("hour", 1, 0, 0),))
    with Snapshots(server.state, TOPICS).open() as snapshot:
        for late, state in ((HOUR, "ready"), (3 * HOUR, "stale")):
            result, line = page._state(snapshot, union, 1 << 20, newest + late)
            assert result == state
            assert line.startswith("1 of 2 servers united up to ")


@pytest.mark.parametrize(
    ("topic", "heading"),
    [
        ("pornographic", "For comparison: pornographic"),
        ("pedophile.extended", "Pedophile, with words behind disguises (extended)"),
        ("pedophile.shadow", "Pedophile, by the word list that is tried (shadow)"),
    ],
)
def test_a_section_says_which_series_it_is_of(topic: str, heading: str) -> None:
    """A second series of a topic is no topic to compare with."""
    assert section_heading(1, topic) == heading
    assert section_heading(0, topic) == "Now"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "none"), (1 / 300, "about one in 300"), (0.34, "about one in 3"),
        (0.4, "about 4 in 10"), (0.709, "about 7 in 10"), (0.95, "nearly all"),
    ],
)  # fmt: skip
def test_a_fraction_in_words_is_near_it(value: float, words: str) -> None:
    """One in so many where that is many; tenths where it is few."""
    assert page._one_in(Estimate(value, value, value)) == words


def test_the_first_seconds_are_not_said_to_be_no_time() -> None:
    """Queries in none would be absurd."""
    assert page._span(48 * SECOND) == "less than a minute"
    assert page._span(60 * SECOND) == "1 min"
