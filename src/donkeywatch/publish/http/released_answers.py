"""The released figures as documents: JSON, and CSV with one row per window and topic."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from donkeywatch.counting.calendar import iso_utc, week_name
from donkeywatch.publish.http.released_reader import ReleasedWindow

COLUMNS = {
    "window": "`hour` or `week`",
    "start": "first moment, ISO 8601 UTC",
    "country": "ISO 3166 code at arrival; empty for all countries together",
    "queries": "keyword searches, rounded to 5; empty in a week of fewer than 100 addresses",
    "addresses": "distinct addresses, rounded to 5",
    "coverage": "part of the window for which the log was followed, 0 to 1",
    "topic": "id of the topic in the lexicon; empty where none may be told",
    "flagged_queries": "queries that the lexicon flags for it, rounded to 5",
    "query_fraction": "flagged queries over queries, of the rounded counts",
    "query_fraction_lower": "lower end of its 95 % interval, an address being one trial",
    "query_fraction_upper": "upper end of the same",
    "flagged_addresses": "addresses with at least one flagged query, rounded to 5",
    "address_fraction": "flagged addresses over addresses, of the rounded counts",
    "address_fraction_lower": "lower end of its 95 % interval (Wilson)",
    "address_fraction_upper": "upper end of the same",
}
"""Columns of the table with their meanings."""


def to_document(name: str, windows: Iterable[ReleasedWindow]) -> dict[str, Any]:
    """A JSON document with a list of windows under a name."""
    return {"release": "guarded", name: [_window(window) for window in windows]}


def _window(window: ReleasedWindow) -> dict[str, Any]:
    named: dict[str, Any] = {"country": window.country} if window.country else {}
    if window.kind == "week":
        named["week"] = week_name(window.start)
    topics = [{"topic": topic, **figures} for topic, figures in window.topics.items()]
    return {**named, "start": iso_utc(window.start), **window.totals, "topics": topics}


def to_csv(windows: Iterable[ReleasedWindow]) -> str:
    """The table with its heading; empty cells where nothing is told."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMNS), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for window in windows:
        row = {
            "window": window.kind,
            "start": iso_utc(window.start),
            "country": window.country,
            **window.totals,
        }
        for topic, figures in window.topics.items():
            writer.writerow({**row, "topic": topic, **_flat(figures)})
        if not window.topics:
            writer.writerow(row)
    return out.getvalue()


def _flat(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures with the ends of each interval beside its fraction."""
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        if name.endswith("_fraction"):
            ends: Sequence[Any] = value or (None,) * 3
            flat |= dict(zip((name, f"{name}_lower", f"{name}_upper"), ends, strict=True))
        else:
            flat[name] = value
    return flat
