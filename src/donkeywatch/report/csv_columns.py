"""The columns of every CSV file of a report, with their meanings; docs/method.md shows them."""

from __future__ import annotations

Columns = dict[str, str]

WEEK: Columns = {
    "week": "name of the ISO week, such as 2026-W40",
    "start_utc": "first moment of the week, ISO 8601 UTC",
}
FRACTION: Columns = {
    "fraction": "fraction as observed, 0 to 1",
    "lower_95": "lower end of its 95 % interval",
    "upper_95": "upper end of its 95 % interval",
}
WEEKLY_QUERIES: Columns = WEEK | {
    "queries": "queries of the week",
    "coverage": "part of the week for which the log was followed, 0 to 1",
    "whole": "1: the week counts in the figures",
    "mean_of_5_weeks": "centred mean of the whole weeks; empty unless all five are whole",
}
AUTOCORRELATION: Columns = {
    "lag_weeks": "lag",
    "r": "autocorrelation of the weekly queries",
    "pairs": "pairs of weeks it is made of",
    "flat_95": "half width of the 95 % band of white noise",
    "flat_99": "half width of the 99 % band of white noise",
    "bartlett_95": "half width of Bartlett's 95 % band",
}
WEEKLY_QUERY_FRACTION: Columns = (
    WEEK
    | {"queries": "queries of the week", "flagged": "flagged queries"}
    | FRACTION
    | {
        "design_effect": "by how much the variance exceeds that of independent queries",
        "corrected_fraction": "fraction corrected for errors of the detector; empty without a"
        " validation record that fits the lexicon of the week",
        "corrected_lower_95": "lower end of its 95 % interval (Lang and Reiczigel)",
        "corrected_upper_95": "upper end of the same",
        "spliced_fraction": "fraction as the last word list would have counted it, by the splice"
        " factors; empty unless it was asked for",
        "spliced_lower_95": "lower end of its 95 % interval",
        "spliced_upper_95": "upper end of the same",
        "stretch": "number of the stretch between breaks; nothing is compared across two",
        "growth_weeks": "`first` or `last`: of the 12 weeks whose means the growth compares",
        "cusum_alarm": "1: a live monitor would have told a shift of level",
        "stl_trend_logit": "trend of the logit by STL, from 104 weeks of a stretch on",
        "stl_season_logit": "its season",
        "stl_remainder_logit": "its remainder",
    }
)
WEEKLY_ADDRESS_FRACTION: Columns = (
    WEEK
    | {
        "addresses": "distinct addresses of the week",
        "at_least": "flagged queries that make an address a flagged one: 1, 2 or 3",
        "flagged_addresses": "addresses with as many",
    }
    | FRACTION
)
PROFILE: Columns = {
    "local_hour": "hour of the day in the country's zone, 0 to 23",
    "days": "days on which the hour counts",
    "value": "count per hour, or fraction from 0 to 1",
    "lower_95": "lower end of the 95 % interval; empty below 28 days",
    "upper_95": "upper end of the same",
}
ESTIMATOR: Columns = {
    "estimator": "`ratio_of_sums`, which weighs queries alike, or `mean_of_ratios`, which weighs"
    " days alike",
}
FRACTION_PROFILE: Columns = ESTIMATOR | PROFILE
COUNTRY_PROFILE: Columns = {"countries": "ISO codes of the group, joined by +"} | FRACTION_PROFILE
TOPIC_PROFILE: Columns = {
    "topic": "id of the topic that is flagged",
    "not_topic": "id of the topic that is not flagged in the same queries; empty for all of them",
} | FRACTION_PROFILE
BOX_PLOTS: Columns = {
    "local_hour": "hour of the day in the country's zone, 0 to 23",
    "days": "days on which the hour counts",
    "mean": "mean over days",
    "median": "median over days",
    "first_quartile": "a quarter of the days is below",
    "third_quartile": "a quarter of the days is above",
    "low_whisker": "lowest day within 1.5 interquartile ranges",
    "high_whisker": "highest day within the same",
    "days_outside": "days beyond the whiskers",
}
LOCAL_HOURS: Columns = {
    "local_day": "day in the country's zone, ISO 8601",
    "local_hour": "hour of that day, 0 to 23; only those known in full in all zones have a row",
    "queries": "queries",
    "flagged_queries": "flagged queries",
    "addresses": "distinct addresses, summed over countries",
    "flagged_addresses": "those with a flagged query",
}
HOUR_DIFFERENCES: Columns = {
    "local_hour": "hour of the day",
    "difference": "its fraction less that of the hour with the highest",
    "lower_95": "lower end of the 95 % interval",
    "upper_95": "upper end of the same",
    "p": "two-sided p-value",
    "p_holm": "the same corrected for the number of hours (Holm)",
}
GAPS: Columns = {
    "start_utc": "first hour that was not followed in full, ISO 8601 UTC",
    "end_utc": "first moment behind the last of them",
    "hours": "hours in between",
    "followed_hours": "for how many of them the log was followed all the same",
}
STUDY: Columns = {
    "figure": "number of the study's figure",
    "what": "what is compared",
    "study": "what the study printed",
    "this_database": "what this database says",
}
FILES: dict[str, Columns] = {
    "figure-1a.csv": WEEKLY_QUERIES,
    "figure-1b.csv": AUTOCORRELATION,
    "figure-2.csv": WEEKLY_QUERY_FRACTION,
    "figure-3.csv": WEEKLY_ADDRESS_FRACTION,
    **{f"figure-{number}.csv": PROFILE for number in ("4a", "5a")},
    **{f"figure-{number}.csv": FRACTION_PROFILE for number in ("6a", "7a")},
    "figure-8.csv": COUNTRY_PROFILE,
    "figure-9.csv": TOPIC_PROFILE,
    **{f"figure-{number}.csv": BOX_PLOTS for number in ("4b", "5b", "6b", "7b")},
    "hours.csv": LOCAL_HOURS,
    "hours-against-the-highest.csv": HOUR_DIFFERENCES,
    "gaps.csv": GAPS,
    "study.csv": STUDY,
}


def columns_markdown() -> str:
    """Every CSV file and its columns as Markdown, for docs/method.md."""
    by_columns: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, columns in FILES.items():
        by_columns.setdefault(tuple(columns.items()), []).append(f"`{name}`")
    return "\n".join(markdown_table(", ".join(n), dict(c)) for c, n in by_columns.items())


def markdown_table(title: str, columns: Columns) -> str:
    """Columns with their meanings as a Markdown table."""
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in columns.items())
    return f"{title}\n\n| column | meaning |\n|---|---|\n{rows}\n"
