"""The page: as HTML, and in a real browser without a screen."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from donkeywatch import config
from donkeywatch.backfill import backfill
from donkeywatch.counting.windows import WEEK, milliseconds
from donkeywatch.lab.simulate import Simulation
from donkeywatch.publish.app import create_app
from donkeywatch.publish.page import NAMES, render
from donkeywatch.publish.server import Server
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.status import SourceStatus, Status
from support import NOW, START, TOPICS, Simulated, engine, simulated

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--hide-scrollbars",
)  # fmt: skip
DARK = "--blink-settings=preferredColorScheme=0"
WHITE, NIGHT = (255, 255, 255), (0x14, 0x18, 0x1D)
READY = SourceStatus("simulated", True, True, 0, 0, None, None)


@dataclass
class Site:
    """A running application, and every request that reached it."""

    url: str
    server: Simulated
    status: Status
    requests: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page over five counted weeks, ready."""
    sim = Simulation(seed=51, start=START, hours=5 * 168 + 24, queries=40_000, addresses=6_000)
    server = simulated(tmp_path_factory.mktemp("page"), sim)
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
        status = replace(opened.status(), sources=(READY,))
    settings = config.load(server.settings, {})
    settings = settings.model_copy(update={"http": settings.http.model_copy(update={"port": 0})})
    app = create_app(settings, lambda: status)
    requests: list[str] = []

    @app.middleware("http")
    async def remember(request: Request, proceed: RequestResponseEndpoint) -> Response:
        requests.append(request.url.path)
        return await proceed(request)

    running = Server(app, settings.http)
    running.start()
    try:
        yield Site(running.url, server, status, requests)
    finally:
        running.stop()


class Cells(HTMLParser):
    """The text of headings, paragraphs and table cells of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a piece of text."""
        if tag in ("h2", "p", "th", "td", "caption"):
            self.found.append((tag, ""))
        elif tag == "br" and self.found:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        """Add to it."""
        if self.found:
            tag, text = self.found[-1]
            self.found[-1] = tag, text + data

    def rows(self) -> list[list[str]]:
        """The cells of each row with a window's name."""
        rows: list[list[str]] = []
        for tag, text in self.found:
            if tag == "th" and text in NAMES.values():
                rows.append([text])
            elif tag == "td":
                rows[-1].append(" ".join(text.split()))
        return rows


def html_of(site: Site, status: Status | None = None) -> str:
    """The page as it is rendered."""
    with Snapshots(site.server.state, list(TOPICS)).take() as snapshot:
        return render(snapshot, status or site.status, 1 << 20)


def expected_rows(site: Site) -> list[list[str]]:
    """What the tables should show, from the figures that /api/v1/fractions gives."""

    def percent(interval: dict[str, float]) -> str:
        value, lower, upper = (interval[name] for name in ("value", "lower", "upper"))
        return f"{value:.3%} {lower:.3%}\N{EN DASH}{upper:.3%}"

    answer: Any = httpx.get(f"{site.url}/api/v1/fractions", trust_env=False).json()
    return [
        [
            NAMES[window["window"]], percent(topic["query_fraction"]),
            percent(topic["address_fraction"]["1"]),
            f"{topic['queries']:,} of {window['queries']:,}",
            f"{topic['addresses']['1']:,} of {window['addresses']:,}",
            f"{window['coverage']:.0%}",
        ]
        for name in TOPICS
        for window in answer["windows"]
        for topic in window["topics"]
        if topic["topic"] == name
    ]  # fmt: skip


# -- HTML --------------------------------------------------------------------------------


def test_the_page_holds_no_script_and_no_address_of_anything(site: Site) -> None:
    """It needs nothing but itself: no script, no link, no image, no font, no form."""
    html = html_of(site)
    assert not re.search(r"<(script|link|img|iframe|object|form|base|a)\b", html)
    assert not re.search(r"\b(src|href|action)=|url\(|@import|\bon\w+=", html)
    assert re.search(r'<meta http-equiv="refresh" content="\d+">', html)
    assert '<html lang="en">' in html
    assert '<meta name="viewport"' in html


def test_what_is_not_ready_is_told_as_text(site: Site) -> None:
    """The reasons are on the page, escaped."""
    html = html_of(site, replace(site.status, problems=("<b>the disk & more",)))
    assert "not ready: &lt;b&gt;the disk &amp; more" in html
    assert "ready: following and caught up" in html_of(site)


def test_an_empty_database_makes_a_page_too(tmp_path: Path) -> None:
    """Before the first query the page says so, and shows a dash for each fraction."""
    sim = Simulation(seed=52, start=START, hours=1, queries=50, addresses=50)
    server = simulated(tmp_path, sim, files=1)
    server.log.touch()
    with engine(server.settings) as opened:
        for i in range(3):
            opened.tick(NOW + i * 2_000)
        site = Site("", server, opened.status(), [])
    html = html_of(site)
    assert "No query has been counted in the last 24 hours of the log." in html
    rows = Cells(html).rows()
    assert [row[0] for row in rows] == ["last hour", "last 24 hours", "last 7 days"] * 2
    assert all(row[1] == row[2] == "\N{EN DASH}" for row in rows)
    assert "<svg" not in html


