"""Windows as CSV: one row per window and topic."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.snapshot import WindowView

COLUMNS = {
    "window": "`hour` or `week`",
    "start": "first moment, ISO 8601 UTC",
    "end": "first moment behind it, ISO 8601 UTC",
    "closed": "1: the counts are final but for late lines",
    "coverage": "part of the window for which the log was followed, 0 to 1",
    "queries": "keyword searches",
    "addresses": "distinct addresses; empty until the window is closed",
    "late": "queries that came after it was closed",
    "topic": "id of the topic in the lexicon",
    "flagged_queries": "queries that the lexicon flags for it",
    "query_fraction": "flagged queries over queries, as observed",
    "query_fraction_lower": "lower end of its 95 % interval, clustered by address",
    "query_fraction_upper": "upper end of the same",
    "flagged_addresses_1": "addresses with at least one flagged query",
    "flagged_addresses_2": "with at least two",
    "flagged_addresses_3": "with at least three",
    "address_fraction": "addresses with at least one flagged query over addresses, as observed",
    "address_fraction_lower": "lower end of its 95 % interval (Wilson)",
    "address_fraction_upper": "upper end of the same",
    "corrected_query_fraction": "the query fraction corrected for errors of the detector; empty"
    " unless a validation record fits the lexicon of the window",
    "corrected_query_fraction_lower": "lower end of its 95 % interval (Lang and Reiczigel)",
    "corrected_query_fraction_upper": "upper end of the same",
}
"""Columns of the table with their meanings."""


def windows_csv(views: Iterable[WindowView]) -> str:
    """The table with its heading; empty cells where there is no figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        for topic in view.topics:
            writer.writerow(
                [
                    view.kind, iso_utc(view.start), iso_utc(view.end), int(view.closed),
                    view.coverage,
                    view.queries, view.addresses, view.late, topic.topic, topic.queries,
                    *_interval(topic.query_fraction), *(topic.addresses or [""] * 3),
                    *_interval(topic.address_fractions[0]), *_interval(topic.corrected),
                ]
            )  # fmt: skip
    return out.getvalue()


def _interval(estimate: Estimate | None) -> tuple[float | str, ...]:
    """A fraction and the ends of its interval; empty cells where it is not known."""
    return (estimate.value, estimate.lower, estimate.upper) if estimate else ("",) * 3
