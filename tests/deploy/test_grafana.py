"""The dashboard: what is committed, its form, and its queries on a real Prometheus."""

from __future__ import annotations

import json
import math
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from donkeywatch.lab.live import LiveWriter
from donkeywatch.lab.simulate import Simulation
from donkeywatch.publish.metrics import EVERY
from support import TOPICS, simulated

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "fractions.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
ROWS: list[dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] == "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['id']}{target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
VARIABLES = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
JOB = "donkeywatch-test"
DAYS = 15
"""Enough for one whole week, whatever today is."""
OPEN = build_opener(ProxyHandler({})).open


def test_the_committed_dashboard_is_the_rendered_one() -> None:
    """Whoever changes grafana/dashboard.py renders it again."""
    module = runpy.run_path(str(GRAFANA / "dashboard.py"))
    assert module["rendered"]() == (GRAFANA / "fractions.json").read_text("utf-8")


def test_the_dashboard_as_a_whole_keeps_the_conventions() -> None:
    """A stable uid, UTC, not editable, a current schema, and the four variables."""
    assert DASHBOARD["uid"] == "donkeywatch-fractions"
    assert "id" not in DASHBOARD
    assert (DASHBOARD["timezone"], DASHBOARD["editable"]) == ("utc", False)
    assert DASHBOARD["schemaVersion"] >= 41
    assert list(VARIABLES) == ["datasource", "job", "instance", "topic"]
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert (VARIABLES["topic"]["multi"], VARIABLES["topic"]["includeAll"]) == (True, True)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["id"]))
def test_every_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Title, description and unit are there, and all data come from the chosen source."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs) > 0


def test_panels_have_places_of_their_own() -> None:
    """Numbers are unique, nothing sticks out of the 24 columns, and nothing overlaps."""
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    cells: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in every):
        assert place["x"] + place["w"] <= 24
        own = {
            (place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])
        }
        assert not own & cells
        cells |= own


def test_a_band_is_drawn_between_the_ends_of_each_interval() -> None:
    """In every fraction over time, `upper` is filled down to `lower`, and both are queried."""
    banded = [p for p in PANELS if p["type"] == "timeseries" and p["title"].startswith("$topic")]
    assert len(banded) == 6
    for panel in banded:
        names = [target["legendFormat"] for target in panel["targets"]]
        assert names == ["fraction", "lower", "upper"]
        by_name = {
            o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
            for o in panel["fieldConfig"]["overrides"]
        }
        assert by_name["upper"]["custom.fillBelowTo"] == "lower"
        assert not panel["fieldConfig"]["defaults"]["custom"]["spanNulls"]


def test_the_panels_of_a_topic_repeat_for_each() -> None:
    """The first row repeats by topic, and only its panels ask for one."""
    assert ROWS[0]["repeat"] == "topic"
    end = ROWS[1]["gridPos"]["y"]
    for panel in PANELS:
        assert ("$topic" in panel["title"]) == (panel["gridPos"]["y"] < end)


def test_both_fractions_are_shown_for_every_window() -> None:
    """Query and address fraction over 1h, 24h and 7d, and of the last closed hour and week."""
    text = "\n".join(target["expr"] for panel in PANELS for target in panel["targets"])
    for window in ("1h", "24h", "7d", "hour", "week"):
        for kind in ("query", "address"):
            for end in ("", "_lower", "_upper"):
                name = f"donkeywatch_window_{kind}_ratio{end}"
                assert re.search(rf'{name}{{[^}}]*window="{window}"', text)


@pytest.mark.parametrize("expression", QUERIES)
def test_a_counter_is_only_shown_as_a_rate(expression: str) -> None:
    """Counters stand inside rate or increase over $__rate_interval; gauges never do."""
    known = {
        f"donkeywatch_{d.name}" + ("_total" if d.type == "counter" else ""): d.type for d in EVERY
    }
    names = re.findall(r"donkeywatch_\w+", expression)
    assert names
    for name in names:
        assert name in known
        rated = re.search(
            rf"(rate|increase)\({name}{{[^}}]*}}\[\$__(rate_interval|range)\]\)", expression
        )
        assert bool(rated) == (known[name] == "counter")
    assert 'job="$job",instance="$instance"' in expression


# -- on a real Prometheus ----------------------------------------------------------------


def component(name: str) -> str:
    """The path of a program; without it the test skips, but fails under CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must have it")
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    """A program that is ended by its own process id."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as started:
        try:
            yield
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()


