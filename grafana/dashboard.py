"""Renders the dashboard of the two fractions: ``python grafana/dashboard.py`` writes the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

Json = Mapping[str, object]

UID = "donkeywatch-fractions"
SCHEMA_VERSION = 42
RENDERED = Path(__file__).with_name("fractions.json")

HERE = 'job="$job",instance="$instance"'
TOPIC = f'{HERE},topic=~"$topic"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ROLLING = {"1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days"}
CALENDAR = {"hour": "last closed hour", "week": "last closed week"}
CAUTION = (
    "Flagged is what the operator's lexicon matches; a detector errs in both directions."
    " An address is not a person."
)
INTERVAL = {
    "query": "The band is the 95 % interval, clustered by address.",
    "address": "The band is the 95 % interval (Wilson).",
}
BLUE, ORANGE = "#3274D9", "#E0752D"


def target(ref: str, expression: str, legend: str) -> Json:
    """One query of a panel."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "legendFormat": legend,
        "range": True,
    }


def targets(*pairs: tuple[str, str]) -> list[Json]:
    """Queries of a panel from expressions and their legends."""
    return [target(chr(ord("A") + i), *pair) for i, pair in enumerate(pairs)]


def ratio(kind: str, window: str, end: str = "") -> str:
    """The expression of a fraction, or of an end of its interval."""
    least = ',least="1"' if kind == "address" else ""
    return f'donkeywatch_window_{kind}_ratio{end}{{{TOPIC},window="{window}"{least}}}'


def banded(kind: str, window: str) -> list[Json]:
    """A fraction and its interval, under names that the band's overrides use."""
    return targets(
        (ratio(kind, window), "fraction"),
        (ratio(kind, window, "_lower"), "lower"),
        (ratio(kind, window, "_upper"), "upper"),
    )


