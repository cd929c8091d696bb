"""The figures by week: queries, their autocorrelation, and both fractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from donkeywatch.counting.calendar import DAY, WEEK
from donkeywatch.report import plot_elements
from donkeywatch.report.analysis import Analysis
from donkeywatch.report.captions import empty_reason
from donkeywatch.report.database_series import SERIES_BREAKS, FloatArray, IntArray
from donkeywatch.report.plot_elements import BLUE, DARK, GREY, ORANGE, PERCENT, SERIES
from donkeywatch.report.statistics.trend import GROWTH_WEEKS, expit
from donkeywatch.report.weekly_series import QUERY_BREAKS, Fractions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def weekly_queries(analysis: Analysis) -> Figure:
    """1a: queries of each week, and their centred mean over five."""
    figure, (axes,) = plot_elements.new_figure()
    weeks = analysis.weeks.windows
    x, queries = plot_elements.dates(weeks.start, weeks.length), analysis.weeks.queries_or_nan
    unit, word = _unit(queries if not np.isnan(queries).all() else weeks.queries)
    times = [each.time / DAY for each in analysis.breaks if each.kind in QUERY_BREAKS]
    plot_elements.draw_interval(
        axes, x, (queries / unit,) * 3, (BLUE, "-", "o"), "queries in a week", times
    )
    part = weeks.stored & ~analysis.weeks.whole & (weeks.queries > 0)
    if part.any():
        axes.plot(
            x[part], weeks.queries[part] / unit, "o", markerfacecolor="none", color=BLUE,
            label="week not covered in full",
        )  # fmt: skip
    mean = analysis.weeks.rolling(analysis.breaks) / unit
    if not np.isnan(mean).all():
        at, line = plot_elements.insert_gaps(x, [mean], times)
        axes.plot(
            at, line, color=ORANGE, linewidth=4.5, alpha=0.75, zorder=1.8,
            label="mean of 5 weeks, centred",
        )  # fmt: skip
    axes.set_ylabel(f"queries per week{word}")
    plot_elements.draw_placeholder(axes, empty_reason("1a", analysis))
    plot_elements.from_zero(axes)
    plot_elements.draw_breaks(axes, analysis.breaks)
    plot_elements.format_date_axis(axes, x)
    plot_elements.legend(axes)
    return figure


def autocorrelation(analysis: Analysis) -> Figure:
    """1b: autocorrelation of the weekly queries."""
    figure, (axes,) = plot_elements.new_figure()
    cycle = analysis.cycle
    axes.set_xlabel("lag (weeks)")
    axes.set_ylabel("autocorrelation of weekly queries")
    if cycle is None:
        plot_elements.draw_placeholder(axes, empty_reason("1b", analysis))
        axes.set_xticks([])
        return figure
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.set_ylim(-1.05, 1.05)
    lags = np.arange(len(cycle.r))
    axes.vlines(lags, 0, cycle.r, color=BLUE, linewidth=1.2)
    axes.plot(lags, cycle.r, "o", color=BLUE, markersize=3)
    for width, line, label in ((cycle.flat95, "--", "95 %"), (cycle.flat99, ":", "99 %")):
        for sign in (1, -1):
            axes.axhline(
                sign * width, linestyle=line, color=GREY, linewidth=1,
                label=f"{label} band of white noise" if sign == 1 else None,
            )  # fmt: skip
    axes.fill_between(
        lags[1:], -cycle.bartlett[1:], cycle.bartlett[1:], color=ORANGE, alpha=0.25,
        linewidth=0, label="95 % band of Bartlett",
    )  # fmt: skip
    axes.set_xlim(-0.8, len(lags) - 0.2)
    axes.set_xticks(range(0, len(lags), 4 if len(lags) > 12 else 1))
    plot_elements.legend(axes)
    return figure


def weekly_query_fraction(analysis: Analysis) -> Figure:
    """2: flagged queries over queries by week, observed and corrected, with trends and growth."""
    figure, (axes,) = plot_elements.new_figure()
    series = [(analysis.weeks.queries, "observed, with 95 % interval by address")]
    if analysis.corrected is not None:
        series.append((analysis.corrected, "corrected (Rogan-Gladen), with 95 % interval"))
    if analysis.spliced is not None:
        series.append((analysis.spliced, "spliced across word lists, with 95 % interval"))
    x = _weekly(axes, analysis, series)
    _draw_growth(axes, analysis, x)
    label: str | None = "trend (Sen's slope of the logit)"
    for trend in analysis.weeks.trends:
        if trend.slope is not None:
            at = np.arange(trend.last - trend.first, dtype=np.float64)
            line = expit(trend.slope.intercept + trend.slope.value * at) * PERCENT
            line[np.isnan(analysis.weeks.queries.value[trend.first : trend.last])] = np.nan
            axes.plot(x[trend.first : trend.last], line, color=ORANGE, linewidth=2, label=label)
            label = None
    alarms = [at for trend in analysis.weeks.trends for at in trend.alarms]
    if alarms:
        top = analysis.weeks.queries.upper[alarms] * PERCENT
        axes.plot(x[alarms], top, "v", color=DARK, markersize=5, label="shift of level (CUSUM)")
    axes.set_ylabel("flagged queries (% of queries)")
    plot_elements.draw_placeholder(axes, empty_reason("2", analysis))
    plot_elements.legend(axes)
    return figure


def _draw_growth(axes: Axes, analysis: Analysis, x: FloatArray) -> None:
    """Shade the first and last weeks that a growth compares, each with its mean."""
    label: str | None = f"mean of the first or last {GROWTH_WEEKS} weeks"
    half = WEEK / DAY / 2
    for trend in analysis.weeks.trends:
        for weeks in trend.growth_weeks or ():
            edges = (x[weeks[0]] - half, x[weeks[-1]] + half)
            mean = float(analysis.weeks.queries.value[weeks].mean()) * PERCENT
            axes.axvspan(*edges, color=GREY, alpha=0.12, linewidth=0, zorder=0.5)
            axes.plot(edges, (mean, mean), color=DARK, linewidth=1.2, linestyle=":", label=label)
            axes.annotate(
                f"{mean:z.3f} %", (float(np.mean(edges)), 0), xycoords=("data", "axes fraction"),
                xytext=(0, 4), textcoords="offset points", ha="center", fontsize=7, color=DARK,
            )  # fmt: skip
            label = None


def weekly_address_fraction(analysis: Analysis) -> Figure:
    """3: addresses with at least 1, 2 and 3 flagged queries over addresses, by week."""
    figure, (axes,) = plot_elements.new_figure()
    labels = ("1 flagged query or more", "2 or more", "3 or more")
    _weekly(axes, analysis, list(zip(analysis.weeks.addresses, labels, strict=True)))
    axes.set_ylabel("flagged addresses (% of addresses)")
    plot_elements.draw_placeholder(axes, empty_reason("3", analysis))
    plot_elements.legend(axes)
    return figure


def _weekly(axes: Axes, analysis: Analysis, series: Sequence[tuple[Fractions, str]]) -> FloatArray:
    """Fractions by week with gaps, breaks and dates; returns the places of the weeks."""
    weeks = analysis.weeks.windows
    x = plot_elements.dates(weeks.start, weeks.length)
    times = [each.time / DAY for each in analysis.breaks if each.kind in SERIES_BREAKS]
    for (each, label), look in zip(series, SERIES, strict=False):
        ends = (each.value * PERCENT, each.lower * PERCENT, each.upper * PERCENT)
        plot_elements.draw_interval(axes, x, ends, look, label, times)
    plot_elements.from_zero(axes)
    plot_elements.draw_breaks(axes, analysis.breaks)
    plot_elements.format_date_axis(axes, x)
    return x


def _unit(values: FloatArray | IntArray) -> tuple[float, str]:
    """A divisor that keeps the axis readable, and its word."""
    top = float(np.nanmax(values)) if len(values) else 0.0
    if top >= 1e6:
        return 1e6, " (millions)"
    return (1e3, " (thousands)") if top >= 1e4 else (1.0, "")
