"""The metrics: complete from the start, equal to the database, and never going back."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from donkeywatch import __version__
from donkeywatch.counting.calendar import DAY, HOUR, WEEK, to_ms
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.observations import LEFT_OUT, OUTCOMES
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.estimation.correction import Accuracy, Rate
from donkeywatch.publish import category_drift, trends
from donkeywatch.publish.engine_status import FleetWindowStatus, SourceStatus, Status
from donkeywatch.publish.metrics.catalogue import (
    ALL_METRICS,
    BREAKS,
    COUNTERS,
    WINDOWS,
    MetricSpec,
    metrics_markdown,
)
from donkeywatch.publish.metrics.collector import MetricsCollector
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.service import Service
from donkeywatch.settings import loader
from donkeywatch.simulation.generator import Simulation
from donkeywatch.simulation.truth import TOPICS as CATEGORIES
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.positions import SourceProgress
from donkeywatch.store.store import Store
from support.instruments import component
from support.simulated_server import NOW, START, TOPICS, Simulated, engine, outcomes, simulated
from support.stored_windows import followed

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
ACCURACIES = {"pedophile": Accuracy(Rate(0.74, 200), Rate(0.00004, 400_000))}
NOON = to_ms(datetime(2026, 11, 23, 12, tzinfo=UTC))


def collected(state: Path, status: Status) -> list[Metric]:
    """All families, as a scrape collects them."""
    return list(MetricsCollector(lambda: views(state, status), lambda: status).collect())


def views(state: Path, status: Status) -> Snapshots:
    """Views as the application takes them."""
    return Snapshots(state, [topic for topic, _ in status.topics], status.accuracies)


def samples(state: Path, status: Status) -> Samples:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in collected(state, status)
        for sample in family.samples
    }


def exposed(state: Path, status: Status) -> str:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(lambda: views(state, status), lambda: status))
    return generate_latest(registry).decode()


def counters_only(result: Samples) -> Samples:
    """The samples that may never go back."""
    return {key: value for key, value in result.items() if key[0].endswith("_total")}


def promtool_finds(text: str) -> str:
    """What `promtool check metrics` has to say."""
    done = subprocess.run(
        [component("promtool"), "check", "metrics"], input=text, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, Status]:
    """A counted simulation of two weeks and a day, and the engine's status."""
    sim = Simulation(seed=41, start=START, hours=15 * 24, queries=10_000, addresses=2_000)
    server = simulated(tmp_path_factory.mktemp("metrics"), sim)
    with engine(server.settings) as opened:
        backfill(opened, server.archive, None, lambda: NOW)
        assert opened.store.record_break("countries", "another", to_ms(START))
        return server, opened.status()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[tuple[Simulated, Status]]:
    """A daemon's first look at an empty log."""
    sim = Simulation(seed=42, start=START, hours=1, queries=50, addresses=50)
    server = simulated(tmp_path, sim, files=1)
    server.log.touch()
    with engine(server.settings) as opened:
        for i in range(3):
            opened.tick(NOW + i * 2_000)
        yield server, opened.status()


def expected_labels(described: MetricSpec) -> set[frozenset[tuple[str, str]]]:
    """All labels that a counter of the simulated server must have."""
    values: dict[tuple[str, ...], list[tuple[str, ...]]] = {
        (): [()],
        ("source",): [("simulated",)],
        ("source", "outcome"): [("simulated", outcome) for outcome in OUTCOMES],
        ("source", "reason"): [("simulated", reason) for reason in LEFT_OUT],
        ("topic",): [(topic,) for topic in TOPICS],
        ("kind",): [(kind,) for kind in BREAKS],
        ("topic", "category"): [(t, c) for t in TOPICS for c in CATEGORIES[t]],
    }
    labels = described.labels
    return {frozenset(zip(labels, value, strict=True)) for value in values[labels]}


# -- complete from the start -------------------------------------------------------------


