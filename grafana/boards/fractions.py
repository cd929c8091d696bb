"""The question itself: what fraction of queries and of addresses is flagged, by topic."""

from __future__ import annotations

from boards.board import board, row
from boards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Panel,
    band,
    bars,
    coloured,
    series,
    stat,
    table,
    text,
)
from boards.queries import Json, instants, metric, rate, targets, variables

WINDOWS = {
    "7d": "the last 7 days",
    "24h": "the last 24 hours",
    "1h": "the last hour",
    "week": "the last closed week",
    "hour": "the last closed hour",
}
CAUTION = (
    "Flagged is what the operator's lexicon matches; a detector errs in both directions."
    " An address is not a person."
)
INTERVAL = {
    "queries": "The band is the 95 % interval, clustered by address.",
    "addresses": "The band is the 95 % interval (Wilson).",
}
COLOUR = {"queries": BLUE, "addresses": VERMILION}
READING = f"""\
**{CAUTION}** One address may be many people, and one person may have many addresses. Nothing here
says who the searchers are.

Each fraction stands in its 95 % interval. Hours and weeks are UTC. Grey marks are breaks: the word
list, the countries, the format or the normalisation changed, and what is before cannot be compared
with what is after. History from before Prometheus was set up is on donkeywatch's own page and in
its JSON API. With several instances chosen their lines are drawn over each other; *Fleet* compares
them.
"""


def ratio(what: str, window: str, end: str = "") -> str:
    """The expression of a fraction, or of an end of its interval."""
    kind, least = {"queries": ("query", []), "addresses": ("address", ['least="1"'])}[what]
    return metric(f"window_{kind}_ratio{end}", f'window="{window}"', *least, of_topic=True)


def ends(what: str, window: str) -> list[Json]:
    """A fraction and its interval, under names that the band's overrides use."""
    return targets(
        (ratio(what, window), "fraction"),
        (ratio(what, window, "_lower"), "lower"),
        (ratio(what, window, "_upper"), "upper"),
    )


def over_time(what: str, window: str) -> Panel:
    """A fraction over time with its band."""
    return band(
        f"$topic: fraction of {what}, {WINDOWS[window]}",
        f"Flagged {what} over all {what} of {WINDOWS[window]}, as it moved. {INTERVAL[what]}"
        f" {CAUTION}",
        "percentunit",
        ends(what, window),
        COLOUR[what],
    )


def corrected(window: str) -> Panel:
    """The corrected fraction of queries over time with its band."""
    ratio_of = "window_corrected_query_ratio"
    return band(
        f"$topic: corrected fraction of queries, {WINDOWS[window]}",
        "The fraction of queries corrected for what the lexicon misses and flags wrongly"
        " (Rogan-Gladen), with its 95 % interval (Lang-Reiczigel). It is another quantity than the"
        " observed fraction. Empty unless a validation record fits the loaded lexicon.",
        "percentunit",
        targets(
            *(
                (metric(f"{ratio_of}{end}", f'window="{window}"', of_topic=True), name)
                for end, name in (("", "fraction"), ("_lower", "lower"), ("_upper", "upper"))
            )
        ),
        GREEN,
    )


def now(what: str, window: str) -> Panel:
    """The newest fraction, with the ends of its interval."""
    return stat(
        f"$topic: of {what}, {WINDOWS[window]}",
        f"Flagged {what} over all {what} of {WINDOWS[window]} (UTC), and the ends of the 95 %"
        f" interval. {CAUTION}",
        "percentunit",
        ends(what, window),
        decimals=3,
    )


def level() -> Panel:
    """Whether the weeks tell of a change."""
    score = metric("fraction_level_shift_score", of_topic=True)
    return series(
        "$topic: has the level changed?",
        "CUSUM of the weekly query fraction over its threshold: above 1 the level went up or down"
        " by more than chance, slow growth and the season explain. 0 while there are fewer than"
        " nine whole weeks since the last break or alarm.",
        "short",
        targets((score, "{{direction}}")),
        overrides=coloured({"up": VERMILION, "down": BLUE}),
        limit=1,
        decimals=2,
    )