def curves(site: Site) -> list[str]:
    """The lines of the charts."""
    return re.findall(r'<path class="[qa]" d="([^"]+)"', html_of(site))


def copied(site: Site, directory: Path) -> Site:
    """The same site on a copy of its database."""
    state = directory / "state"
    state.mkdir()
    source = sqlite3.connect(site.server.state / "donkeywatch.db")
    target = sqlite3.connect(state / "donkeywatch.db")
    source.backup(target)
    source.close()
    target.close()
    return replace(site, server=Simulated(directory, site.server.truth))


def changed(site: Site, statement: str, *values: object) -> None:
    """Change the copy."""
    db = sqlite3.connect(site.server.state / "donkeywatch.db")
    with db:
        db.execute(statement, values)
    db.close()


def test_the_chart_has_a_point_for_every_closed_week(site: Site) -> None:
    """Two lines for each topic, with a point for each closed week that was followed throughout."""
    found = curves(site)
    assert len(found) == 2 * len(TOPICS)
    weeks = httpx.get(f"{site.url}/api/v1/weeks", trust_env=False).json()["windows"]
    for line in found:
        points = [tuple(map(float, p.split(","))) for p in line.removeprefix("M").split("L")]
        assert len(points) == len([week for week in weeks if week["coverage"] >= 0.95])
        assert all(0 <= x <= 720 and 0 <= y <= 220 for x, y in points)


def test_no_line_is_drawn_across_a_missing_week(site: Site, tmp_path: Path) -> None:
    """A week that was not followed is a gap."""
    other = copied(site, tmp_path)
    third = milliseconds(START) + 2 * WEEK
    changed(other, "delete from windows where kind = 'week' and start = ?", third)
    assert len(curves(other)) == 2 * len(curves(site))


def test_no_line_is_drawn_across_a_break(site: Site, tmp_path: Path) -> None:
    """A change of the lexicon parts the lines."""
    other = copied(site, tmp_path)
    changed(
        other, "insert into breaks (time, kind, digest) values (?, 'lexicon', 'ab')",
        milliseconds(START) + 2 * WEEK + 1,
    )  # fmt: skip
    assert len(curves(other)) == 2 * len(curves(site))


# -- in a browser ------------------------------------------------------------------------