@pytest.mark.parametrize("described", COUNTERS, ids=lambda described: str(described.name))
def test_every_counter_starts_at_zero_with_all_labels(
    fresh: tuple[Simulated, Status], described: MetricSpec
) -> None:
    """Before the first line each counter is there for every label, so that its rate is known."""
    server, status = fresh
    mapping = {
        labels: value
        for (name, labels), value in samples(server.state, status).items()
        if name == f"donkeywatch_{described.name}_total"
    }
    assert mapping == dict.fromkeys(expected_labels(described), 0)


def test_every_described_metric_is_announced_and_nothing_else(
    fresh: tuple[Simulated, Status],
) -> None:
    """A fresh daemon exports each name, type and help text of the documentation, in order."""
    families = collected(fresh[0].state, fresh[1])
    assert [(f.name, f.type, f.documentation) for f in families] == [
        (f"donkeywatch_{d.name}", d.type, d.meaning) for d in ALL_METRICS
    ]


def test_gauges_of_an_empty_log(fresh: tuple[Simulated, Status]) -> None:
    """Rolling windows show no query and no fraction; what has not happened is missing, not 0."""
    result = samples(*((fresh[0].state), fresh[1]))
    for window in ("1h", "24h", "7d"):
        labels = frozenset({("window", window)})
        assert result["donkeywatch_window_queries", labels] == 0
        assert result["donkeywatch_window_addresses", labels] == 0
    names = {name for name, _ in result}
    assert not {name for name in names if "_ratio" in name and "coverage" not in name}
    assert "donkeywatch_last_event_timestamp_seconds" not in names
    source = frozenset({("source", "simulated")})
    assert result["donkeywatch_source_following", source] == 1
    assert result["donkeywatch_source_lag_bytes", source] == 0
    assert result["donkeywatch_config_last_reload_successful", frozenset()] == 1