def override(name: str, properties: Mapping[str, object]) -> Json:
    """Properties of the one series of a name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Json],
    options: Json,
    *,
    custom: Json | None = None,
    overrides: Sequence[Json] = (),
    decimals: int | None = None,
    minimum: float | None = 0,
) -> dict[str, object]:
    """A panel without its place."""
    defaults: dict[str, object] = {
        "unit": unit,
        "color": {"mode": "palette-classic"},
        "custom": custom or {},
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    if minimum is not None:
        defaults["min"] = minimum
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": list(queries),
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
    }


def series(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Json],
    *,
    overrides: Sequence[Json] = (),
    legend: bool = True,
    stacked: bool = False,
    decimals: int | None = None,
) -> dict[str, object]:
    """Lines over time; a gap stays a gap."""
    return panel(
        "timeseries",
        title,
        description,
        unit,
        queries,
        {
            "legend": {"showLegend": legend, "displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        custom={
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if stacked else 0,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        },
        overrides=overrides,
        decimals=decimals,
    )


def fraction(kind: str, window: str) -> dict[str, object]:
    """A fraction over time with its band."""
    what, colour = ("queries", BLUE) if kind == "query" else ("addresses", ORANGE)
    fixed = {"mode": "fixed", "fixedColor": colour}
    hidden = {"tooltip": False, "viz": False, "legend": True}
    return series(
        f"$topic: fraction of {what}, {ROLLING[window]}",
        f"Flagged {what} over all {what} of the rolling window {window}. {INTERVAL[kind]}"
        f" {CAUTION}",
        "percentunit",
        banded(kind, window),
        overrides=[
            override("fraction", {"color": fixed, "custom.lineWidth": 2}),
            override("lower", {"color": fixed, "custom.lineWidth": 0, "custom.hideFrom": hidden}),
            override(
                "upper",
                {
                    "color": fixed,
                    "custom.lineWidth": 0,
                    "custom.fillBelowTo": "lower",
                    "custom.fillOpacity": 20,
                    "custom.hideFrom": hidden,
                },
            ),
        ],
        legend=False,
        decimals=3,
    )


def closed(kind: str, window: str) -> dict[str, object]:
    """The figure of the last closed hour or week, with the ends of its interval."""
    what = "queries" if kind == "query" else "addresses"
    return panel(
        "stat",
        f"$topic: of {what}, {CALENDAR[window]}",
        f"Flagged {what} over all {what} of the {CALENDAR[window]} (UTC), and the ends of the"
        f" 95 % interval. {CAUTION}",
        "percentunit",
        banded(kind, window),
        {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name",
            "colorMode": "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "vertical",
            "wideLayout": True,
        },
        decimals=3,
    )


def volumes() -> list[dict[str, object]]:
    """How much there is to take a fraction of."""
    return [
        series(
            "Queries per second",
            "Keyword searches counted, per second.",
            "reqps",
            targets((f"rate(donkeywatch_queries_total{{{HERE}}}[$__rate_interval])", "queries")),
            legend=False,
        ),
        series(
            "Flagged queries per second",
            f"Flagged queries by topic, per second. {CAUTION}",
            "reqps",
            targets(
                (
                    "sum by (topic)"
                    f" (rate(donkeywatch_topic_queries_total{{{TOPIC}}}[$__rate_interval]))",
                    "{{topic}}",
                )
            ),
        ),
        series(
            "Queries in the window",
            "Keyword searches in each rolling window.",
            "short",
            targets(
                (f'donkeywatch_window_queries{{{HERE},window=~"1h|24h|7d"}}', "{{window}}"),
            ),
        ),
        series(
            "Addresses in the window",
            "Distinct addresses in each rolling window. One address may be many people, and one"
            " person may have many addresses.",
            "short",
            targets(
                (f'donkeywatch_window_addresses{{{HERE},window=~"1h|24h|7d"}}', "{{window}}"),
            ),
        ),
    ]


def plumbing() -> list[dict[str, object]]:
    """Whether the figures can be trusted."""
    return [
        series(
            "Coverage",
            "Share of each window for which the log was followed. Below 100 % the counts are too"
            " low, and the fractions are those of the part that was seen.",
            "percentunit",
            targets((f"donkeywatch_window_coverage_ratio{{{HERE}}}", "{{window}}")),
        ),
        series(
            "Lines by outcome",
            "Log lines per second by what became of them. Every line has exactly one outcome;"
            " no line of outcome `query` means that the format or the log level is wrong.",
            "cps",
            targets(
                (
                    f"sum by (outcome) (rate(donkeywatch_lines_total{{{HERE}}}[$__rate_interval]))",
                    "{{outcome}}",
                )
            ),
            stacked=True,
        ),
        series(
            "Bytes behind",
            "Bytes of each log on disk that are not counted yet.",
            "bytes",
            targets((f"donkeywatch_source_lag_bytes{{{HERE}}}", "{{source}}")),
        ),
        series(
            "Time behind",
            "Age of the newest event in each log, and of the last good checkpoint. The first"
            " grows when the server is quiet, the second when donkeywatch cannot store.",
            "s",
            targets(
                (
                    f"time() - donkeywatch_last_event_timestamp_seconds{{{HERE}}}",
                    "event in {{source}}",
                ),
                (f"time() - donkeywatch_last_commit_timestamp_seconds{{{HERE}}}", "checkpoint"),
            ),
        ),
    ]


def row(title: str, repeat: str | None = None) -> dict[str, object]:
    """The heading of the panels that follow; with ``repeat`` once per value of a variable."""
    repeated = {"repeat": repeat} if repeat else {}
    return {"type": "row", "title": title, "collapsed": False, "panels": [], **repeated}


def placed(rows: Sequence[tuple[int, int, Sequence[dict[str, object]]]]) -> list[Json]:
    """Number the panels and lay them out: (width, height, panels of one line or more)."""
    numbers, y, found = count(1), 0, list[Json]()
    for width, height, panels in rows:
        for i, one in enumerate(panels):
            x = i * width % 24
            place = {"x": x, "y": y + i * width // 24 * height, "w": width, "h": height}
            found.append({"id": next(numbers), **one, "gridPos": place})
        y += (len(panels) * width + 23) // 24 * height
    return found


def variable(name: str, label: str, query: str, **more: object) -> Json:
    """A variable with the values of a label."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor"},
        "refresh": 2,
        "sort": 1,
        **more,
    }


def variables() -> list[Json]:
    """Data source, job, instance and topics."""
    build = "donkeywatch_build_info"
    return [
        {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"},
        variable("job", "job", f"label_values({build}, job)"),
        variable("instance", "instance", f'label_values({build}{{job="$job"}}, instance)'),
        variable(
            "topic",
            "topic",
            f"label_values(donkeywatch_topic_queries_total{{{HERE}}}, topic)",
            multi=True,
            includeAll=True,
            current={"text": ["All"], "value": ["$__all"]},
        ),
    ]


def dashboard() -> Json:
    """The whole dashboard as plain data."""
    over_time = [fraction(kind, window) for window in ROLLING for kind in ("query", "address")]
    last = [closed(kind, window) for window in CALENDAR for kind in ("query", "address")]
    return {
        "uid": UID,
        "title": "donkeywatch: the two fractions",
        "description": "Which fraction of the queries, and of the addresses that send them, is"
        f" flagged. {CAUTION}",
        "tags": ["donkeywatch"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "weekStart": "monday",
        "time": {"from": "now-7d", "to": "now"},
        "refresh": "1m",
        "links": [],
        "annotations": {"list": []},
        "templating": {"list": variables()},
        "panels": placed(
            [
                (24, 1, [row("$topic", repeat="topic")]),
                (6, 5, last),
                (12, 8, over_time),
                (24, 1, [row("Volumes")]),
                (12, 7, volumes()),
                (24, 1, [row("Can the figures be trusted?")]),
                (12, 7, plumbing()),
            ]
        ),
    }


def rendered() -> str:
    """The dashboard as Grafana imports it."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    RENDERED.write_text(rendered(), encoding="utf-8")
