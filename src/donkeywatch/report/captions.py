"""What each figure shows, and why it may show nothing."""

from __future__ import annotations

import numpy as np

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.report.analysis import GROUPS, Analysis
from donkeywatch.report.database_series import FloatArray
from donkeywatch.report.hour_of_day_profiles import Profile
from donkeywatch.report.statistics.trend import GROWTH_WEEKS

CAPTIONS = {
    "1a": "Queries by week, and their centred mean over five weeks. Weeks that were not covered"
    " in full are hollow and in no line.",
    "1b": "Autocorrelation of the weekly queries. The grey bands are those of white noise, the"
    " orange one is Bartlett's.",
    "2": "Queries that are flagged, by week, as observed: ratio of sums. The interval takes the"
    " queries of one address as one cluster.",
    "3": "Addresses with at least one, two and three flagged queries, by week, as observed, with"
    " Wilson's interval.",
    "4a": "Queries by local hour of day, mean over days.",
    "4b": "Queries by local hour of day: each day's hour in a box-plot.",
    "5a": "Flagged queries by local hour of day, mean over days.",
    "5b": "Flagged queries by local hour of day: each day's hour in a box-plot.",
    "6a": "Fraction of queries that are flagged by local hour of day. The mean of hourly ratios"
    " weighs days alike, the ratio of sums weighs queries alike.",
    "6b": "Fraction of queries that are flagged by local hour of day: each day's hourly ratio in a"
    " box-plot.",
    "7a": "Fraction of addresses that are flagged by local hour of day, by the same two"
    " estimators.",
    "7b": "Fraction of addresses that are flagged by local hour of day: each day's hourly ratio in"
    " a box-plot.",
    "8": "Fraction of queries that are flagged in groups of countries, in local time.",
    "9": "The fraction by local hour of the topic it is compared with, all of it and"
    " what the other does not flag, and of the topic itself. Queries flagged as both are known by"
    " hour, and shared among countries as the rest of that hour's are.",
}
CORRECTED = (
    " The dashed curve is corrected for what the word list misses and for what it flags wrongly, as"
    " a validation record tells (Rogan-Gladen, interval of Lang and Reiczigel), in the weeks since"
    " the list was last changed. It is another quantity than the observed fraction."
)
SPLICED = (
    " The spliced curve multiplies the weeks before another word list took over by the factor at"
    " which it flagged the same queries while it ran beside the one in use; its interval holds the"
    " doubt of both."
)
GROWTH = (
    f" Shaded are the first and last {GROWTH_WEEKS} whole weeks of a stretch, with the means that"
    " the growth compares."
)
HOUR_FIGURES = "456789"
"""Figures by hour of day, by their first character."""
NO_WEEK = "no week counts yet: one does when 95 % of it was followed and no break lies inside"


def caption(name: str, analysis: Analysis) -> str:
    """The text under a figure; it says what is in this one, and why it is empty if it is."""
    text = CAPTIONS[name]
    if name == "2":
        text += GROWTH if any(trend.growth_weeks for trend in analysis.weeks.trends) else ""
        text += CORRECTED if analysis.corrected is not None else ""
        text += SPLICED if analysis.spliced is not None else ""
    reason = empty_reason(name, analysis)
    if name[0] in HOUR_FIGURES and not reason:
        text += f" Hours of {' to '.join(iso_utc(end)[:16] for end in analysis.span)} UTC."
    return f"{text} Nothing to show: {reason}." if reason else text


def empty_reason(name: str, analysis: Analysis) -> str | None:
    """Why a figure, or a part of it, shows nothing; None where it does."""
    weeks = analysis.weeks
    if name == "1a":
        closed = weeks.windows.stored & (weeks.windows.queries > 0)
        return None if closed.any() else "no closed week lies in the span of this report"
    if name == "1b":
        few = "there are fewer than three whole weeks, or all are alike"
        return few if analysis.cycle is None else None
    if name in ("2", "3"):
        return None if _is_known(weeks.queries.value) else NO_WEEK
    if name == "8":
        return _empty_countries(analysis)
    if not _has_hours(analysis.whole):
        return f"no whole hour counts by the rule {analysis.options.rule}"
    if name == "9" and analysis.whole_compared is None:
        return "there is no topic to compare with"
    return None


def _empty_countries(analysis: Analysis) -> str | None:
    if any(_has_hours(group) for group in analysis.groups.values()):
        return None
    groups = " or ".join(name.replace("+", ", ") for name in analysis.options.groups or GROUPS)
    there = ", ".join(analysis.countries) or "no country at all"
    return (
        f"no whole hour has queries from {groups}; there are queries from {there}"
        " (--countries chooses)"
    )


def _has_hours(profile: Profile) -> bool:
    return _is_known(profile.queries.value)


def _is_known(values: FloatArray) -> bool:
    return bool(np.isfinite(values).any())
