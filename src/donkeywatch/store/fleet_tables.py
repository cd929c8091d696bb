"""The tables that only a server of a fleet, or the union of one, has anything in."""

from __future__ import annotations

from donkeywatch.store.table_model import KIND, START, Column, Table

FLEET_OUTBOX = Table(
    "fleet_outbox",
    "closed hours whose rows go to a fleet; empty without one",
    ("hour",),
    (
        Column("hour", int, "start of the hour, ms since 1970-01-01 UTC"),
        Column("version", int, "the higher, the later it was closed; a time, ms UTC, or more"),
        Column("shipped", int, "version that has arrived; 0 for none"),
    ),
)
FLEET_WINDOWS = Table(
    "fleet_windows",
    "which servers are in the figures of a window of a fleet; empty on a server",
    ("kind", "start"),
    (
        KIND,
        START,
        Column("servers", str, "names of the servers that are in it, as a JSON list"),
        Column("outside", str, "JSON object: by server why hours of it are not in, and how many"),
        Column("outside_queries", int, "queries that are known and not in the figures"),
        Column("shared_addresses", int, "distinct addresses that asked at more than one server"),
    ),
)
