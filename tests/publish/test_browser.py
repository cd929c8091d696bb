"""The page in a real browser without a screen."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from donkeywatch.counting.calendar import HOUR, WEEK, to_ms
from donkeywatch.publish.http import change_events
from donkeywatch.publish.http.page import NAMES
from donkeywatch.runtime.clocks import wall_ms
from support.browsing import ROOT, WEB, WIDTHS, Site, copied, served, view
from support.instruments import component
from support.simulated_server import START, TOPICS

EACH = pytest.mark.parametrize("width", WIDTHS)
THEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


def expected_rows(site: Site) -> list[list[str]]:
    """What the tables should show, from the figures that /api/v1/fractions gives."""

    def percent(interval: dict[str, float]) -> str:
        value, lower, upper = (interval[name] for name in ("value", "lower", "upper"))
        return f"{value:.3%} {lower:.3%}\N{EN DASH}{upper:.3%}"

    return [
        [
            NAMES[window["window"]], percent(topic["query_fraction"]),
            percent(topic["address_fraction"]["1"]),
            f"{topic['queries']:,} of {window['queries']:,}",
            f"{topic['addresses']['1']:,} of {window['addresses']:,}",
            f"{window['coverage']:.0%}",
        ]
        for name in TOPICS
        for window in site.json("/api/v1/fractions")["windows"]
        for topic in window["topics"]
        if topic["topic"] == name
    ]  # fmt: skip


def test_the_browser_shows_the_figures_of_the_api(site: Site, browser: Browser) -> None:
    """Every cell is the figure of /api/v1/fractions, and nothing else but this host was asked.

    The console stays empty: no error, and no violation of the policy.
    """
    with view(browser) as observed:
        observed.open(site.url)
        assert observed.rows() == expected_rows(site)
        assert observed.answers == []
        assert {url[: len(site.url)] for url in observed.requests} == {site.url}


def test_without_a_script_the_figures_are_there(site: Site, browser: Browser) -> None:
    """The tables, the countries and the health are in the page as it comes; no empty chart is."""
    (log,) = site.status.sources
    fresh = replace(site.status, sources=(replace(log, last_event=wall_ms()),))
    with served(site.server, fresh) as now, view(browser, java_script_enabled=False) as observed:
        observed.page.goto(now.url)
        for name in TOPICS:
            table = observed.page.locator(f"section[data-topic={name}] table").first
            assert table.is_visible()
            assert "last 24 hours" in table.inner_text()
        assert observed.page.locator("#by-country tbody tr").count() > 2
        assert "Following" in observed.page.locator("#health").inner_text()
        assert not observed.page.locator("figure").first.is_visible()
        assert not observed.page.locator("#theme").is_visible()


def test_an_axis_is_labelled_with_as_many_digits_as_its_steps_need(
    site: Site, browser: Browser
) -> None:
    """Steps of 2.5 % are not rounded to whole ones."""
    labels = "values => import('/assets/figures.js').then(m => m.axisPercent(values))"
    with view(browser) as observed:
        observed.open(site.url)
        for step, message in (
            (0.025, "2.5%"),
            (0.01, "1%"),
            (0.0005, "0.05%"),
            (0.00025, "0.025%"),
        ):
            assert observed.page.evaluate(labels, [0, step, 2 * step])[1] == message
        assert observed.page.evaluate(labels, [0, 0.025, 0.05]) == ["0.0%", "2.5%", "5.0%"]


@EACH
@THEMES
def test_axe_finds_nothing(
    site: Site, browser: Browser, installed: Path, width: int, scheme: Any, tmp_path: Path
) -> None:
    """No violation of any rule of axe-core, with the tables of the charts open, too.

    The page is not wider than its window either: only a table may scroll, inside its own box.
    """
    axe = (installed / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    with view(
        browser, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    ) as observed:
        observed.open(site.url)
        assert observed.page.evaluate("document.documentElement.scrollWidth") == width
        shots = Path(os.environ.get("DONKEYWATCH_SHOTS", tmp_path))
        observed.page.screenshot(path=shots / f"{width}-{scheme}.png", full_page=True)
        for chart in ("weeks", "ratio"):
            observed.page.locator(f"figure[data-chart={chart}] summary").first.click()
        observed.page.evaluate(axe)
        result = observed.page.evaluate("axe.run({resultTypes: ['violations']})")
    assert len(result["passes"]) > 20
    violations = [
        (rule["id"], [n["target"] for n in rule["nodes"]]) for rule in result["violations"]
    ]
    assert violations == []


def test_by_keyboard_a_chart_is_read_and_a_table_opened(site: Site, browser: Browser) -> None:
    """Arrows, Home and End go through the windows of a chart, and tell each one's figures."""
    weeks = [w for w in site.json("/api/v1/weeks")["windows"] if w["coverage"] > 0.95]
    with view(browser) as observed:
        observed.open(site.url)
        chart = observed.page.get_by_role("slider", name="All weeks").first
        chart.focus()
        for key, week in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
            observed.page.keyboard.press(key)
            topic = weeks[week]["topics"][0]
            of_queries, of_addresses = topic["query_fraction"], topic["address_fraction"]["1"]
            text = chart.get_attribute("aria-valuetext") or ""
            assert text.startswith(weeks[week]["week"])
            assert f"of queries {of_queries['value']:.3%}" in text
            assert f"of addresses {of_addresses['value']:.3%}" in text
        observed.page.keyboard.press("Tab")
        observed.page.keyboard.press("Enter")
        table = observed.page.locator("figure[data-chart=weeks] table").first
        assert table.locator("tbody th").all_inner_texts()[-len(weeks) :] == [
            week["week"] for week in reversed(weeks)
        ]


