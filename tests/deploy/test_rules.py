"""Recording rules and alerts: promtool's checks and tests, and the runbook behind each alert."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from donkeywatch.cli import app, load_commands
from donkeywatch.counting.observations import OUTCOMES
from donkeywatch.publish.metrics.catalogue import ALL_METRICS
from support.instruments import component

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"


def rules(name: str) -> list[dict[str, Any]]:
    """All rules of a file."""
    groups = yaml.safe_load((RULES / name).read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS, RECORDED = rules("alerts.yml"), rules("recording.yml")
TESTS: list[dict[str, Any]] = yaml.safe_load((RULES / "tests" / "alerts.yml").read_text("utf-8"))[
    "tests"
]


def names(rule: dict[str, Any]) -> str:
    """How a rule is called."""
    return str(rule.get("alert") or rule["record"])


def promtool(*arguments: str) -> str:
    """What promtool says; it has to be content."""
    done = subprocess.run(
        [component("promtool"), *arguments], cwd=RULES / "tests",
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["recording.yml", "alerts.yml"])
def test_promtool_accepts_the_rules(name: str) -> None:
    """`promtool check rules`, with its lint, finds every rule and nothing wrong."""
    message = promtool("check", "rules", "--lint=all", "--lint-fatal", f"../{name}")
    assert f"{len(rules(name))} rules found" in message


@pytest.mark.parametrize("name", ["recording.yml", "alerts.yml"])
def test_the_rules_do_what_their_tests_say(name: str) -> None:
    """`promtool test rules` on the files that are shipped with them."""
    promtool("test", "rules", name)


@pytest.mark.parametrize("rule", ALERTS, ids=names)
def test_each_alert_is_tested_both_ways(rule: dict[str, Any]) -> None:
    """There is a case in which it fires, with all that it says, and one in which it does not."""
    cases = [
        case
        for test in TESTS
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    fired = [case["exp_alerts"] for case in cases if case["exp_alerts"]]
    assert fired
    assert len(fired) < len(cases)
    for alerts in fired:
        assert set(alerts[0]["exp_annotations"]) == set(rule["annotations"])


@pytest.mark.parametrize("rule", ALERTS, ids=names)
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Severity, summary, description, and a section of the runbook with three parts."""
    assert rule["alert"].startswith("Donkeywatch")
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    message = rule["annotations"]
    assert set(message) == {"summary", "description", "runbook_url"}
    assert message["description"].endswith(".")
    path, _, anchor = message["runbook_url"].partition("#")
    assert ROOT / path == RUNBOOK
    sections = re.split(r"^## ", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)[1:]
    mapping = {s.partition("\n")[0].lower().replace(" ", "-"): s for s in sections}
    assert all(f"**{part}:**" in mapping[anchor] for part in ("Means", "Look", "Do"))


def test_each_section_of_the_runbook_belongs_to_an_alert() -> None:
    """No section is left over, and they come in the order of the alerts."""
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    anchors = [rule["annotations"]["runbook_url"].partition("#")[2] for rule in ALERTS]
    assert [heading.lower().replace(" ", "-") for heading in headings] == anchors


def test_what_the_runbook_names_exists() -> None:
    """Panels, verbs and metrics that it sends the operator to are there."""
    text = RUNBOOK.read_text("utf-8")
    boards = [
        json.loads(path.read_text("utf-8"))
        for path in (ROOT / "grafana" / "dashboards").glob("*.json")
    ]
    titles = {panel["title"] for board in boards for panel in board["panels"]}
    panels = re.findall(r"[Tt]he panel\s+\*([^*]+)\*", text)
    assert len(panels) >= 5
    assert set(panels) <= titles
    assert {f"donkeywatch: {name}" for name in ("Fractions", "Measurement health")} <= {
        board["title"] for board in boards
    }
    load_commands([])
    commands = [c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands]
    verbs = {*commands, *(group.name for group in app.registered_groups)}
    named = set(re.findall(r"`donkeywatch ([a-z]+)", text))
    assert len(named) > 3
    assert named <= verbs
    known = {f"donkeywatch_{described.name}" for described in ALL_METRICS}
    assert set(re.findall(r"donkeywatch_\w+", text)) <= known


@pytest.mark.parametrize("rule", RECORDED, ids=names)
def test_recorded_series_are_named_by_level_metric_and_operation(rule: dict[str, Any]) -> None:
    """`level:metric:operation`, and the level is the list of the labels that are kept."""
    level, metric, operation = rule["record"].split(":")
    assert re.fullmatch(r"donkeywatch_\w+", metric)
    assert re.fullmatch(r"(rate|ratio_rate)\d+m|ratio|sum", operation)
    kept = set(re.search(r"(?:by|on) \(([\w, ]+)\)", rule["expr"])[1].split(", "))  # type: ignore[index]
    assert kept - {"job"} <= {"instance", "source", "outcome", "topic", "window"}
    written = set(level.split("_"))
    assert written <= kept | {"topic"}
    assert kept - written <= {"job"}


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDED], ids=names)
def test_rules_only_name_what_exists(rule: dict[str, Any]) -> None:
    """Metrics are documented ones or recorded here; counters stand under rate or increase."""
    types = {
        f"donkeywatch_{d.name}" + ("_total" if d.type == "counter" else ""): d.type
        for d in ALL_METRICS
    }
    recorded = {other["record"] for other in RECORDED}
    match = re.findall(r"[\w:]*donkeywatch_[\w:]*", rule["expr"])
    assert match or rule["expr"].startswith("up{")
    for name in match:
        assert name in types or name in recorded, name
        if types.get(name) == "counter":
            assert re.search(rf"(rate|increase)\(\s*{name}\b", rule["expr"])
    for outcomes in re.findall(r'outcome!?[=~]+"([\w|]+)"', rule["expr"]):
        assert set(outcomes.split("|")) <= set(OUTCOMES)
