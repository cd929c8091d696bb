"""Windows as CSV: one row per window and topic."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.publish.snapshot import WindowView

COLUMNS = (
    "window", "start", "end", "closed", "coverage", "queries", "addresses", "late", "topic",
    "flagged_queries", "query_fraction", "query_fraction_lower", "query_fraction_upper",
    "flagged_addresses_1", "flagged_addresses_2", "flagged_addresses_3",
    "address_fraction", "address_fraction_lower", "address_fraction_upper",
)  # fmt: skip


def windows_csv(views: Iterable[WindowView]) -> str:
    """The table with its heading; empty cells where there is no figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        for topic in view.topics:
            fraction, of_addresses = topic.query_fraction, topic.address_fractions[0]
            writer.writerow(
                [
                    view.kind, iso_utc(view.start), iso_utc(view.end), int(view.closed),
                    view.coverage,
                    view.queries, view.addresses, view.late, topic.topic, topic.queries,
                    *((fraction.value, fraction.lower, fraction.upper) if fraction else [""] * 3),
                    *(topic.addresses or [""] * 3),
                    *(
                        (of_addresses.value, of_addresses.lower, of_addresses.upper)
                        if of_addresses
                        else [""] * 3
                    ),
                ]
            )  # fmt: skip
    return out.getvalue()