def chromium(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Chromium without a screen, with a profile of its own; ended with its whole group."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed, and CI must have it")
        pytest.skip("chromium is not installed")
    profile = directory / "profile"
    command = [program, *FLAGS, f"--user-data-dir={profile}", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env=os.environ | {"HOME": str(directory)},
    ) as process:  # fmt: skip
        try:
            out, errors = process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, errors.decode(errors="replace")
    return subprocess.CompletedProcess(command, 0, out, errors)


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Rows, columns and three colours of a PNG of 8 bits with or without alpha (RFC 2083)."""
    data, at, body = path.read_bytes(), 8, b""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) in ((8, 2), (8, 6))
    size = 3 if colour == 2 else 4
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            body += data[at + 8 : at + 8 + length]
        at += length + 12
    raw = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * size)
    found = np.zeros((height + 1, width, size), np.uint8)
    for y, line in enumerate(raw):
        found[y + 1] = unfiltered(line[0], line[1:].reshape(width, size), found[y])
    return found[1:, :, :3]


def unfiltered(
    kind: int, line: npt.NDArray[np.uint8], up: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """A line of a PNG from its differences to the left, to the line above, or both."""
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + up
    predict = average if kind == 3 else paeth
    channels = [
        predict(line[:, channel].tolist(), up[:, channel].tolist())
        for channel in range(line.shape[1])
    ]
    return np.array(channels, np.uint8).T


def average(differences: list[int], above: list[int]) -> list[int]:
    """One colour of a line of filter 3."""
    left, found = 0, []
    for difference, up in zip(differences, above, strict=True):
        left = (difference + (left + up) // 2) & 255
        found.append(left)
    return found


def paeth(differences: list[int], above: list[int]) -> list[int]:
    """One colour of a line of filter 4."""
    left, corner, found = 0, 0, []
    for difference, up in zip(differences, above, strict=True):
        far_left, far_up = abs(up - corner), abs(left - corner)
        far_corner = abs(left + up - 2 * corner)
        if far_left <= far_up and far_left <= far_corner:
            guess = left
        else:
            guess = up if far_up <= far_corner else corner
        left, corner = (difference + guess) & 255, up
        found.append(left)
    return found


def colours(path: Path) -> dict[tuple[int, ...], int]:
    """How often each colour occurs."""
    flat = pixels(path).reshape(-1, 3).astype(np.int64)
    codes, times = np.unique(flat @ (1 << 16, 1 << 8, 1), return_counts=True)
    return {
        (code >> 16, code >> 8 & 255, code & 255): n
        for code, n in zip(codes.tolist(), times.tolist(), strict=True)
    }


def test_a_browser_shows_the_figures_of_the_api(site: Site, tmp_path: Path) -> None:
    """Every cell of the page as Chromium has it is the figure of /api/v1/fractions."""
    dom = chromium(tmp_path, "--dump-dom", f"{site.url}/").stdout.decode()
    rows = Cells(dom).rows()
    assert rows == expected_rows(site)
    assert len(rows) == len(TOPICS) * len(NAMES)


def test_a_browser_asks_for_the_page_and_nothing_else(site: Site, tmp_path: Path) -> None:
    """No icon, no style, no font, no figure is fetched besides the page itself."""
    site.requests.clear()
    shot = tmp_path / "shot.png"
    chromium(tmp_path, f"--screenshot={shot}", "--window-size=1000,800", f"{site.url}/")
    assert set(site.requests) == {"/"}
    assert shot.stat().st_size > 10_000


def test_the_policy_forbids_what_the_page_does_not_need(site: Site, tmp_path: Path) -> None:
    """Chromium reports no violation of the policy, so the page's own styles are allowed."""
    done = chromium(tmp_path, "--enable-logging=stderr", "--dump-dom", f"{site.url}/")
    assert b"Content Security Policy" not in done.stderr


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_the_page_fits_its_window(site: Site, tmp_path: Path, width: int) -> None:
    """The page is not wider than the window: only a table may scroll, inside its own box.

    Measured by a script that a copy of the page has and the page itself may not have. A frame
    makes the widths that a browser's own window refuses.
    """
    script = "<script>document.title=[innerWidth,document.documentElement.scrollWidth]</script>"
    (tmp_path / "page.html").write_text(html_of(site) + script, "utf-8")
    (tmp_path / "frame.html").write_text(
        "<!doctype html><title>wait</title>"
        f'<iframe id="f" src="page.html" style="border:0;width:{width}px;height:900px"></iframe>'
        "<script>onload=()=>{document.title=f.contentDocument.title}</script>",
        "utf-8",
    )
    dom = chromium(
        tmp_path, "--allow-file-access-from-files", f"--window-size={width + 100},1000",
        "--dump-dom", (tmp_path / "frame.html").as_uri(),
    ).stdout.decode()  # fmt: skip
    found = re.search(r"<title>(\d+),(\d+)</title>", dom)
    assert found, dom[:500]
    assert int(found[1]) == width
    assert int(found[2]) <= width


@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_follow_the_reader(site: Site, tmp_path: Path, width: int, *, dark: bool) -> None:
    """Paper is white by day and nearly black by night, and ink and both curves are there."""
    shot = Path(os.environ.get("DONKEYWATCH_SHOTS", tmp_path)) / f"page-{width}-{dark:d}.png"
    mode = [DARK] if dark else []
    chromium(tmp_path, *mode, f"--screenshot={shot}", f"--window-size={width},640", f"{site.url}/")
    found = colours(shot)
    paper = max(found, key=lambda colour: found[colour])
    assert paper == (NIGHT if dark else WHITE)
    ink, one, two = (
        ((0xE6, 0xE9, 0xED), (0x6C, 0xB2, 0xFF), (0xFF, 0x9D, 0x57))
        if dark
        else ((0x1B, 0x1F, 0x24), (0x0B, 0x5C, 0xAD), (0xB3, 0x47, 0x00))
    )
    assert {ink, one, two} <= set(found)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour if len(colour) == 6 else "".join(c * 2 for c in colour)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_has_enough_contrast(site: Site) -> None:
    """All text colours reach 4.5 to 1 on the paper, by day and by night (WCAG 2.2, 1.4.3)."""
    schemes = re.findall(r":root\{([^}]+)\}", html_of(site))
    assert len(schemes) == 2
    for scheme in schemes:
        values = dict(re.findall(r"--(\w+):#([0-9a-f]+)", scheme))
        paper = luminance(values["paper"])
        for name in ("ink", "soft", "one", "two"):
            low, high = sorted((paper, luminance(values[name])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_the_time_of_the_sentence_is_that_of_the_last_day(site: Site) -> None:
    """The first sentence gives the figures of the last 24 hours and their end in UTC."""
    answer = httpx.get(f"{site.url}/api/v1/fractions", trust_env=False).json()
    (day,) = [window for window in answer["windows"] if window["window"] == "24h"]
    topic = day["topics"][0]
    end = datetime.fromisoformat(day["end"]).astimezone(UTC)
    sentence = re.sub("<[^>]+>", "", html_of(site))
    assert f"In the 24 hours up to {end:%Y-%m-%d %H:%M}" in sentence
    assert f"{topic['queries']:,} of" in sentence
    assert f"{day['queries']:,} queries were flagged as {topic['topic']}" in sentence
