"""The study's nine figures, drawn from findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from donkeywatch.counting.calendar import DAY
from donkeywatch.report import plot_elements
from donkeywatch.report.database_series import SERIES_BREAKS, FloatArray, IntArray
from donkeywatch.report.findings import Findings
from donkeywatch.report.hour_profiles import Curve, Profile, boxes, hourly_ratios
from donkeywatch.report.plot_elements import BLUE, DARK, GREY, ORANGE, PERCENT, SERIES
from donkeywatch.report.statistics.trend import expit
from donkeywatch.report.weekly_series import QUERY_BREAKS, Fractions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"ratio_of_sums": "ratio of sums", "mean_of_ratios": "mean of hourly ratios"}
HOURS = np.arange(24, dtype=np.float64)
CURVE_OFFSET = 0.24
"""How far apart the points of several curves stand, in hours."""


def weekly_queries(findings: Findings) -> Figure:
    """1a: queries of each week, and their centred mean over five."""
    figure, (axes,) = plot_elements.new_figure()
    weeks = findings.weeks.windows
    x, queries = plot_elements.dates(weeks.start, weeks.length), findings.weeks.queries_or_nan
    unit, word = _unit(queries if not np.isnan(queries).all() else weeks.queries)
    times = [each.time / DAY for each in findings.breaks if each.kind in QUERY_BREAKS]
    plot_elements.draw_interval(
        axes, x, (queries / unit,) * 3, (BLUE, "-", "o"), "queries in a week", times
    )
    part = weeks.stored & ~findings.weeks.whole & (weeks.queries > 0)
    if part.any():
        axes.plot(
            x[part], weeks.queries[part] / unit, "o", markerfacecolor="none", color=BLUE,
            label="week not covered in full",
        )  # fmt: skip
    mean = findings.weeks.rolling(findings.breaks) / unit
    if not np.isnan(mean).all():
        at, line = plot_elements.insert_gaps(x, [mean], times)
        axes.plot(
            at, line, color=ORANGE, linewidth=4.5, alpha=0.75, zorder=1.8,
            label="mean of 5 weeks, centred",
        )  # fmt: skip
    axes.set_ylabel(f"queries per week{word}")
    plot_elements.from_zero(axes)
    plot_elements.draw_breaks(axes, findings.breaks)
    plot_elements.format_date_axis(axes, x)
    plot_elements.legend(axes)
    return figure


def autocorrelation(findings: Findings) -> Figure:
    """1b: autocorrelation of the weekly queries."""
    figure, (axes,) = plot_elements.new_figure()
    cycle = findings.cycle
    axes.set_xlabel("lag (weeks)")
    axes.set_ylabel("autocorrelation of weekly queries")
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.set_ylim(-1.05, 1.05)
    if cycle is None:
        return _draw_placeholder(figure, axes, "fewer than three whole weeks")
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
    axes.set_xticks(range(0, len(lags), 4))
    plot_elements.legend(axes)
    return figure


def weekly_query_fraction(findings: Findings) -> Figure:
    """2: flagged queries over queries by week, with the clustered interval and trends."""
    figure, (axes,) = plot_elements.new_figure()
    x = _weekly(
        axes, findings, [(findings.weeks.queries, "observed, with 95 % interval by address")]
    )
    label: str | None = "trend (Sen's slope of the logit)"
    for trend in findings.weeks.trends:
        if trend.slope is not None:
            at = np.arange(trend.last - trend.first, dtype=np.float64)
            line = expit(trend.slope.intercept + trend.slope.value * at) * PERCENT
            line[np.isnan(findings.weeks.queries.value[trend.first : trend.last])] = np.nan
            axes.plot(x[trend.first : trend.last], line, color=ORANGE, linewidth=2, label=label)
            label = None
    alarms = [at for trend in findings.weeks.trends for at in trend.alarms]
    if alarms:
        top = findings.weeks.queries.upper[alarms] * PERCENT
        axes.plot(x[alarms], top, "v", color=DARK, markersize=5, label="shift of level (CUSUM)")
    axes.set_ylabel("flagged queries (% of queries)")
    plot_elements.legend(axes)
    return figure


def weekly_corrected_fraction(findings: Findings) -> Figure:
    """2 once more, corrected for errors of the detector: not in one plot with the observed."""
    figure, (axes,) = plot_elements.new_figure()
    label = "corrected, with 95 % interval of Lang and Reiczigel"
    _weekly(axes, findings, [(findings.corrected, label)] if findings.corrected else [])
    axes.set_ylabel("corrected fraction (% of queries)")
    plot_elements.legend(axes)
    return figure


def weekly_address_fraction(findings: Findings) -> Figure:
    """3: addresses with at least 1, 2 and 3 flagged queries over addresses, by week."""
    figure, (axes,) = plot_elements.new_figure()
    labels = ("1 flagged query or more", "2 or more", "3 or more")
    _weekly(axes, findings, list(zip(findings.weeks.addresses, labels, strict=True)))
    axes.set_ylabel("flagged addresses (% of addresses)")
    plot_elements.legend(axes)
    return figure


def _weekly(axes: Axes, findings: Findings, series: Sequence[tuple[Fractions, str]]) -> FloatArray:
    """Fractions by week with gaps, breaks and dates; returns the places of the weeks."""
    weeks = findings.weeks.windows
    x = plot_elements.dates(weeks.start, weeks.length)
    times = [each.time / DAY for each in findings.breaks if each.kind in SERIES_BREAKS]
    for (each, label), look in zip(series, SERIES, strict=False):
        ends = (each.value * PERCENT, each.lower * PERCENT, each.upper * PERCENT)
        plot_elements.draw_interval(axes, x, ends, look, label, times)
    plot_elements.from_zero(axes)
    plot_elements.draw_breaks(axes, findings.breaks)
    plot_elements.format_date_axis(axes, x)
    return x


def hourly_queries(findings: Findings) -> Figure:
    """4a: mean queries by local hour of day."""
    return _curves({"mean over days": findings.whole.queries}, "queries per hour")


def hourly_queries_boxes(findings: Findings) -> Figure:
    """4b: how the queries of an hour scatter over days."""
    return _draw_boxes(findings.whole.local.queries, "queries per hour")


def hourly_flagged(findings: Findings) -> Figure:
    """5a: mean flagged queries by local hour of day."""
    return _curves({"mean over days": findings.whole.flagged}, "flagged queries per hour")


def hourly_flagged_boxes(findings: Findings) -> Figure:
    """5b: how the flagged queries of an hour scatter over days."""
    return _draw_boxes(findings.whole.local.flagged, "flagged queries per hour")


def hourly_query_fraction(findings: Findings) -> Figure:
    """6a: flagged queries over queries by local hour, by two estimators."""
    curves = {NAMES[name]: curve for name, curve in findings.whole.query_fraction.items()}
    return _curves(curves, "flagged queries (% of queries)", PERCENT)


def hourly_query_fraction_boxes(findings: Findings) -> Figure:
    """6b: how the fraction of a single hour scatters over days."""
    local = findings.whole.local
    table = hourly_ratios(local.flagged, local.queries) * PERCENT
    return _draw_boxes(table, "flagged queries (% of the hour's queries)")


def hourly_address_fraction(findings: Findings) -> Figure:
    """7a: flagged addresses over addresses by local hour, by two estimators."""
    curves = {NAMES[name]: curve for name, curve in findings.whole.address_fraction.items()}
    return _curves(curves, "flagged addresses (% of addresses)", PERCENT)


def hourly_address_fraction_boxes(findings: Findings) -> Figure:
    """7b: how the fraction of addresses of a single hour scatters over days."""
    local = findings.whole.local
    table = hourly_ratios(local.flagged_addresses, local.addresses) * PERCENT
    return _draw_boxes(table, "flagged addresses (% of the hour's addresses)")


def countries(findings: Findings) -> Figure:
    """8: the fraction by local hour in groups of countries."""
    curves = {
        name.replace("+", " + "): group.query_fraction[findings.options.estimator]
        for name, group in findings.groups.items()
    }
    label = f"flagged queries (% of queries)\n{NAMES[findings.options.estimator]}"
    return _curves(curves, label, PERCENT)


def comparison(findings: Findings) -> Figure:
    """9: the topic beside the one it is compared with, by local hour."""
    name = NAMES[findings.options.estimator]
    figure, (above, below) = plot_elements.new_figure(2, (7.0, 5.0))
    shown: dict[Axes, dict[str, Profile | None]] = {
        above: {f"{findings.comparison}": findings.whole_compared,
                f"not also {findings.topic}": findings.compared_alone},
        below: {findings.topic: findings.whole},
    }  # fmt: skip
    for axes, styles in ((above, (SERIES[1], SERIES[2])), (below, (SERIES[0],))):
        axes.set_ylabel(f"queries (% of all)\n{name}")
        if findings.comparison is None and axes is above:
            _draw_placeholder(figure, axes, "no topic to compare with")
            continue
        curves = {
            label: curve.query_fraction[findings.options.estimator]
            for label, curve in shown[axes].items()
            if curve is not None
        }
        _draw_curves(axes, curves, styles, PERCENT)
        plot_elements.legend(axes)
        plot_elements.from_zero(axes)
    plot_elements.format_hour_axis(below)
    above.set_xlabel("")
    return figure


def _curves(curves: dict[str, Curve], label: str, scale: float = 1.0) -> Figure:
    figure, (axes,) = plot_elements.new_figure()
    axes.set_ylabel(label)
    plot_elements.format_hour_axis(axes)
    if not any(np.isfinite(curve.value).any() for curve in curves.values()):
        return _draw_placeholder(figure, axes, "no whole hour")
    _draw_curves(axes, curves, SERIES, scale)
    plot_elements.from_zero(axes)
    plot_elements.legend(axes)
    return figure


def _draw_curves(
    axes: Axes, curves: dict[str, Curve], looks: Sequence[tuple[str, str, str]], scale: float
) -> None:
    """One curve with its band, or several beside each other with bars, so that none is hidden."""
    shift = CURVE_OFFSET * (np.arange(len(curves)) - (len(curves) - 1) / 2)
    for (name, curve), look, aside in zip(curves.items(), looks, shift, strict=False):
        colour, line, mark = look
        value, lower, upper = (end * scale for end in (curve.value, curve.lower, curve.upper))
        sure = bool(np.isfinite(lower).any())
        label_text = f"{name}, with 95 % interval" if sure else name
        if len(curves) == 1:
            ends = (value, lower, upper) if sure else (value,) * 3
            plot_elements.draw_interval(axes, HOURS, ends, look, label_text)
            axes.plot(HOURS, value, mark, color=colour)
            continue
        reach = np.stack((value - lower, upper - value)).clip(0) if sure else None
        axes.errorbar(
            HOURS + aside, value, reach, color=colour, linestyle=line, marker=mark,
            label=label_text,
            linewidth=1.0, elinewidth=1.0, capsize=1.8, capthick=0.8,
        )  # fmt: skip


def _draw_boxes(table: FloatArray, label: str) -> Figure:
    figure, (axes,) = plot_elements.new_figure()
    axes.set_ylabel(label)
    plots = boxes(table)
    shown = [
        {
            "mean": box.mean, "med": box.median, "q1": box.q1, "q3": box.q3,
            "whislo": box.low, "whishi": box.high, "fliers": box.outliers,
        }
        for box in plots
        if box is not None
    ]  # fmt: skip
    if not shown:
        plot_elements.format_hour_axis(axes)
        return _draw_placeholder(figure, axes, "no whole hour")
    places = [hour for hour, box in enumerate(plots) if box is not None]
    axes.bxp(
        shown, positions=places, widths=0.62, showmeans=True, patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": "#cfe3f1", "edgecolor": BLUE, "linewidth": 0.9},
        medianprops={"color": DARK, "linewidth": 1.4},
        meanprops={"marker": "s", "markerfacecolor": ORANGE, "markeredgecolor": DARK,
                   "markersize": 3.6, "markeredgewidth": 0.5},
        whiskerprops={"color": BLUE, "linewidth": 0.9},
        capprops={"color": BLUE, "linewidth": 0.9},
        flierprops={"marker": ".", "markersize": 3, "markerfacecolor": GREY,
                    "markeredgecolor": "none", "alpha": 0.6, "rasterized": True},
    )  # fmt: skip
    axes.plot([], [], "s", color=ORANGE, markeredgecolor=DARK, label="mean")
    axes.plot([], [], color=DARK, label="median")
    axes.plot([], [], color=BLUE, label="quartiles, last day within 1.5 of their range")
    plot_elements.from_zero(axes)
    plot_elements.format_hour_axis(axes)
    plot_elements.legend(axes)
    return figure


def _unit(values: FloatArray | IntArray) -> tuple[float, str]:
    """A divisor that keeps the axis readable, and its word."""
    top = float(np.nanmax(values)) if len(values) else 0.0
    if top >= 1e6:
        return 1e6, " (millions)"
    return (1e3, " (thousands)") if top >= 1e4 else (1.0, "")


def _draw_placeholder(figure: Figure, axes: Axes, why: str) -> Figure:
    axes.text(
        0.5, 0.5, f"nothing to show: {why}", transform=axes.transAxes, ha="center", color=GREY
    )
    return figure


FIGURES: dict[str, Callable[[Findings], Figure]] = {
    "1a": weekly_queries,
    "1b": autocorrelation,
    "2": weekly_query_fraction,
    "3": weekly_address_fraction,
    "4a": hourly_queries,
    "4b": hourly_queries_boxes,
    "5a": hourly_flagged,
    "5b": hourly_flagged_boxes,
    "6a": hourly_query_fraction,
    "6b": hourly_query_fraction_boxes,
    "7a": hourly_address_fraction,
    "7b": hourly_address_fraction_boxes,
    "8": countries,
    "9": comparison,
}
"""All figures by the study's numbers."""
CORRECTED = "2-corrected"


def figure_functions(findings: Findings) -> dict[str, Callable[[Findings], Figure]]:
    """The figures of some findings: the study's, and the corrected one where it is known."""
    if findings.corrected is None:
        return FIGURES
    return FIGURES | {CORRECTED: weekly_corrected_fraction}
