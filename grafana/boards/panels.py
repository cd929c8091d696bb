"""Kinds of panels, each with its description, unit and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from boards.queries import DATASOURCE, Json

BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#999999"
"""Okabe & Ito's colours: told apart with any kind of colour vision."""

Panel = dict[str, object]


def named(name: str, properties: Mapping[str, object]) -> Json:
    """Properties of the one series, or column, of a name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def coloured(colours: Mapping[str, str]) -> list[Json]:
    """A fixed colour for each series whose name is known."""
    return [
        named(name, {"color": {"mode": "fixed", "fixedColor": colour}})
        for name, colour in colours.items()
    ]


def _panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Json],
    options: Json,
    *,
    custom: Json,
    overrides: Sequence[Json],
    **defaults: object,
) -> Panel:
    settled: dict[str, object] = {
        "unit": unit,
        "color": {"mode": "palette-classic"},
        "custom": custom,
        **defaults,
    }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": list(queries),
        "options": options,
        "fieldConfig": {"defaults": settled, "overrides": list(overrides)},
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
    bars: bool = False,
    limit: float | None = None,
    **defaults: object,
) -> Panel:
    """Lines or bars over time; a gap stays a gap, and ``limit`` is drawn as a dashed line."""
    custom: dict[str, object] = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if bars else 30 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        steps = [{"color": "transparent", "value": None}, {"color": VERMILION, "value": limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    options = {
        "legend": {"showLegend": legend, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel(
        "timeseries", title, description, unit, queries, options,
        custom=custom, overrides=overrides, **{"min": 0, **defaults},
    )  # fmt: skip


def band(title: str, description: str, unit: str, queries: Sequence[Json], colour: str) -> Panel:
    """A line named `fraction` in the band between `lower` and `upper`."""
    fixed = {"mode": "fixed", "fixedColor": colour}
    hidden = {"tooltip": False, "viz": False, "legend": True}
    edge = {"color": fixed, "custom.lineWidth": 0, "custom.hideFrom": hidden}
    filled = {"custom.fillBelowTo": "lower", "custom.fillOpacity": 20}
    overrides = [
        named("fraction", {"color": fixed, "custom.lineWidth": 2}),
        named("lower", edge),
        named("upper", {**edge, **filled}),
    ]
    return series(title, description, unit, queries, overrides=overrides, legend=False, decimals=3)


def stat(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Json],
    *,
    names: bool = True,
    **defaults: object,
) -> Panel:
    """Figures of now; with a mapping the meaning stands in words, not in colour alone."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if names else "value",
        "colorMode": "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "vertical",
        "wideLayout": True,
    }
    return _panel(
        "stat", title, description, unit, queries, options,
        custom={}, overrides=(), **{"min": 0, **defaults},
    )  # fmt: skip


def words(**meanings: str) -> Json:
    """Value mappings: what 0 and 1, given as ``zero`` and ``one``, are called."""
    numbers = {"zero": "0", "one": "1"}
    return {
        "type": "value",
        "options": {numbers[key]: {"text": text} for key, text in meanings.items()},
    }


def bars(
    title: str, description: str, unit: str, queries: Sequence[Json], by: str, colour: str
) -> Panel:
    """A bar for each value of a label, now, in the label's order."""
    options = {
        "xField": by,
        "orientation": "vertical",
        "showValue": "never",
        "stacking": "none",
        "barWidth": 0.9,
        "groupWidth": 0.7,
        "xTickLabelRotation": 0,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    result = _panel(
        "barchart", title, description, unit, queries, options,
        custom={"fillOpacity": 80, "lineWidth": 1}, min=0,
        overrides=coloured({"Value": colour}),
    )  # fmt: skip
    result["transformations"] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": [by, "Value"]}}},
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": by}]}},
    ]
    return result


def table(
    title: str,
    description: str,
    queries: Sequence[Json],
    by: Sequence[str],
    columns: Sequence[tuple[str, str]],
) -> Panel:
    """A row for each value of some labels; ``columns`` are title and unit of each query."""
    result = _panel(
        "table", title, description, "short", queries,
        {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0][0],
         "desc": True}]},
        custom={"align": "auto", "filterable": False},
        overrides=[named(name, {"unit": unit}) for name, unit in columns],
    )  # fmt: skip
    values = [f"Value #{query['refId']}" for query in queries]
    renamed = dict(zip(values, (name for name, _ in columns), strict=True))
    result["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": [*by, *values]}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: i for i, name in enumerate([*by, *values])},
                "renameByName": renamed,
            },
        },
    ]
    return result


def timeline(title: str, description: str, queries: Sequence[Json], mapping: Json) -> Panel:
    """What a state was, over time, in words."""
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.8,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    steps = [{"color": VERMILION, "value": None}, {"color": BLUE, "value": 1}]
    return _panel(
        "state-timeline", title, description, "short", queries, options,
        custom={"fillOpacity": 70, "lineWidth": 0}, overrides=(), mappings=[mapping],
        color={"mode": "thresholds"}, thresholds={"mode": "absolute", "steps": steps},
    )  # fmt: skip


def text(title: str, content: str) -> Panel:
    """Words that belong to the figures."""
    return {
        "type": "text",
        "title": title,
        "description": "How to read what is shown here.",
        "options": {"mode": "markdown", "content": content},
    }
