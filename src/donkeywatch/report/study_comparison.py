"""The study's figures beside those of a database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from donkeywatch.counting.calendar import week_name
from donkeywatch.report.analysis import Analysis
from donkeywatch.report.hour_of_day_profiles import Curve
from donkeywatch.report.statistics.daily_curve import Extremes, extremes
from donkeywatch.report.statistics.trend import GROWTH_WEEKS
from donkeywatch.report.weekly_series import Fractions, Trend


class Row(NamedTuple):
    """One figure: what it is, what the study printed, what this database says."""

    figure: str
    what: str
    study: str
    this_database: str


UNKNOWN = "not known"
NO_WEEK = "no week counts yet"
NO_STRETCH = f"no stretch of {2 * GROWTH_WEEKS} whole weeks without a break"
NO_HOUR = "an hour of the day never counts, or has none"
NO_INTERVAL = "too few days"


def comparison_rows(analysis: Analysis) -> list[Row]:
    """All rows, in the order of the study's figures."""
    return [
        *_totals(analysis), *_weeks(analysis), *_fractions(analysis), *_counts(analysis),
        *_shares(analysis),
        *_countries(analysis), *_comparison(analysis),
    ]  # fmt: skip


def _totals(analysis: Analysis) -> list[Row]:
    hours = analysis.hours
    kept, stored = int(analysis.keep.sum()), int(hours.stored.sum())
    queries = int(hours.queries[hours.stored].sum())
    return [
        Row("", "queries", "1,290,377,956", f"{queries:,}"),
        Row("", "hours", "24,544", f"{stored:,}; {kept:,} of them count in the figures"),
        Row("", "distinct addresses", "82,264,897", "cannot be had: keys are destroyed by week"),
    ]


def _weeks(analysis: Analysis) -> list[Row]:
    queries, weeks = analysis.weeks.queries_or_nan, analysis.weeks.windows
    rows = []
    known = not np.isnan(queries).all() if len(queries) else False
    for what, study, at in (
        ("mean queries per week", "8.7 million", None),
        ("busiest week", "11,008,609", np.nanargmax(queries) if known else 0),
        ("quietest week", "5,332,788 (20 h of it without the server)",
         np.nanargmin(queries) if known else 0),
    ):  # fmt: skip
        here = NO_WEEK
        if known and at is None:
            here = f"{np.nanmean(queries):,.0f}"
        elif known and at is not None:
            name, covered = week_name(int(weeks.start[at])), weeks.coverage[at]
            here = f"{queries[at]:,.0f} ({name}, covered {_percent(covered, 1)})"
        rows.append(Row("1a", what, study, here))
    cycle, here = analysis.cycle, "fewer than 53 weeks"
    if cycle is not None and len(cycle.r) > 52:
        here = (
            f"r = {cycle.r[52]:z.2f} of {cycle.pairs[52]} pairs; 99 % band of white noise"
            f" ±{cycle.flat99:z.2f}, Bartlett ±{cycle.bartlett[52]:z.2f}"
        )
    rows.append(Row("1b", "yearly cycle, lag 52", "a cycle near lag 52", here))
    return rows


def _fractions(analysis: Analysis) -> list[Row]:
    grown = [
        f"by {t.growth.value:z.2f} ({t.growth.lower:z.2f} to {t.growth.upper:z.2f})"
        f" over weeks {t.first + 1} to {t.last}"
        for t in analysis.weeks.trends
        if t.growth is not None
    ]
    growth_text = "; ".join(grown) or NO_STRETCH
    queries, addresses = analysis.weeks.queries, analysis.weeks.addresses[0]
    return [
        Row(
            "2",
            "queries flagged, first and last weeks",
            "below 0.2 %, 0.45 %",
            _first_and_last(queries, analysis.weeks.trends),
        ),
        Row("2", "growth, last 12 weeks over first 12", "0.45 over less than 0.2", growth_text),
        Row(
            "3",
            "addresses flagged, first and last weeks",
            "0.25 %, 0.7 %",
            _first_and_last(addresses, analysis.weeks.trends),
        ),
        Row("3", "highest week", "0.8 %", _highest(addresses)),
    ]


def _counts(analysis: Analysis) -> list[Row]:
    rows = []
    for figure, what, curve, study in (
        ("4", "queries per hour", analysis.whole.queries, ("21,851 at 5", "80,518 at 19", "3.68")),
        ("5", "flagged queries per hour", analysis.whole.flagged,
         ("118.0 at 5", "226.7 at 18", "1.92")),
    ):  # fmt: skip
        extreme = extremes(curve.value, curve.replicates, curve.levels)
        low, high = _extreme(curve, extreme, "{:z,.1f}", 1)
        rows += [
            Row(figure, f"{what}: lowest local hour", study[0], low),
            Row(figure, f"{what}: highest local hour", study[1], high),
            Row(figure, f"{what}: highest over lowest", study[2], _ratio(extreme)),
        ]
    return rows


