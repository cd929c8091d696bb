"""The dashboards as they are committed: every rule of Grafana's dashboard-linter, and our own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from donkeywatch.publish.metrics.catalogue import ALL_METRICS

GRAFANA = Path(__file__).parents[2] / "grafana"
NAMES = ("fractions", "health", "fleet")
Json = dict[str, Any]
BOARDS: dict[str, Json] = {
    name: json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text("utf-8")) for name in NAMES
}
OKABE_ITO = {"#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#999999"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"percentunit", "short", "reqps", "cps", "bytes", "s"}
TYPES = {
    f"donkeywatch_{d.name}" + ("_total" if d.type == "counter" else ""): d for d in ALL_METRICS
}
PANELS = [
    pytest.param(board, panel, id=f"{name}-{panel['id']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] not in ("row", "text")
]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{name}-{panel['id']}{target['refId']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel.get("targets", [])
]


def variables(board: Json) -> dict[str, Json]:
    """The variables of a dashboard by name."""
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def overridden(panel: Json) -> dict[str, Json]:
    """The properties that are set for single series, by their names."""
    return {
        override["matcher"]["options"]: {p["id"]: p["value"] for p in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }


def test_the_committed_dashboards_are_the_rendered_ones(tmp_path: Path) -> None:
    """Whoever changes grafana/boards renders them again: `python grafana/render.py`."""
    code = "import json, render; print(json.dumps(render.rendered()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=GRAFANA, capture_output=True, text=True, check=True
    )
    files = {path.name: path.read_text("utf-8") for path in (GRAFANA / "dashboards").iterdir()}
    assert json.loads(done.stdout) == files


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_the_conventions(name: str) -> None:
    """A stable uid, UTC, not editable, a current schema, links to the others, breaks as marks."""
    board = BOARDS[name]
    assert board["uid"] == f"donkeywatch-{name}"
    assert "id" not in board
    assert (board["timezone"], board["editable"]) == ("utc", False)
    assert board["schemaVersion"] >= 41
    others = {f"/d/donkeywatch-{other}" for other in NAMES if other != name}
    assert {link["url"] for link in board["links"]} == others
    (breaks,) = board["annotations"]["list"]
    assert breaks["useValueForTime"]
    assert breaks["datasource"] == SOURCE
    assert breaks["expr"].startswith("donkeywatch_last_break_timestamp_seconds{")


@pytest.mark.parametrize("name", NAMES)
def test_variables_are_those_the_linter_asks_for(name: str) -> None:
    """Data source, job and instance: several at once, anything by default, renewed with time."""
    result = variables(BOARDS[name])
    assert list(result)[:3] == ["datasource", "job", "instance"]
    assert (result["datasource"]["type"], result["datasource"]["query"]) == (
        "datasource", "prometheus",
    )  # fmt: skip
    assert result["datasource"]["label"] == "Data source"
    for variable in list(result.values())[1:]:
        assert variable["label"] == variable["name"].title()
        assert (variable["type"], variable["datasource"]) == ("query", SOURCE)
        assert (variable["multi"], variable["allValue"]) == (True, ".+")
        assert variable["refresh"] == 2


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_panel_says_what_it_shows(board: Json, panel: Json) -> None:
    """Title, description and a known unit are there, and all data come from the chosen source."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == SOURCE for source in sources)
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs) > 0


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_places_of_their_own(name: str) -> None:
    """Numbers are unique, nothing sticks out of the 24 columns, and nothing overlaps."""
    every = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    cells: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in every):
        assert place["x"] + place["w"] <= 24
        ours = {
            (place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])
        }
        assert not ours & cells
        cells |= ours


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_keeps_the_rules(expression: str) -> None:
    """Metrics exist; counters stand in rate or increase over Grafana's interval, gauges never.

    Each selector has a job and an instance.
    """
    selectors = re.findall(r"(\w+){([^}]*)}", expression)
    assert selectors
    assert {name for name, _ in selectors} == set(
        re.findall(r"\b(?:donkeywatch_\w+|up)\b", expression)
    )
    for name, matchers in selectors:
        assert name == "up" or name in TYPES
        assert matchers.startswith('job=~"$job",instance=~"$instance"')
        used = set(re.findall(r"(\w+)[!=]~?\"", matchers)) - {"job", "instance"}
        assert name == "up" or used <= set(TYPES[name].labels)
        rated = re.search(
            rf"(rate|increase)\({name}{{[^}}]*}}\[\$__(rate_interval|range)\]\)", expression
        )
        assert bool(rated) == (name != "up" and TYPES[name].type == "counter")


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_no_colour_is_told_apart_by_hue_alone(board: Json, panel: Json) -> None:
    """Fixed colours are Okabe & Ito's, states are in words, and there is no pie."""
    assert panel["type"] in {
        "timeseries", "stat", "barchart", "table", "state-timeline",
    }  # fmt: skip
    text = json.dumps(panel["fieldConfig"])
    assert set(re.findall(r"#[0-9A-Fa-f]{6}", text)) <= OKABE_ITO
    if panel["type"] == "state-timeline":
        assert panel["fieldConfig"]["defaults"]["mappings"]