def test_gaps_and_breaks_are_seen_and_told(site: Site, browser: Browser, tmp_path: Path) -> None:
    """A week that is missing is told as not followed, and a new lexicon is in the table.

    No line leads across either: the columns that are drawn have no figure there.
    """
    start = to_ms(START)
    other = copied(
        site, tmp_path,
        f"delete from windows where kind = 'week' and start = {start + WEEK}",
        "insert into breaks (time, kind, digest)"
        f" values ({start + 3 * WEEK + HOUR}, 'lexicon', 'ab')",
    )  # fmt: skip
    script = """
    async () => {
        const { toLines, WEEK } = await import("/assets/lines.js");
        const page = await (await fetch("/api/v1/weeks")).json();
        return toLines(page, "pedophile", WEEK).columns.map(column => [...column]);
    }"""
    with served(other, site.status) as changed, view(browser) as observed:
        observed.open(changed.url)
        figure = observed.page.locator("figure[data-chart=weeks]").first
        figure.locator("summary").click()
        rows = figure.locator("tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows[-2:]] == ["week of Mon 28 Sept", "2026-W39"]
        assert rows[-2].endswith("\N{EN DASH}\t\N{EN DASH}\t0%")
        assert any("break: new lexicon" in row for row in rows)
        times, places, fractions, *_ = observed.page.evaluate(script)
    assert times == sorted(times)
    drawn = [place for place, value in zip(places, fractions, strict=True) if value is not None]
    assert drawn == [0, 2, 3]
    lines = json.dumps([value and 1 for value in fractions])
    # Week by week: followed; missing; followed; followed, in which the lexicon
    # changed.
    assert lines == "[1, null, 1, null, 1, null]"


def test_the_theme_is_the_systems_until_one_is_chosen(site: Site, browser: Browser) -> None:
    """The button goes from the system's theme to light and dark, and a reload keeps the choice."""
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
    with view(browser, color_scheme="dark") as observed:
        observed.open(site.url)
        assert observed.page.evaluate(paper) == dark
        observed.page.get_by_role("button", name="Theme: as the system").click()
        assert observed.page.evaluate(paper) == light
        observed.page.reload()
        assert observed.page.evaluate(paper) == light
        observed.page.get_by_role("button", name="Theme: light").click()
        assert observed.page.evaluate(paper) == dark
        assert observed.answers == []


def test_what_is_silent_or_not_ready_is_told(site: Site, browser: Browser) -> None:
    """A log without a new line, and a daemon that is behind, are said in words and by a sign."""
    (log,) = site.status.sources
    silent = replace(log, last_event=wall_ms() - 3 * HOUR)
    missing = replace(log, following=False, error="not found")
    for source, state, text in (
        (silent, "stale", "Silent for 3 h"),
        (missing, "late", "Not ready: source simulated: not found"),
    ):
        with (
            served(site.server, replace(site.status, sources=(source,))) as other,
            view(browser) as observed,
        ):
            observed.open(other.url)
            health = observed.page.locator("#health")
            assert health.inner_text().startswith(text)
            assert health.get_attribute("data-state") == state


def test_an_empty_database_is_told_in_words(site: Site, browser: Browser, tmp_path: Path) -> None:
    """Before the first query every chart says when it will appear; nothing is an error."""
    tables = ("windows", "window_topics", "window_categories", "window_countries",
              "window_country_topics", "counters")  # fmt: skip
    empty = copied(site, tmp_path, *(f"delete from {table}" for table in tables))
    (log,) = site.status.sources
    status = replace(site.status, sources=(replace(log, last_event=None),))
    with served(empty, status) as other, view(browser) as observed:
        observed.open(other.url)
        assert "No query has come yet" in observed.page.locator("#health").inner_text()
        waiting = observed.page.locator(".plot.waiting").all_inner_texts()
        assert len(waiting) == observed.page.locator("figure").count()
        assert all("once" in text for text in waiting)
        assert observed.answers == []


def test_hours_of_the_day_are_in_utc_until_a_week_has_closed(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    """The note of the chart says which of the two it is."""
    young = copied(site, tmp_path, "update windows set closed = 0 where kind = 'week'")
    with view(browser) as observed, served(young, site.status) as other:
        for url, message in ((site.url, "in each country's time"), (other.url, "UTC, as no week")):
            observed.open(url)
            notes = observed.page.locator("figure[data-chart=ratio] .note").all_inner_texts()
            assert notes
            assert all(message in note for note in notes)


def test_a_browser_is_asked_for_the_token(site: Site, browser: Browser) -> None:
    """With a token the browser shows its own question; the token as password opens everything."""
    given = {"username": "", "password": "s3cret-word"}
    with served(site.server, site.status, "s3cret-word") as guarded:
        with view(browser, http_credentials=given) as observed:
            observed.open(guarded.url)
            assert observed.rows() == expected_rows(site)
            assert observed.answers == []
        with view(browser, http_credentials={"username": "", "password": "wrong"}) as observed:
            answer = observed.page.goto(guarded.url)
            assert answer is not None
            assert answer.status == 401


def test_a_stream_whose_time_is_over_is_followed_by_another(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page asks for a new one at once, and says nothing of it."""
    monkeypatch.setattr(change_events, "MAX_STREAM_SECONDS", 0.5)
    requested: list[str] = []
    with served(site.server, site.status) as other, view(browser) as observed:
        observed.page.on("request", lambda request: requested.append(request.url))
        observed.open(other.url)
        observed.page.evaluate(
            "states = []; new MutationObserver(() => states.push(health.dataset.state))"
            ".observe(health, { attributes: true })"
        )
        while requested.count(f"{other.url}/api/v1/events") < 4:
            observed.page.wait_for_event("request", timeout=20_000)
        assert "lost" not in observed.page.evaluate("states")
        assert observed.answers == []


# -- what comes from npm -----------------------------------------------------------------


@pytest.fixture(scope="session")
def installed() -> Path:
    """The directory of what npm has installed, exactly as the lock file says."""
    npm = component("npm")
    with (WEB / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run in several processes.
        made = WEB / "node_modules" / ".package-lock.json"
        if not made.exists() or made.stat().st_mtime < (WEB / "package-lock.json").stat().st_mtime:
            command = [npm, "ci", "--ignore-scripts"]
            subprocess.run(command, cwd=WEB, check=True, capture_output=True)
    return WEB


def test_the_chart_library_is_what_npm_has(installed: Path, tmp_path: Path) -> None:
    """Vendoring again gives the same bytes, licence included; the lock names no registry."""
    node = component("node")
    subprocess.run([node, "vendor.mjs", tmp_path], cwd=installed, check=True)
    package = ROOT / "src" / "donkeywatch" / "publish" / "http" / "web"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["uPlot.LICENSE", "uPlot.esm.js", "uPlot.min.css"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (package / name).read_bytes(), name
    assert "://" not in (WEB / "package-lock.json").read_text("utf-8")
