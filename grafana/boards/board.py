"""A dashboard: its conventions, and where its panels stand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from boards.panels import GREY, Panel
from boards.queries import Json, breaks

SCHEMA_VERSION = 42
COLUMNS = 24
TITLES = {
    "donkeywatch-fractions": "Fractions",
    "donkeywatch-health": "Measurement health",
    "donkeywatch-fleet": "Fleet",
}
"""Titles by uid; both stay, so that links and bookmarks do."""

Line = tuple[int, int, Sequence[Panel]]
"""Panels of the same width and height, in one line or more."""


def row(title: str, repeat: str | None = None) -> Line:
    """The heading of the panels that follow; with ``repeat`` once per value of a variable."""
    repeated = {"repeat": repeat} if repeat else {}
    return (
        COLUMNS,
        1,
        [{"type": "row", "title": title, "collapsed": False, "panels": [], **repeated}],
    )


def placed(lines: Sequence[Line]) -> list[Json]:
    """Number the panels and lay them out, from left to right and down."""
    numbers, y, items = count(1), 0, list[Json]()
    for width, height, panels in lines:
        for i, item in enumerate(panels):
            x = i * width % COLUMNS
            place = {"x": x, "y": y + i * width // COLUMNS * height, "w": width, "h": height}
            items.append({"id": next(numbers), **item, "gridPos": place})
        y += (len(panels) * width + COLUMNS - 1) // COLUMNS * height
    return items


def board(
    uid: str, description: str, span: str, variables: Sequence[Json], lines: Sequence[Line]
) -> Json:
    """A whole dashboard as plain data; ``span`` is how far back it looks at first."""
    links = [
        {
            "type": "link",
            "title": title,
            "url": f"/d/{other}",
            "icon": "dashboard",
            "includeVars": True,
            "keepTime": True,
        }
        for other, title in TITLES.items()
        if other != uid
    ]
    return {
        "uid": uid,
        "title": f"donkeywatch: {TITLES[uid]}",
        "description": description,
        "tags": ["donkeywatch"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "weekStart": "monday",
        "time": {"from": span, "to": "now"},
        "refresh": "1m",
        "links": links,
        "annotations": {"list": [breaks(GREY)]},
        "templating": {"list": list(variables)},
        "panels": placed(lines),
    }