def test_a_band_is_drawn_between_the_ends_of_each_interval() -> None:
    """In each fraction over time, `upper` is filled down to `lower`, and both are queried."""
    banded = [
        panel
        for panel in BOARDS["fractions"]["panels"]
        if panel["title"].startswith("$topic: fraction of") and panel["type"] == "timeseries"
    ]
    assert len(banded) == 10
    for panel in banded:
        names = [target["legendFormat"] for target in panel["targets"]]
        assert names == ["fraction", "lower", "upper"]
        properties = overridden(panel)
        assert properties["upper"]["custom.fillBelowTo"] == "lower"
        colours = [properties[name]["color"]["fixedColor"] for name in names]
        assert len(set(colours)) == 1
        assert not panel["fieldConfig"]["defaults"]["custom"]["spanNulls"]


def test_both_fractions_are_shown_for_every_window() -> None:
    """Query and address fraction over 1h, 24h and 7d, by closed hour and week, with intervals."""
    text = "\n".join(
        target["expr"]
        for panel in BOARDS["fractions"]["panels"]
        if panel["type"] == "timeseries"
        for target in panel["targets"]
    )
    for window in ("1h", "24h", "7d", "hour", "week"):
        for kind in ("query", "address"):
            for end in ("", "_lower", "_upper"):
                name = f"donkeywatch_window_{kind}_ratio{end}"
                assert re.search(rf'{name}{{[^}}]*window="{window}"', text)


@pytest.mark.parametrize("name", ["fractions", "fleet"])
def test_the_panels_of_a_topic_repeat_for_each(name: str) -> None:
    """The first row repeats by topic, and exactly its panels ask for one, in title and query."""
    rows = [panel for panel in BOARDS[name]["panels"] if panel["type"] == "row"]
    assert rows[0]["repeat"] == "topic"
    end = rows[1]["gridPos"]["y"]
    for panel in BOARDS[name]["panels"]:
        if panel["type"] not in ("row", "text"):
            request = any("$topic" in target["expr"] for target in panel["targets"])
            assert ("$topic" in panel["title"]) == request == (panel["gridPos"]["y"] < end)


def test_the_first_thing_seen_is_the_question() -> None:
    """Fractions begins with the figures of now and ends with how to read them."""
    panels = BOARDS["fractions"]["panels"]
    assert [panel["type"] for panel in panels[:5]] == ["row", *["stat"] * 4]
    content = panels[-1]["options"]["content"]
    assert "Flagged is what the operator's lexicon matches" in content
    assert "An address is not a person" in content


def test_every_metric_is_shown_somewhere() -> None:
    """What is published can be looked at: no metric is in no dashboard."""
    text = json.dumps(BOARDS)
    shown = set(re.findall(r"donkeywatch_\w+", text))
    unseen = {
        # The times of the windows and places in files are no figures to watch, and flagged
        # addresses are there as fractions.
        "donkeywatch_window_end_timestamp_seconds", "donkeywatch_source_offset_bytes",
        "donkeywatch_window_topic_addresses",
    }  # fmt: skip
    assert set(TYPES) - shown == unseen


@pytest.mark.parametrize("window", ["7d", "week"])
def test_corrected_fractions_have_panels_of_their_own(window: str) -> None:
    """Observed and corrected are never in one panel, and the panel says when it is empty."""
    panels = [
        panel
        for panel in BOARDS["fractions"]["panels"]
        if any(
            "corrected" in target["expr"] and f'window="{window}"' in target["expr"]
            for target in panel.get("targets", [])
        )
    ]
    (panel,) = panels
    assert all("corrected" in target["expr"] for target in panel["targets"])
    assert panel["title"].startswith("$topic: corrected fraction of queries")
    assert "Empty unless a validation record fits" in panel["description"]
    assert overridden(panel)["upper"]["custom.fillBelowTo"] == "lower"


def unknown(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """Where something that was given is not in what Grafana's own types made of it."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from unknown(value, read.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for item, other in zip(given, read, strict=True):
            yield from unknown(item, other, path)
    elif given != read:
        yield path


def as_grafana_reads(board: Json) -> Json:
    """A dashboard through the types of Grafana's SDK, which drop what they do not know."""
    plugins.register_default_plugins()
    document: Json = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(board)))
    return document


@pytest.mark.parametrize("name", NAMES)
def test_grafana_knows_every_field(name: str) -> None:
    """No option is misspelt or stands in the wrong place, in no kind of panel.

    The SDK leaves out the `definition` that Grafana writes beside a variable's query, and has
    none of the data source's own fields of annotations.
    """
    board = BOARDS[name]
    ours = {"step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"}
    assert set(unknown(board, as_grafana_reads(board))) == {
        ".templating.list.definition", *(f".annotations.list.{field}" for field in ours),
    }  # fmt: skip


def test_a_misspelt_option_would_be_found() -> None:
    """The types are strict enough: one wrong name in one panel is told."""
    board = json.loads(json.dumps(BOARDS["fractions"]))
    (bars, *_) = (panel for panel in board["panels"] if panel["type"] == "barchart")
    bars["options"]["barWidht"] = bars["options"].pop("barWidth")
    assert ".panels.options.barWidht" in set(unknown(board, as_grafana_reads(board)))


def test_provisioning_agrees_with_the_dashboards() -> None:
    """One data source of the kind the dashboards ask for, and files that may not be edited."""
    provisioning = GRAFANA / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))
    (source,) = sources["datasources"]
    assert (source["type"], source["isDefault"], source["editable"]) == ("prometheus", True, False)
    files = yaml.safe_load((provisioning / "dashboards" / "donkeywatch.yml").read_text("utf-8"))
    (provider,) = files["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
