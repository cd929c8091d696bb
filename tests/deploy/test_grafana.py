"""Every query of every dashboard, and every rule, on a real Prometheus beside a real daemon."""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from donkeywatch.counting.calendar import to_ms
from donkeywatch.evaluation.validation_record import RateRecord, TopicRecord, ValidationRecord
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.publish.engine_status import FleetWindowStatus, Status
from donkeywatch.publish.metrics.collector import MetricsCollector
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.live_writer import LiveWriter
from support import instruments
from support.instruments import Prometheus, listening, process
from support.simulated_server import TOPICS, Simulated, simulated

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
Json = dict[str, Any]
BOARDS: dict[str, Json] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
}
RECORDED = [
    rule["record"]
    for group in yaml.safe_load((RULES / "recording.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
JOB = "donkeywatch-test"
DAYS = 15
"""Enough for one whole week, whatever today is."""


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


def validation_record(lexicon: str) -> ValidationRecord:
    """A record that fits: without one there is no corrected fraction to show."""
    topic = TopicRecord(
        labelled=2000, true_positives=985, false_positives=15, false_negatives=346,
        true_negatives=654, recall_labelled=1331, recall_true_positives=985,
        sensitivity=RateRecord(value=0.74, trials=1331),
        false_positive_rate=RateRecord(value=0.00003, trials=500_000),
    )  # fmt: skip
    return ValidationRecord(
        evaluated_on=datetime.now(UTC).date(), lexicon=lexicon, normalisation=NORMALISATION,
        languages=("xx",), topics=dict.fromkeys(TOPICS, topic),
    )  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with our rules that has scraped a daemon on a replay for a few seconds."""
    instruments.component("prometheus")
    base = tmp_path_factory.mktemp("grafana")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    sim = Simulation(seed=24, start=start, hours=DAYS * 24, queries=60_000, addresses=6_000)
    server = simulated(base / "server", sim)
    with server.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    words = server.directory / "archive" / "lexicon.toml"
    expiry = (start + timedelta(days=365)).date()
    words.write_text(f"expires = {expiry}\n{words.read_text('utf-8')}", "utf-8")
    command = [sys.executable, "-m", "donkeywatch"]
    subprocess.run(
        [*command, "backfill", "-c", str(server.settings), *map(str, server.archive)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    with sqlite3.connect(server.state / "donkeywatch.db") as db:
        statement = "select value from settings where name = 'break:lexicon'"
        (lexicon,) = db.execute(statement).fetchone()
        values = (to_ms(start), "format", "before")
        db.execute("insert into breaks (time, kind, digest) values (?, ?, ?)", values)
    db.close()
    validation_record(lexicon).save(server.directory / "validation.json")
    with server.settings.open("a", encoding="utf-8") as settings:
        settings.write('\n[correction]\nrecord = "validation.json"\n')
    # Of the few lines that are scraped by the second a few odd ones would be more than 5 %.
    writer = LiveWriter(replace(sim, noise=0.0), server.log, 3.0, 1 << 20, 3, seed=5)
    writer.step(start + timedelta(days=DAYS))
    writer.step(datetime.now(UTC))
    with ExitStack() as stack:
        stack.enter_context(writing(writer))
        log = base / "daemon"
        stack.enter_context(process([*command, "run", "-c", str(server.settings)], log))
        config = base / "prometheus.yml"
        target = {"job_name": JOB, "static_configs": [{"targets": [listening(log)]}]}
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        settled = {
            "global": often, "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": [target],
        }  # fmt: skip
        config.write_text(json.dumps(settled), "utf-8")
        for name in ("recording.yml", "alerts.yml"):
            shutil.copy(RULES / name, base)
        result = stack.enter_context(instruments.prometheus(config, base))
        scraped = "count_over_time(donkeywatch_window_query_ratio[1m]) > 3"
        result.wait_for(f"{scraped} and on (job) donkeywatch_ready == 1", base / "prometheus")
        yield result


@pytest.fixture(scope="module")
def instance(prometheus: Prometheus) -> str:
    """The daemon's host and port."""
    (series,) = prometheus.query("donkeywatch_build_info")
    return str(series["metric"]["instance"])


def put_in(text: str, instance: str, topic: str = "|".join(TOPICS)) -> str:
    """A query as Grafana sends it."""
    text = text.replace("$__rate_interval", "5s").replace("$__range", "1h")
    return text.replace("$job", JOB).replace("$instance", instance).replace("$topic", topic)


def shown(text: str, labels: Json) -> str:
    """A legend or another text with the labels put in; KeyError where there is no such label."""
    return re.sub(r"{{(\w+)}}", lambda label: labels[label[1]], text)


def finite(result: list[Json]) -> bool:
    """Whether the newest value of each series is a number."""
    return all(math.isfinite(float(series["value"][1])) for series in result)


def panels(name: str) -> list[Json]:
    """The panels of a dashboard that ask for anything, but for those of a union of servers."""
    items = [panel for panel in BOARDS[name]["panels"] if "targets" in panel]
    assert len(items) > 10
    return [panel for panel in items if not is_of_union(panel)]


def is_of_union(panel: Json) -> bool:
    """Whether a panel asks for what only a fleet has."""
    return any("donkeywatch_fleet_" in target["expr"] for target in panel["targets"])


# All panels of a dashboard are one test: each worker of pytest that gets one of these tests has to
# start a daemon and a Prometheus.


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_of_every_panel_has_finite_data(
    prometheus: Prometheus, instance: str, name: str
) -> None:
    """No panel is empty on a working daemon, whichever topic its row repeats for.

    The labels that its legend shows are there in each series, and tell them apart.
    """
    for panel, topic in product(panels(name), TOPICS):
        for target in panel["targets"]:
            expression = put_in(target["expr"], instance, topic)
            rows = prometheus.query(expression)
            assert rows, (panel["title"], expression)
            assert finite(rows), (panel["title"], expression)
            if target.get("format") != "table":
                names = [shown(target["legendFormat"], series["metric"]) for series in rows]
                assert len(set(names)) == len(names), (panel["title"], names)


class Expositions(BaseHTTPRequestHandler):
    """What a server of a fleet and the union of it answer, by path."""

    texts: Mapping[str, bytes]

    def do_GET(self) -> None:
        """Answer one scrape."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(self.texts[self.path])

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_the_panels_of_a_union_have_finite_data(
    counted: tuple[Simulated, Status], tmp_path: Path
) -> None:
    """On what a server that ships and `fleet serve` export, scraped by a real Prometheus."""
    server, status = counted
    union = replace(status, fleet_windows=(FleetWindowStatus("24h", 3, 12, 17),))
    ships = replace(status, fleet_pending_hours=0)
    Expositions.texts = {
        f"/{name}": exposition(server.state, each)
        for name, each in {"server": ships, "union": union}.items()
    }
    web = HTTPServer(("127.0.0.1", 0), Expositions)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{web.server_port}"
    jobs = [
        {
            "job_name": name,
            "metrics_path": f"/{name}",
            "static_configs": [{"targets": [host], "labels": {"instance": name}}],
        }
        for name in ("server", "union")
    ]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        json.dumps(
            {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
        )
    )
    of_union = [
        panel for panel in BOARDS["fleet"]["panels"] if "targets" in panel and is_of_union(panel)
    ]
    assert len(of_union) == 4
    with instruments.prometheus(config, tmp_path) as prometheus:
        prometheus.wait_for(
            "donkeywatch_fleet_servers and on (instance) donkeywatch_ready", tmp_path / "prometheus"
        )
        prometheus.wait_for("donkeywatch_fleet_pending_hours", tmp_path / "prometheus")
        for panel, topic in product(of_union, TOPICS):
            for target in panel["targets"]:
                text = target["expr"].replace("$job", "server|union").replace("$topic", topic)
                rows = prometheus.query(text.replace("$instance", "server|union"))
                assert rows, (panel["title"], text)
                assert finite(rows), (panel["title"], text)
    web.shutdown()
    web.server_close()


def exposition(state: Path, status: Status) -> bytes:
    """What a scrape of a database with this status gives."""
    registry = CollectorRegistry(auto_describe=False)
    topics = [topic for topic, _ in status.topics]
    registry.register(MetricsCollector(lambda: Snapshots(state, topics), lambda: status))
    return generate_latest(registry)


@pytest.mark.parametrize("name", BOARDS)
def test_every_line_is_drawn_over_time(prometheus: Prometheus, instance: str, name: str) -> None:
    """Over a range, too, every query with all topics gives finite points."""
    now = time.time()
    for panel in panels(name):
        for target in panel["targets"]:
            data = prometheus.answer_to(
                "/api/v1/query_range", query=put_in(target["expr"], instance),
                start=str(now - 4), end=str(now), step="1",
            )  # fmt: skip
            points = [value for series in data["result"] for _, value in series["values"]]
            assert points, (panel["title"], target["expr"])
            assert all(math.isfinite(float(value)) for value in points)


@pytest.mark.parametrize("name", ["fractions", "fleet"])
def test_columns_and_bars_are_made_of_labels_that_exist(
    prometheus: Prometheus, instance: str, name: str
) -> None:
    """Each column that a transformation keeps is a label of the first query, or a value."""
    changed = [panel for panel in panels(name) if "transformations" in panel]
    assert changed
    for panel in changed:
        (kept,) = [
            change["options"]["include"]["names"]
            for change in panel["transformations"]
            if change["id"] == "filterFieldsByName"
        ]
        labels = {column for column in kept if not column.startswith("Value")}
        assert labels
        for series in prometheus.query(put_in(panel["targets"][0]["expr"], instance, TOPICS[0])):
            assert labels <= set(series["metric"]), panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_finds_its_values(prometheus: Prometheus, instance: str, name: str) -> None:
    """The variables' queries give this daemon and its topics."""
    expected = {"job": [JOB], "instance": [instance], "topic": sorted(TOPICS)}
    arguments = [v for v in BOARDS[name]["templating"]["list"] if v["type"] == "query"]
    assert {"job", "instance"} <= {variable["name"] for variable in arguments}
    for variable in arguments:
        parts = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert parts
        result = prometheus.answer_to(
            f"/api/v1/label/{parts[2]}/values", **{"match[]": put_in(parts[1], instance)}
        )
        assert result == expected[variable["name"]]


@pytest.mark.parametrize("name", BOARDS)
def test_breaks_are_marked_where_they_were(
    prometheus: Prometheus, instance: str, name: str
) -> None:
    """The annotation's value is the time of the break in ms, and its texts' labels exist."""
    (annotation,) = BOARDS[name]["annotations"]["list"]
    (rows,) = prometheus.query(put_in(annotation["expr"], instance))
    ago = time.time() * 1000 - float(rows["value"][1])
    assert 0 <= ago - DAYS * 86_400_000 < 3 * 3_600_000
    for text in (annotation["titleFormat"], annotation["textFormat"]):
        assert shown(text, rows["metric"])
    assert annotation["tagKeys"] in rows["metric"]


def test_the_ends_of_the_intervals_enclose_the_fractions(prometheus: Prometheus) -> None:
    """What Prometheus stores keeps the order lower, fraction, upper in every series."""
    for kind in ("query", "address"):
        name = f"donkeywatch_window_{kind}_ratio"
        assert prometheus.query(f"{name}_lower <= {name}")
        assert not prometheus.query(f"{name}_lower > {name}")
        assert not prometheus.query(f"{name}_upper < {name}")


def test_every_recording_rule_has_finite_data(prometheus: Prometheus) -> None:
    """What is recorded is there, and carries the labels that its name promises."""
    for record in RECORDED:
        rows = prometheus.query(record)
        assert rows, record
        assert finite(rows), record
        level = record.partition(":")[0]
        assert all(set(level.split("_")) <= set(series["metric"]) for series in rows)


def test_rules_evaluate_without_an_error_and_nothing_is_wrong(prometheus: Prometheus) -> None:
    """Each rule is healthy; on a working daemon no alert but that of another job's name stands."""
    groups = prometheus.answer_to("/api/v1/rules")["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in every} == {"ok"}
    raised = {alert["labels"]["alertname"] for rule in every for alert in rule.get("alerts", [])}
    assert raised <= {"DonkeywatchDown"}