@contextmanager
def writing(writer: LiveWriter) -> Iterator[None]:
    """The simulated server writes its log for as long as the block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def listening(log: Path) -> str:
    """Host and port in the daemon's log, once they are there."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if found := re.search(r"listening on http://(\S+)", log.read_text("utf-8")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str, instance: str) -> None:
        self.url, self.instance = url, instance

    def asked(self, path: str, **parameters: str) -> Any:
        """The data of an answer; None while there is none."""
        try:
            with OPEN(f"{self.url}{path}?{urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except (URLError, ConnectionError):
            return None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, now."""
        data = self.asked("/api/v1/query", query=expression)
        found: list[dict[str, Any]] = data["result"] if data else []
        return found

    def put_in(self, text: str, topic: str = "|".join(TOPICS)) -> str:
        """A query as Grafana sends it."""
        text = text.replace("$__rate_interval", "5s").replace("$job", JOB)
        return text.replace("$instance", self.instance).replace("$topic", topic)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a daemon on a simulated replay for a few seconds."""
    program = component("prometheus")
    base = tmp_path_factory.mktemp("grafana")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    sim = Simulation(seed=24, start=start, hours=DAYS * 24, queries=12_000, addresses=2_000)
    server = simulated(base / "server", sim)
    with server.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    command = [sys.executable, "-m", "donkeywatch"]
    subprocess.run(
        [*command, "backfill", "-c", str(server.settings), *map(str, server.archive)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    writer = LiveWriter(sim, server.log, 3.0, 1 << 20, 3, seed=5)
    writer.step(start + timedelta(days=DAYS))
    writer.step(datetime.now(UTC))
    with ExitStack() as stack:
        stack.enter_context(writing(writer))
        log = base / "daemon"
        stack.enter_context(process([*command, "run", "-c", str(server.settings)], log))
        instance = listening(log)
        config = base / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                    "scrape_configs": [
                        {"job_name": JOB, "static_configs": [{"targets": [instance]}]}
                    ],
                }
            ),
            "utf-8",
        )
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        arguments = [
            f"--config.file={config}", f"--storage.tsdb.path={base / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        stack.enter_context(process([program, *arguments], base / "prometheus"))
        found = Prometheus(f"http://127.0.0.1:{port}", instance)
        until = time.monotonic() + 40
        while not found.query("count_over_time(donkeywatch_window_query_ratio[1m]) > 3"):
            assert time.monotonic() < until, (base / "prometheus").read_text("utf-8")
            time.sleep(0.2)
        yield found


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("expression", QUERIES)
def test_every_query_of_every_panel_has_finite_data(
    prometheus: Prometheus, expression: str, topic: str
) -> None:
    """No panel is empty on a working daemon, whichever topic its row repeats for."""
    found = prometheus.query(prometheus.put_in(expression, topic))
    assert found, expression
    assert all(math.isfinite(float(series["value"][1])) for series in found)


@pytest.mark.parametrize("expression", QUERIES)
def test_every_query_draws_a_line(prometheus: Prometheus, expression: str) -> None:
    """Over a range, too, every query with all topics gives finite points."""
    now = time.time()
    data = prometheus.asked(
        "/api/v1/query_range", query=prometheus.put_in(expression),
        start=str(now - 4), end=str(now), step="1",
    )  # fmt: skip
    points = [value for series in data["result"] for _, value in series["values"]]
    assert points
    assert all(math.isfinite(float(value)) for value in points)


@pytest.mark.parametrize("name", ["job", "instance", "topic"])
def test_every_variable_finds_its_values(prometheus: Prometheus, name: str) -> None:
    """The variables' queries give this daemon and its topics."""
    query = VARIABLES[name]["query"]["query"]
    parts = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert parts
    found = prometheus.asked(
        f"/api/v1/label/{parts[2]}/values", **{"match[]": prometheus.put_in(parts[1])}
    )
    expected = {"job": [JOB], "instance": [prometheus.instance], "topic": sorted(TOPICS)}
    assert found == expected[name]


def test_panels_that_repeat_have_one_series_for_each_name(prometheus: Prometheus) -> None:
    """A row of one topic shows one fraction, one lower and one upper end in each panel."""
    for panel in PANELS:
        if "$topic" in panel["title"]:
            for target in panel["targets"]:
                (series,) = prometheus.query(prometheus.put_in(target["expr"], TOPICS[0]))
                assert 0 <= float(series["value"][1]) <= 1


def test_the_ends_of_the_intervals_enclose_the_fractions(prometheus: Prometheus) -> None:
    """What Prometheus stores keeps the order lower, fraction, upper in every series."""
    for kind in ("query", "address"):
        name = f"donkeywatch_window_{kind}_ratio"
        assert prometheus.query(f"{name}_lower <= {name}")
        assert not prometheus.query(f"{name}_lower > {name}")
        assert not prometheus.query(f"{name}_upper < {name}")
