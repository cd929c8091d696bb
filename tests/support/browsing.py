"""A real browser without a screen, and an application for it to look at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from donkeywatch.publish.engine_status import SourceStatus, Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import Server
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader
from donkeywatch.simulation.generator import Simulation
from support.instruments import component
from support.simulated_server import NOW, START, Simulated, engine, simulated

ROOT = Path(__file__).parents[2]
WEB = ROOT / "tools" / "web"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server",
)  # fmt: skip
WIDTHS = (360, 1920)


@dataclass
class Site:
    """A running application, and its database."""

    url: str
    server: Simulated
    status: Status
    running: Server | None = None

    def json(self, path: str) -> Any:
        """The body of an answer."""
        return httpx.get(self.url + path, trust_env=False, timeout=20).raise_for_status().json()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, with a fresh profile that goes with it."""
    program = component("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def site_over(directory: Path) -> Iterator[Site]:
    """The application over four weeks of simulated history, which ended just now by its clock."""
    sim = Simulation(seed=51, start=START, hours=4 * 168, queries=34_000, addresses=6_000)
    server = simulated(directory, sim)
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
        log = SourceStatus("simulated", True, True, 0, 0, wall_ms(), None)
        status = replace(opened.status(), sources=(log,))
    with served(server, status) as site:
        yield site


@contextmanager
def served(server: Simulated, status: Status, token: str | None = None) -> Iterator[Site]:
    """The application over a database that is there already."""
    settings = loader.load(server.settings, {})
    secret = None if token is None else SecretStr(token)
    http = settings.http.model_copy(update={"port": 0, "token": secret})
    settings = settings.model_copy(update={"http": http})
    running = Server(create_app(lambda: settings, lambda: status), http)
    running.start()
    try:
        yield Site(running.url, server, status, running)
    finally:
        running.stop()


def copied(site: Site, directory: Path, *statements: str) -> Simulated:
    """The same server with a copy of its database, which some statements have changed."""
    made = Simulated(directory, site.server.truth)
    made.settings.write_text(site.server.settings.read_text("utf-8"), "utf-8")
    made.state.mkdir()
    archive = directory / "archive"
    archive.symlink_to(site.server.directory / "archive")
    source = sqlite3.connect(site.server.state / "donkeywatch.db")
    target = sqlite3.connect(made.state / "donkeywatch.db")
    source.backup(target)
    source.close()
    with target:
        for statement in statements:
            target.execute(statement)
    target.close()
    return made


class View:
    """A tab that remembers what went wrong and what was asked of whom."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answers: list[str] = []
        self.requests: set[str] = set()
        page.on("console", lambda message: self.answers.append(message.text))
        page.on("pageerror", lambda error: self.answers.append(str(error)))
        page.on("request", lambda request: self.requests.add(request.url))

    def open(self, url: str) -> None:
        """Show a page, and wait for its charts."""
        self.page.goto(f"{url}/", wait_until="load")
        expect(self.page.locator(".plot", has_text="Loading")).to_have_count(0, timeout=20_000)

    def rows(self) -> list[list[str]]:
        """The cells of the tables of figures, white space as one space."""
        result: list[list[str]] = self.page.eval_on_selector_all(
            "section[data-topic] tbody[data-live] tr",
            "rows => rows.map(r => [...r.cells].map((c, i) =>"
            " (i ? c.innerText : c.firstChild.textContent).replace(/\\s+/g, ' ')))",
        )  # fmt: skip
        return result


@contextmanager
def view(browser: Browser, **context: Any) -> Iterator[View]:
    """A tab in a context of its own, as an incognito window is."""
    context.setdefault("viewport", {"width": 1280, "height": 900})
    opened = browser.new_context(**context)
    try:
        yield View(opened.new_page())
    finally:
        opened.close()