def drift() -> Panel:
    """Whether a category takes another share than it used to."""
    score = metric("category_share_shift_score", of_topic=True)
    return series(
        "$topic: does a category take another share?",
        "CUSUM of the weekly share of each category among the flagged queries over its threshold:"
        " above 1 it went silent or runs wild. Of categories with ten flagged queries in a week.",
        "short",
        targets((f"max by (category) ({score})", "{{category}}")),
        limit=1,
        decimals=2,
    )


def categories() -> Panel:
    """Which rule matched."""
    return series(
        "$topic: flagged queries by category",
        "Flagged queries per second by the category of the lexicon that matched first, so that the"
        f" categories add up. {CAUTION}",
        "reqps",
        targets(
            (
                f"sum by (category) ({rate('category_queries_total', of_topic=True)})",
                "{{category}}",
            )
        ),
        stacked=True,
    )


def of_the_day() -> Panel:
    """The fraction by local hour."""
    return bars(
        "$topic: fraction of queries by hour of the day",
        "Flagged queries over queries in each hour of the day, in the local time of each address's"
        " country; ratio of sums over the last four closed weeks, or those since the last break.",
        "percentunit",
        instants(metric("hour_of_day_query_ratio", of_topic=True)),
        "hour",
        BLUE,
    )


def by_country() -> Panel:
    """Countries with the counts behind their fractions."""
    week = 'window="week"'
    flagged = f"sum by (country) ({metric('window_country_topic_queries', week, of_topic=True)})"
    queries = f"sum by (country) ({metric('window_country_queries', week)})"
    return table(
        "$topic: countries, the last closed week",
        "Queries, flagged queries and their quotient by country of the address: the ten largest and"
        " the others; ZZ is unknown. Where few queries are flagged the fraction says little.",
        instants(queries, flagged, f"{flagged} / ({queries} > 0)"),
        ["country"],
        [("queries", "short"), ("flagged", "short"), ("fraction", "percentunit")],
    )


def volumes() -> list[Panel]:
    """How much there is to take a fraction of."""
    colours = {"1h": SKY, "24h": ORANGE, "7d": BLUE, "week": PURPLE}
    windows = 'window=~"1h|24h|7d"'
    weekly = 'window=~"7d|week"'
    return [
        series(
            "Queries a week",
            "Keyword searches of the last closed week, and of the last 7 days.",
            "short",
            targets((metric("window_queries", weekly), "{{window}}")),
            overrides=coloured(colours),
        ),
        series(
            "Addresses a week",
            "Distinct addresses of the last closed week, and of the last 7 days. One address may be"
            " many people, and one person may have many addresses.",
            "short",
            targets((metric("window_addresses", weekly), "{{window}}")),
            overrides=coloured(colours),
        ),
        series(
            "Queries in the rolling windows",
            "Keyword searches in each rolling window.",
            "short",
            targets((metric("window_queries", windows), "{{window}}")),
            overrides=coloured(colours),
        ),
        series(
            "Addresses in the rolling windows",
            "Distinct addresses in each rolling window.",
            "short",
            targets((metric("window_addresses", windows), "{{window}}")),
            overrides=coloured(colours),
        ),
        series(
            "Queries per second",
            "Keyword searches counted, per second.",
            "reqps",
            targets((f"sum by (instance) ({rate('queries_total')})", "{{instance}}")),
        ),
        bars(
            "Queries by hour of the day",
            "Keyword searches a day in each hour of the day, in the local time of each address's"
            " country; mean of the last four closed weeks, or of those since the last break.",
            "short",
            instants(metric("hour_of_day_queries")),
            "hour",
            BLUE,
        ),
    ]


def dashboard() -> Json:
    """The whole dashboard as plain data."""
    both = ("queries", "addresses")
    return board(
        "donkeywatch-fractions",
        "Which fraction of the queries, and of the addresses that send them, is flagged."
        f" {CAUTION}",
        "now-7d",
        variables(every_instance=False, topic=True),
        [
            row("$topic", repeat="topic"),
            (6, 5, [now(what, window) for window in ("7d", "week") for what in both]),
            (12, 8, [over_time(what, window) for window in WINDOWS for what in both]),
            (12, 8, [corrected(window) for window in ("7d", "week")]),
            (12, 8, [level(), drift(), categories(), of_the_day(), by_country()]),
            row("Volumes"),
            (12, 7, volumes()),
            row("How to read this"),
            (24, 6, [text("How to read this", READING)]),
        ],
    )