def test_labels_are_those_described(
    counted: tuple[Simulated, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a counted log each metric has samples, with exactly its described labels."""
    server, status = counted
    monkeypatch.setattr(category_drift, "MIN_WEEKLY_QUERIES", 1)  # The log is a small one,
    monkeypatch.setattr(trends, "MIN_COVERAGE", 0.0)  # and shorter than a week.
    status = replace(
        status,
        last_backup=NOW,
        accuracies=ACCURACIES,
        lexicon_expires=NOW,
        fleet_pending_hours=0,
        fleet_windows=(FleetWindowStatus("24h", 3, 0, 17),),
    )
    for described, family in zip(ALL_METRICS, collected(server.state, status), strict=True):
        assert family.samples, described.name
        for sample in family.samples:
            assert set(sample.labels) == set(described.labels)


def test_the_first_scrape_has_the_labels_too(tmp_path: Path) -> None:
    """As soon as the daemon answers, before its first look at the log, labels are all there."""
    sim = Simulation(seed=43, start=START, hours=1, queries=50, addresses=50)
    server = simulated(tmp_path, sim, files=1)
    settings = loader.load(server.settings, {})
    settings = settings.model_copy(update={"http": settings.http.model_copy(update={"port": 0})})
    service = Service(server.settings, settings)
    try:
        result = samples(server.state, service._status)
    finally:
        service._wakeup.close()
        service._server.stop()
        service._engine.close()
    assert result["donkeywatch_ready", frozenset()] == 0
    topics = {frozenset({("topic", topic)}) for topic in TOPICS}
    assert {
        labels for name, labels in result if name == "donkeywatch_topic_queries_total"
    } == topics


# -- equal to the database ---------------------------------------------------------------


def test_counters_equal_database_and_truth(counted: tuple[Simulated, Status]) -> None:
    """Lines by outcome, queries, and flagged queries by topic and category are exact."""
    server, status = counted
    result = samples(server.state, status)
    lines = {
        dict(labels)["outcome"]: value
        for (name, labels), value in result.items()
        if name == "donkeywatch_lines_total"
    }
    truth = server.truth.as_json()
    assert {outcome: n for outcome, n in lines.items() if n} == outcomes(server.state)
    assert {outcome: n for outcome, n in lines.items() if n} == {
        outcome: n for outcome, n in truth["lines"].items() if n
    }
    assert result["donkeywatch_queries_total", frozenset()] == truth["lines"]["query"]
    for topic in TOPICS:
        message: Counter[str] = Counter()
        for hour in truth["hours"].values():
            message.update(hour["topics"][topic]["categories"])
        for category, queries in message.items():
            labels = frozenset({("topic", topic), ("category", category)})
            assert result["donkeywatch_category_queries_total", labels] == queries
        labels = frozenset({("topic", topic)})
        assert result["donkeywatch_topic_queries_total", labels] == message.total()


def test_gauges_equal_the_windows(counted: tuple[Simulated, Status]) -> None:
    """The five windows show what the tables hold, and ratios are quotients of shown counts."""
    server, status = counted
    result = samples(server.state, status)
    db = sqlite3.connect(server.state / "donkeywatch.db")
    rows = db.execute(
        "select kind, queries, addresses, until, max(start) from windows where closed = 1"
        " group by kind"
    ).fetchall()
    db.close()
    assert {row[0] for row in rows} == set(WINDOWS)
    for kind, queries, addresses, until, _ in rows:
        window = ("window", kind)
        first = frozenset({window})
        assert result["donkeywatch_window_queries", first] == queries
        assert result["donkeywatch_window_addresses", first] == addresses
        assert result["donkeywatch_window_end_timestamp_seconds", first] == until / 1000
        for topic in TOPICS:
            labels = frozenset({window, ("topic", topic)})
            flagged = result["donkeywatch_window_topic_queries", labels]
            assert result["donkeywatch_window_query_ratio", labels] == flagged / queries
            for least in "123":
                wide = labels | {("least", least)}
                flagged = result["donkeywatch_window_topic_addresses", wide]
                assert result["donkeywatch_window_address_ratio", wide] == flagged / addresses


def test_corrected_ratios_are_there_with_a_record_alone(counted: tuple[Simulated, Status]) -> None:
    """Under names of their own, for the topics of the record; observed ones stay as they are."""
    server, status = counted
    without = samples(server.state, status)
    result = samples(server.state, replace(status, accuracies=ACCURACIES))
    more = {name: value for name, value in result.items() if name not in without}
    assert {key: result[key] for key in without} == without
    names = {f"donkeywatch_window_corrected_query_ratio{end}" for end in ("", "_lower", "_upper")}
    assert {name for name, _ in more} == names
    assert {dict(labels)["topic"] for _, labels in more} == {"pedophile"}
    for kind in WINDOWS:
        labels = frozenset({("window", kind), ("topic", "pedophile")})
        observed = result["donkeywatch_window_query_ratio", labels]
        corrected = result["donkeywatch_window_corrected_query_ratio", labels]
        assert corrected == pytest.approx(max(0.0, (observed - 0.00004) / (0.74 - 0.00004)))


def test_counters_survive_a_restart_and_a_prune(tmp_path: Path) -> None:
    """Scraped again and again over restarts and a retention of two weeks, no counter goes back."""
    sim = Simulation(seed=44, start=START, hours=9 * 24, queries=4_000, addresses=500)
    server = simulated(tmp_path, sim, files=3)
    with server.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[retention]\nhourly_weeks = 2\nweekly_weeks = 2\n")
    before: Samples = {}
    for path in server.archive:
        with engine(server.settings) as opened:
            backfill(opened, [path], None, lambda: NOW)
            before = not_back(before, samples(server.state, opened.status()))
    server.log.touch()
    assert windows(server.state)
    now = NOW
    for _ in range(3):
        with engine(server.settings, now) as opened:
            for _ in range(3):
                now += HOUR
                opened.tick(now)
            before = not_back(before, samples(server.state, opened.status()))
    assert not windows(server.state), "nothing was pruned, so nothing was proved"
    assert before["donkeywatch_queries_total", frozenset()] == server.truth.lines["query"]


def not_back(before: Samples, result: Samples) -> Samples:
    """The counters found, none of which is lower than it was."""
    after = counters_only(result)
    assert set(before) <= set(after)
    assert all(after[key] >= value for key, value in before.items())
    return after


def windows(state: Path) -> list[tuple[str, int]]:
    """Hours and weeks of the simulation that are still stored."""
    db = sqlite3.connect(state / "donkeywatch.db")
    rows = db.execute(
        "select kind, start from windows where kind in ('hour', 'week') and until < ?",
        (NOW - 2 * WEEK,),
    ).fetchall()
    db.close()
    return rows


def test_failed_commits_are_counted_before_they_are_stored(
    counted: tuple[Simulated, Status],
) -> None:
    """The status' failures since the last good commit are added to the stored ones."""
    server, status = counted
    failing = replace(status, commit_errors=3, last_commit_ok=False)
    result = samples(server.state, failing)
    assert result["donkeywatch_commit_errors_total", frozenset()] == 3


# -- the text ----------------------------------------------------------------------------


def tiny(state: Path) -> Status:
    """A database of one source, one topic and two windows, and the status that goes with it.

    Four addresses sent 3, 2, 2 and 1 queries; the first sent the two flagged ones.
    """
    ensure_state_directory(state)
    store = Store(state, ["one"])
    counts = HourCounts(8, 1, Counter({("one", "first"): 2}))
    counters = Counter(
        {
            ("lines", "main", "query"): 8,
            ("lines", "main", "other"): 2,
            ("late_lines", "main", ""): 1,
            ("rotations", "main", ""): 1,
            ("flagged", "one", "first"): 2,
        }
    )
    start = NOON - HOUR
    batch = Batch([], {start: counts}, counters)
    progress = [SourceProgress("main", NOON - 500, 0, 0, NOON)]
    store.checkpoint(batch, [], progress, followed({start: 1800.0}), NOON)
    countries = {"ZZ": CountryAggregate(8, 4, ((2, 1),))}
    figures = WindowAggregate(8, 4, 18, (TopicAggregate(2, (1, 1, 0), 6, 4),), countries)
    assert store.close_hour(start, None, figures)
    store.replace_rolling({"24h": (NOON - DAY, NOON, figures)})
    store.close()
    source = SourceStatus("main", True, True, 7, 1234, NOON - 500, None)
    return Status(
        (source,), NOON, last_reload_ok=False, lexicon="0123456789abcdef",
        topics=(("one", ("first", "second")),), ready=True,
    )  # fmt: skip


GOLDEN = """\
# HELP donkeywatch_lines_total Log lines, each with one outcome.
# TYPE donkeywatch_lines_total counter
donkeywatch_lines_total{outcome="query",source="main"} 8.0
donkeywatch_lines_total{outcome="keywordless",source="main"} 0.0
donkeywatch_lines_total{outcome="other",source="main"} 2.0
donkeywatch_lines_total{outcome="too_long",source="main"} 0.0
donkeywatch_lines_total{outcome="malformed",source="main"} 0.0
donkeywatch_lines_total{outcome="bad_time",source="main"} 0.0
donkeywatch_lines_total{outcome="impossible_time",source="main"} 0.0
donkeywatch_lines_total{outcome="future",source="main"} 0.0
donkeywatch_lines_total{outcome="too_late",source="main"} 0.0
donkeywatch_lines_total{outcome="bad_address",source="main"} 0.0
# HELP donkeywatch_queries_total Keyword searches counted.
# TYPE donkeywatch_queries_total counter
donkeywatch_queries_total 8.0
# HELP donkeywatch_topic_queries_total Flagged queries.
# TYPE donkeywatch_topic_queries_total counter
donkeywatch_topic_queries_total{topic="one"} 2.0
# HELP donkeywatch_category_queries_total Flagged queries by the category that matched first.
# TYPE donkeywatch_category_queries_total counter
donkeywatch_category_queries_total{category="first",topic="one"} 2.0
donkeywatch_category_queries_total{category="second",topic="one"} 0.0
# HELP donkeywatch_rotations_total Times the log was rotated.
# TYPE donkeywatch_rotations_total counter
donkeywatch_rotations_total{source="main"} 1.0
# HELP donkeywatch_truncations_total Times the log was truncated or rewritten.
# TYPE donkeywatch_truncations_total counter
donkeywatch_truncations_total{source="main"} 0.0
# HELP donkeywatch_generation_mismatches_total Times a file held other bytes than those counted though it was long enough.
# TYPE donkeywatch_generation_mismatches_total counter
donkeywatch_generation_mismatches_total{source="main"} 0.0
# HELP donkeywatch_lost_bytes_total Bytes that vanished before they could be read.
# TYPE donkeywatch_lost_bytes_total counter
donkeywatch_lost_bytes_total{source="main"} 0.0
# HELP donkeywatch_late_lines_total Queries counted after their hour had closed.
# TYPE donkeywatch_late_lines_total counter
donkeywatch_late_lines_total{source="main"} 1.0
# HELP donkeywatch_copied_lines_total Lines of copies, not counted: `counted_before`, `withheld` (with the times of counted searches and other addresses, as in a masked copy), `destroyed_week` (of a week whose key is destroyed).
# TYPE donkeywatch_copied_lines_total counter
donkeywatch_copied_lines_total{reason="counted_before",source="main"} 0.0
donkeywatch_copied_lines_total{reason="withheld",source="main"} 0.0
donkeywatch_copied_lines_total{reason="destroyed_week",source="main"} 0.0
# HELP donkeywatch_read_errors_total Failed attempts to open or read a file.
# TYPE donkeywatch_read_errors_total counter
donkeywatch_read_errors_total{source="main"} 0.0
# HELP donkeywatch_breaks_total Changes of the measurement itself, across which no trend may be drawn.
# TYPE donkeywatch_breaks_total counter
donkeywatch_breaks_total{kind="lexicon"} 0.0
donkeywatch_breaks_total{kind="countries"} 0.0
donkeywatch_breaks_total{kind="format"} 0.0
donkeywatch_breaks_total{kind="normalisation"} 0.0
donkeywatch_breaks_total{kind="keys"} 0.0
# HELP donkeywatch_commit_errors_total Failed checkpoints; each was repeated.
# TYPE donkeywatch_commit_errors_total counter
donkeywatch_commit_errors_total 0.0
# HELP donkeywatch_backup_errors_total Backups that could not be made.
# TYPE donkeywatch_backup_errors_total counter
donkeywatch_backup_errors_total 0.0
# HELP donkeywatch_clock_jumps_total Times the wall clock jumped by a minute or more.
# TYPE donkeywatch_clock_jumps_total counter
donkeywatch_clock_jumps_total 0.0
# HELP donkeywatch_invariant_violations_total Windows whose counts contradicted each other.
# TYPE donkeywatch_invariant_violations_total counter
donkeywatch_invariant_violations_total 0.0
# HELP donkeywatch_window_queries Keyword searches in the window.
# TYPE donkeywatch_window_queries gauge
donkeywatch_window_queries{window="24h"} 8.0
donkeywatch_window_queries{window="hour"} 8.0
# HELP donkeywatch_window_addresses Distinct addresses in the window.
# TYPE donkeywatch_window_addresses gauge
donkeywatch_window_addresses{window="24h"} 4.0
donkeywatch_window_addresses{window="hour"} 4.0
# HELP donkeywatch_window_topic_queries Flagged queries in the window.
# TYPE donkeywatch_window_topic_queries gauge
donkeywatch_window_topic_queries{topic="one",window="24h"} 2.0
donkeywatch_window_topic_queries{topic="one",window="hour"} 2.0
# HELP donkeywatch_window_topic_addresses Distinct addresses with at least so many flagged queries in the window.
# TYPE donkeywatch_window_topic_addresses gauge
donkeywatch_window_topic_addresses{least="1",topic="one",window="24h"} 1.0
donkeywatch_window_topic_addresses{least="2",topic="one",window="24h"} 1.0
donkeywatch_window_topic_addresses{least="3",topic="one",window="24h"} 0.0
donkeywatch_window_topic_addresses{least="1",topic="one",window="hour"} 1.0
donkeywatch_window_topic_addresses{least="2",topic="one",window="hour"} 1.0
donkeywatch_window_topic_addresses{least="3",topic="one",window="hour"} 0.0
# HELP donkeywatch_window_query_ratio Flagged queries over queries, 0 to 1.
# TYPE donkeywatch_window_query_ratio gauge
donkeywatch_window_query_ratio{topic="one",window="24h"} 0.25
donkeywatch_window_query_ratio{topic="one",window="hour"} 0.25
# HELP donkeywatch_window_query_ratio_lower Lower end of its 95 % interval, clustered by address.
# TYPE donkeywatch_window_query_ratio_lower gauge
donkeywatch_window_query_ratio_lower{topic="one",window="24h"} 0.000317873518
donkeywatch_window_query_ratio_lower{topic="one",window="hour"} 0.000317873518
# HELP donkeywatch_window_query_ratio_upper Upper end of the same interval.
# TYPE donkeywatch_window_query_ratio_upper gauge
donkeywatch_window_query_ratio_upper{topic="one",window="24h"} 0.93076373
donkeywatch_window_query_ratio_upper{topic="one",window="hour"} 0.93076373
# HELP donkeywatch_window_corrected_query_ratio The query ratio corrected for errors of the detector; only with a validation record that fits the lexicon.
# TYPE donkeywatch_window_corrected_query_ratio gauge
# HELP donkeywatch_window_corrected_query_ratio_lower Lower end of its 95 % interval (Lang & Reiczigel).
# TYPE donkeywatch_window_corrected_query_ratio_lower gauge
# HELP donkeywatch_window_corrected_query_ratio_upper Upper end of the same interval.
# TYPE donkeywatch_window_corrected_query_ratio_upper gauge
# HELP donkeywatch_window_address_ratio Flagged addresses over addresses, 0 to 1.
# TYPE donkeywatch_window_address_ratio gauge
donkeywatch_window_address_ratio{least="1",topic="one",window="24h"} 0.25
donkeywatch_window_address_ratio{least="2",topic="one",window="24h"} 0.25
donkeywatch_window_address_ratio{least="3",topic="one",window="24h"} 0.0
donkeywatch_window_address_ratio{least="1",topic="one",window="hour"} 0.25
donkeywatch_window_address_ratio{least="2",topic="one",window="hour"} 0.25
donkeywatch_window_address_ratio{least="3",topic="one",window="hour"} 0.0
# HELP donkeywatch_window_address_ratio_lower Lower end of its 95 % interval.
# TYPE donkeywatch_window_address_ratio_lower gauge
donkeywatch_window_address_ratio_lower{least="1",topic="one",window="24h"} 0.0455872608
donkeywatch_window_address_ratio_lower{least="2",topic="one",window="24h"} 0.0455872608
donkeywatch_window_address_ratio_lower{least="3",topic="one",window="24h"} 0.0
donkeywatch_window_address_ratio_lower{least="1",topic="one",window="hour"} 0.0455872608
donkeywatch_window_address_ratio_lower{least="2",topic="one",window="hour"} 0.0455872608
donkeywatch_window_address_ratio_lower{least="3",topic="one",window="hour"} 0.0
# HELP donkeywatch_window_address_ratio_upper Upper end of the same interval.
# TYPE donkeywatch_window_address_ratio_upper gauge
donkeywatch_window_address_ratio_upper{least="1",topic="one",window="24h"} 0.699358157
donkeywatch_window_address_ratio_upper{least="2",topic="one",window="24h"} 0.699358157
donkeywatch_window_address_ratio_upper{least="3",topic="one",window="24h"} 0.489890836
donkeywatch_window_address_ratio_upper{least="1",topic="one",window="hour"} 0.699358157
donkeywatch_window_address_ratio_upper{least="2",topic="one",window="hour"} 0.699358157
donkeywatch_window_address_ratio_upper{least="3",topic="one",window="hour"} 0.489890836
# HELP donkeywatch_window_coverage_ratio Share of the window for which the log was followed, 0 to 1.
# TYPE donkeywatch_window_coverage_ratio gauge
donkeywatch_window_coverage_ratio{window="24h"} 0.0208333333
donkeywatch_window_coverage_ratio{window="hour"} 0.5
# HELP donkeywatch_window_end_timestamp_seconds End of the window, Unix time.
# TYPE donkeywatch_window_end_timestamp_seconds gauge
donkeywatch_window_end_timestamp_seconds{window="24h"} 1.7954352e+09
donkeywatch_window_end_timestamp_seconds{window="hour"} 1.7954352e+09
# HELP donkeywatch_window_country_queries Keyword searches in the last closed week by country of the address: the ten largest with 100 addresses or more in it, and `other`; `ZZ` is unknown. Hours have none.
# TYPE donkeywatch_window_country_queries gauge
# HELP donkeywatch_window_country_topic_queries Flagged queries of the same countries.
# TYPE donkeywatch_window_country_topic_queries gauge
# HELP donkeywatch_hour_of_day_queries Keyword searches per day in a local hour of the day, mean of the last four closed weeks or of those since the last break; until there is one, of the hours since, in UTC.
# TYPE donkeywatch_hour_of_day_queries gauge
# HELP donkeywatch_hour_of_day_query_ratio Flagged queries over queries in a local hour of the day, 0 to 1: ratio of the sums over the same days.
# TYPE donkeywatch_hour_of_day_query_ratio gauge
# HELP donkeywatch_fraction_level_shift_score CUSUM of the weekly query fraction over its threshold, after the last whole week: above 1 the level has changed. 0 below nine weeks, and again after an alarm.
# TYPE donkeywatch_fraction_level_shift_score gauge
donkeywatch_fraction_level_shift_score{direction="up",topic="one"} 0.0
donkeywatch_fraction_level_shift_score{direction="down",topic="one"} 0.0
# HELP donkeywatch_category_share_shift_score The same of the weekly share of a category among the flagged queries of its topic: above 1 it takes another share than it used to. Of categories with 10 queries in some week.
# TYPE donkeywatch_category_share_shift_score gauge
# HELP donkeywatch_windows_since_break Closed weeks covered to 95 % or more since the last break; `window` is `week`.
# TYPE donkeywatch_windows_since_break gauge
donkeywatch_windows_since_break{window="week"} 0.0
# HELP donkeywatch_last_break_timestamp_seconds Last change of the lexicon, the countries, the format or the normalisation, or last loss of keys, Unix time.
# TYPE donkeywatch_last_break_timestamp_seconds gauge
# HELP donkeywatch_source_lag_bytes Bytes on disk that are not counted yet.
# TYPE donkeywatch_source_lag_bytes gauge
donkeywatch_source_lag_bytes{source="main"} 7.0
# HELP donkeywatch_source_offset_bytes Bytes counted of the live file.
# TYPE donkeywatch_source_offset_bytes gauge
donkeywatch_source_offset_bytes{source="main"} 1234.0
# HELP donkeywatch_source_following 1 while the log is there and can be read.
# TYPE donkeywatch_source_following gauge
donkeywatch_source_following{source="main"} 1.0
# HELP donkeywatch_last_event_timestamp_seconds Newest plausible event time, Unix time.
# TYPE donkeywatch_last_event_timestamp_seconds gauge
donkeywatch_last_event_timestamp_seconds{source="main"} 1.7954351995e+09
# HELP donkeywatch_ready 1 while `/readyz` answers 200.
# TYPE donkeywatch_ready gauge
donkeywatch_ready 1.0
# HELP donkeywatch_last_commit_timestamp_seconds Last good checkpoint, Unix time.
# TYPE donkeywatch_last_commit_timestamp_seconds gauge
donkeywatch_last_commit_timestamp_seconds 1.7954352e+09
# HELP donkeywatch_last_backup_timestamp_seconds Newest backup, Unix time.
# TYPE donkeywatch_last_backup_timestamp_seconds gauge
# HELP donkeywatch_lexicon_expires_timestamp_seconds When the lexicon may not be used any more, Unix time; absent where it does not expire.
# TYPE donkeywatch_lexicon_expires_timestamp_seconds gauge
# HELP donkeywatch_destruction_pending 1 while something is on the disk whose key is or should be destroyed: another program reads the database, or the clock is not confirmed.
# TYPE donkeywatch_destruction_pending gauge
donkeywatch_destruction_pending 0.0
# HELP donkeywatch_fleet_pending_hours Closed hours that have not arrived at the fleet; absent without one.
# TYPE donkeywatch_fleet_pending_hours gauge
# HELP donkeywatch_config_last_reload_successful 1 unless the last SIGHUP was refused.
# TYPE donkeywatch_config_last_reload_successful gauge
donkeywatch_config_last_reload_successful 0.0
# HELP donkeywatch_fleet_servers Servers that are in the united window; of `fleet serve` alone.
# TYPE donkeywatch_fleet_servers gauge
# HELP donkeywatch_fleet_outside_queries Queries of servers that are not in the united window; of `fleet serve` alone.
# TYPE donkeywatch_fleet_outside_queries gauge
# HELP donkeywatch_fleet_shared_addresses Distinct addresses that asked at more than one server; of `fleet serve` alone.
# TYPE donkeywatch_fleet_shared_addresses gauge
# HELP donkeywatch_lexicon_info Always 1; keyed digest of the lexicon.
# TYPE donkeywatch_lexicon_info gauge
donkeywatch_lexicon_info{digest="0123456789abcdef"} 1.0
# HELP donkeywatch_build_info Always 1; version of donkeywatch.
# TYPE donkeywatch_build_info gauge
donkeywatch_build_info{version="VERSION"} 1.0
"""  # noqa: E501 - help texts are as long as they are


def shortened(text: str) -> str:
    """The text with fractions to nine digits, whatever the machine's last ones are."""
    return re.sub(
        r"(?<= )\d\.\d{6,}(e-\d+)?$",
        lambda match: f"{float(match[0]):.9g}",
        text,
        flags=re.MULTILINE,
    )


def test_the_exposition_of_a_tiny_database_is_golden(tmp_path: Path) -> None:
    """Byte for byte, but for the last digits of fractions, this is what Prometheus reads."""
    text = exposed(tmp_path / "state", tiny(tmp_path / "state"))
    golden = "\n".join(line for line in GOLDEN.splitlines() if line) + "\n"
    assert shortened(text) == golden.replace("VERSION", __version__)


def test_promtool_finds_nothing_wrong(
    tmp_path: Path, counted: tuple[Simulated, Status], fresh: tuple[Simulated, Status]
) -> None:
    """`promtool check metrics` is silent on a tiny, a fresh and a large database."""
    tiny_state = tmp_path / "tiny"
    for state, status in (
        (tiny_state, tiny(tiny_state)), (counted[0].state, counted[1]), (fresh[0].state, fresh[1]),
    ):  # fmt: skip
        assert promtool_finds(exposed(state, status)) == ""


def test_promtool_would_complain() -> None:
    """The check is a real one: a counter without help and `_total` is found."""
    assert promtool_finds("# TYPE donkeywatch_wrong counter\ndonkeywatch_wrong 1\n")


def test_openmetrics_can_be_parsed(counted: tuple[Simulated, Status]) -> None:
    """The other text format has the same samples, and its strict parser accepts it."""
    server, status = counted
    topics = [topic for topic, _ in status.topics]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(lambda: Snapshots(server.state, topics), lambda: status))
    text = openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    assert text.endswith("# EOF\n")
    mapping = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parsed(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    assert mapping == samples(server.state, status)


def test_no_address_and_no_word_is_a_label(counted: tuple[Simulated, Status]) -> None:
    """Label values are ids, windows, outcomes, thresholds, hours, countries, kinds of breaks,

    directions, a version and a digest. No country of the last day has addresses enough for a name.
    """
    server, status = counted
    text = exposed(server.state, status)
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|2001:db8", text)
    values = {value for _, labels in samples(server.state, status) for _, value in labels}
    categories = {category for topic in TOPICS for category in CATEGORIES[topic]}
    assert values == {
        *TOPICS, *categories, *WINDOWS, *OUTCOMES, "1", "2", "3", "simulated", __version__,
        status.lexicon, *BREAKS, "up", "down", *(f"{hour:02d}" for hour in range(24)),
        "other", *LEFT_OUT,
    }  # fmt: skip


def test_the_document_has_a_row_for_every_metric() -> None:
    """The generated documentation names each exported metric once."""
    rows = metrics_markdown().splitlines()[2:]
    assert len(rows) == len(ALL_METRICS)
    for row, described in zip(rows, ALL_METRICS, strict=True):
        total = "_total" if described.type == "counter" else ""
        assert f"`donkeywatch_{described.name}{total}`" in row
        assert all(f"`{label}`" in row for label in described.labels)
