"""Several servers side by side, by instance."""

from __future__ import annotations

from boards.board import board, row
from boards.fractions import CAUTION
from boards.panels import VERMILION, Panel, coloured, series, table, timeline, words
from boards.queries import HERE, REJECTED, Json, instants, metric, rate, targets, variables

ENDS = ("", "_lower", "_upper")
DAY, WEEK = 'window="24h"', 'window="7d"'
UNION = f"and on (instance) {metric('fleet_servers', DAY)}"
NOT_UNION = f"unless on (instance) {metric('fleet_servers', DAY)}"


def of_all(window: str) -> str:
    """Flagged queries over queries of all chosen servers: a ratio of sums."""
    flagged = f"sum by (topic) ({metric('window_topic_queries', window, of_topic=True)})"
    queries = f"sum ({metric('window_queries', window)})"
    return f"{flagged} / on () group_left () ({queries} > 0)"


def fractions() -> list[Panel]:
    """The question, for each server and for all."""
    address = metric("window_address_ratio", WEEK, 'least="1"', of_topic=True)
    query = [metric(f"window_query_ratio{end}", WEEK, of_topic=True) for end in ENDS]
    return [
        series(
            "$topic: fraction of queries by server, last 7 days",
            "Flagged queries over queries of each server, and of all together as a ratio of sums."
            f" {CAUTION}",
            "percentunit",
            targets(
                (query[0], "{{instance}}"),
                (of_all(WEEK), "all servers"),
            ),
            overrides=coloured({"all servers": VERMILION}),
            decimals=3,
        ),
        series(
            "$topic: fraction of addresses by server, last 7 days",
            "Flagged addresses over addresses of each server. Servers without a fleet have keys"
            " of their own, so an address that was at two of them cannot be counted once; the"
            " instance of `fleet serve` has the exact union."
            f" {CAUTION}",
            "percentunit",
            targets((address, "{{instance}}")),
            decimals=3,
        ),
        table(
            "$topic: fraction of queries with its interval, last 7 days",
            "The newest fraction of each server and the ends of its 95 % interval, clustered by"
            " address. Servers whose intervals overlap may well not differ.",
            instants(*query),
            ["instance"],
            [("fraction", "percentunit"), ("lower", "percentunit"), ("upper", "percentunit")],
        ),
        series(
            "$topic: fraction of addresses of the union, last 24 hours",
            "Flagged addresses over addresses of all servers in the union, each address once, as"
            f" `fleet serve` counts them. {CAUTION}",
            "percentunit",
            targets(
                (
                    metric("window_address_ratio", DAY, 'least="1"', of_topic=True) + f" {UNION}",
                    "{{instance}}",
                )
            ),
            decimals=3,
        ),
        series(
            "$topic: has a level changed?",
            "CUSUM of the weekly query fraction of each server over its threshold, the higher of"
            " both directions: above 1 the level has changed.",
            "short",
            targets(
                (
                    f"max by (instance) ({metric('fraction_level_shift_score', of_topic=True)})",
                    "{{instance}}",
                )
            ),
            limit=1,
            decimals=2,
        ),
    ]


def union() -> list[Panel]:
    """What `fleet serve` has united, beside what is only added up."""
    addresses = metric("window_addresses", DAY)
    return [
        series(
            "Addresses of the union beside their sum, last 24 hours",
            "Distinct addresses of all servers, and what adding up the servers would give: the"
            " difference are addresses that asked at several.",
            "short",
            targets(
                (f"{addresses} {UNION}", "union"),
                (f"sum ({addresses} {NOT_UNION})", "sum of servers"),
                (metric("fleet_shared_addresses", DAY), "at several servers"),
            ),
        ),
        series(
            "Queries outside the union, last 24 hours",
            "Queries of servers that are not united: they had no key of the fleet when the week"
            " began, or have another word list.",
            "short",
            targets((metric("fleet_outside_queries", DAY), "{{instance}}")),
        ),
        series(
            "Hours that wait to be shipped",
            "Closed hours of each server that have not arrived at the fleet.",
            "short",
            targets((metric("fleet_pending_hours"), "{{instance}}")),
        ),
    ]


def servers() -> list[Panel]:
    """State and volume of each server."""
    return [
        timeline(
            "Scraped",
            "Whether each server answered Prometheus.",
            targets((f"up{{{HERE}}}", "{{instance}}")),
            words(zero="down", one="up"),
        ),
        timeline(
            "Ready",
            "Whether each server was ready: every log followed and read, the last commit good.",
            targets((metric("ready"), "{{instance}}")),
            words(zero="not ready", one="ready"),
        ),
        series(
            "Queries per second",
            "Keyword searches counted by each server, per second.",
            "reqps",
            targets((f"sum by (instance) ({rate('queries_total')})", "{{instance}}")),
            stacked=True,
        ),
        series(
            "Addresses, last 24 hours",
            "Distinct addresses at each server in 24 hours. They do not add up: an address may have"
            " been at several.",
            "short",
            targets((metric("window_addresses", DAY), "{{instance}}")),
        ),
        series(
            "Coverage, last 24 hours",
            "Share of the last 24 hours for which each server's log was followed.",
            "percentunit",
            targets((metric("window_coverage_ratio", DAY), "{{instance}}")),
            max=1,
        ),
        series(
            "Bytes behind",
            "Bytes of each server's logs on disk that are not counted yet.",
            "bytes",
            targets((f"sum by (instance) ({metric('source_lag_bytes')})", "{{instance}}")),
        ),
        table(
            "Versions",
            "What runs where, and the age of the newest event and of the last checkpoint.",
            instants(
                f"max by (instance, version) ({metric('build_info')})",
                f"time() - max by (instance) ({metric('last_event_timestamp_seconds')})",
                f"time() - max by (instance) ({metric('last_commit_timestamp_seconds')})",
            ),
            ["instance", "version"],
            [("running", "short"), ("newest event", "s"), ("last checkpoint", "s")],
        ),
        series(
            "Rejected lines",
            "Share of each server's lines that look like a search and could not be counted.",
            "percentunit",
            targets(
                (
                    "sum by (instance)"
                    f" ({rate('lines_total', REJECTED)})"
                    f" / (sum by (instance) ({rate('lines_total')}) > 0)",
                    "{{instance}}",
                )
            ),
        ),
    ]


def dashboard() -> Json:
    """The whole dashboard as plain data."""
    return board(
        "donkeywatch-fleet",
        f"Several servers side by side. {CAUTION}",
        "now-7d",
        variables(every_instance=True, topic=True),
        [
            row("$topic", repeat="topic"),
            (12, 8, fractions()),
            row("Union"),
            (12, 7, union()),
            row("Servers"),
            (12, 7, servers()),
        ],
    )