def _shares(analysis: Analysis) -> list[Row]:
    rows = []
    for name, curve in analysis.whole.query_fraction.items():
        extreme = extremes(curve.value, curve.replicates, curve.levels)
        low, high = _extreme(curve, extreme, "{:z.3f} %", 100)
        published = "0.649 % at 5" if name == "mean_of_ratios" else "not given"
        least = "0.248 % at 12" if name == "mean_of_ratios" else "not given"
        label = name.replace("_", " ")
        rows += [
            Row("6", f"queries flagged, {label}: highest local hour", published, high),
            Row("6", f"queries flagged, {label}: lowest local hour", least, low),
            Row("6", f"queries flagged, {label}: highest over lowest", "2.62 (0.649 over 0.248)"
                if name == "mean_of_ratios" else "not given", _ratio(extreme)),
        ]  # fmt: skip
    for name, curve in analysis.whole.address_fraction.items():
        extreme = extremes(curve.value, curve.replicates, curve.levels)
        _, high = _extreme(curve, extreme, "{:z.3f} %", 100)
        label = name.replace("_", " ")
        rows.append(Row("7", f"addresses flagged, {label}: highest local hour", "not given", high))
    return rows


def _countries(analysis: Analysis) -> list[Row]:
    rows = []
    for group, findings_of_group in analysis.groups.items():
        curve = findings_of_group.query_fraction[analysis.options.estimator]
        _, high = _extreme(
            curve, extremes(curve.value, curve.replicates, curve.levels), "{:z.3f} %", 100
        )
        rows.append(Row("8", f"{group}: highest local hour", "not given", high))
    for pair in analysis.pairs:
        late = pair.lag
        what = f"day of {pair.first} later than that of {pair.second}, local hours"
        here = f"{late.value:+z.2f} ({late.lower:+z.2f} to {late.upper:+z.2f})"
        rows.append(Row("8", what, "not given", here if math.isfinite(late.lower) else NO_INTERVAL))
        if pair.difference is not None:
            d = pair.difference
            rows.append(
                Row(
                    "8", f"{pair.first} less {pair.second}, mean over the hours", "not given",
                    f"{d.value * 100:+z.3f} points"
                    f" ({d.lower * 100:+z.3f} to {d.upper * 100:+z.3f}),"
                    f" p = {d.p_holm:z.2g} by Holm",
                )
            )  # fmt: skip
    return rows


def _comparison(analysis: Analysis) -> list[Row]:
    rows = []
    if analysis.whole_compared is not None:
        curve = analysis.whole_compared.query_fraction[analysis.options.estimator]
        extreme = extremes(curve.value, curve.replicates, curve.levels)
        low, high = _extreme(curve, extreme, "{:z.3f} %", 100)
        name = analysis.comparison
        rows += [
            Row("9", f"{name}: highest local hour", "not given", high),
            Row("9", f"{name}: lowest local hour", "not given", low),
        ]
    shares = analysis.concentration
    rows.append(
        Row(
            "", "queries flagged, an address counted once an hour (capped)", "not given",
            "no hour counts" if math.isnan(shares.observed) else
            f"{_percent(shares.capped)}, where {_percent(shares.observed)} are observed",
        )
    )  # fmt: skip
    for what, share in (
        ("busiest address", shares.top_1),
        ("ten busiest addresses", shares.top_10),
    ):
        if share is not None:
            rows.append(
                Row(
                    "",
                    f"flagged queries of a week from its {what}",
                    "not given",
                    f"{_percent(share, 1)}",
                )
            )
    return rows


def _percent(fraction: float, digits: int = 3) -> str:
    return f"{fraction * 100:z.{digits}f} %" if math.isfinite(fraction) else UNKNOWN


def _first_and_last(fractions: Fractions, trends: Sequence[Trend]) -> str:
    """Means of the first and last weeks of each stretch, as figure 2 marks them."""
    ends = [
        ", ".join(_percent(float(fractions.value[weeks].mean())) for weeks in trend.growth_weeks)
        for trend in trends
        if trend.growth_weeks is not None
    ]
    return f"{'; '.join(ends)} (means of {GROWTH_WEEKS} weeks)" if ends else NO_STRETCH


def _highest(fractions: Fractions) -> str:
    if np.isnan(fractions.value).all():
        return NO_WEEK
    at = int(np.nanargmax(fractions.value))
    ends = [_percent(part[at]) for part in (fractions.value, fractions.lower, fractions.upper)]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def _extreme(curve: Curve, extreme: Extremes | None, form: str, scale: float) -> tuple[str, str]:
    """Lowest and highest hour with their values, intervals, and the other hours it may be."""
    if extreme is None:
        return NO_HOUR, NO_HOUR
    return (
        _hour_text(curve, extreme.trough, extreme.lowest, form, scale),
        _hour_text(curve, extreme.peak, extreme.highest, form, scale),
    )


def _hour_text(curve: Curve, hour: int, likely: Sequence[int], form: str, scale: float) -> str:
    ends = [form.format(float(part[hour]) * scale) for part in (curve.lower, curve.upper)]
    hour_text = f"{form.format(float(curve.value[hour]) * scale)} at {hour}"
    if math.isfinite(curve.lower[hour]):
        hour_text += f" ({ends[0]} to {ends[1]})"
    others = sorted(set(likely) - {hour})
    return hour_text + (f"; or at {', '.join(map(str, others))}" if others else "")


def _ratio(extreme: Extremes | None) -> str:
    if extreme is None:
        return NO_HOUR
    if not math.isfinite(extreme.lower):
        return f"{extreme.ratio:z.2f}"
    if not math.isfinite(extreme.upper):
        return f"{extreme.ratio:z.2f} ({extreme.lower:z.2f} or more)"
    return f"{extreme.ratio:z.2f} ({extreme.lower:z.2f} to {extreme.upper:z.2f})"
