"""Drawing the figures by local hour of day: figures 4 to 9 of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from donkeywatch.report import plot_elements
from donkeywatch.report.analysis import Analysis
from donkeywatch.report.captions import empty_reason
from donkeywatch.report.database_series import FloatArray
from donkeywatch.report.hour_of_day_profiles import Curve, Estimator, Profile, boxes, hourly_ratios
from donkeywatch.report.plot_elements import BLUE, DARK, GREY, ORANGE, PALE_BLUE, PERCENT, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"ratio_of_sums": "ratio of sums", "mean_of_ratios": "mean of hourly ratios"}
HOURS = np.arange(24, dtype=np.float64)
CURVE_OFFSET = 0.24
"""How far apart the points of several curves stand, in hours."""
HALF_BOX, CAP = 0.31, 0.16
"""Half the width of a box and of the end of its whisker, in hours."""


def hourly_queries(analysis: Analysis) -> Figure:
    """4a: mean queries by local hour of day."""
    curves = {"mean over days": analysis.whole.queries}
    return _curves(curves, "queries per hour", empty_reason("4a", analysis))


def hourly_queries_boxes(analysis: Analysis) -> Figure:
    """4b: how the queries of an hour scatter over days."""
    return _draw_boxes(
        analysis.whole.local.queries, "queries per hour", empty_reason("4b", analysis)
    )


def hourly_flagged(analysis: Analysis) -> Figure:
    """5a: mean flagged queries by local hour of day."""
    curves = {"mean over days": analysis.whole.flagged}
    return _curves(curves, "flagged queries per hour", empty_reason("5a", analysis))


def hourly_flagged_boxes(analysis: Analysis) -> Figure:
    """5b: how the flagged queries of an hour scatter over days."""
    return _draw_boxes(
        analysis.whole.local.flagged, "flagged queries per hour", empty_reason("5b", analysis)
    )


def hourly_query_fraction(analysis: Analysis) -> Figure:
    """6a: flagged queries over queries by local hour, by two estimators."""
    return _fraction_curves(analysis, "6a", analysis.whole.query_fraction, "queries")


def hourly_query_fraction_boxes(analysis: Analysis) -> Figure:
    """6b: how the fraction of a single hour scatters over days."""
    local = analysis.whole.local
    return _fraction_boxes(analysis, "6b", (local.flagged, local.queries), "queries")


def hourly_address_fraction(analysis: Analysis) -> Figure:
    """7a: flagged addresses over addresses by local hour, by two estimators."""
    return _fraction_curves(analysis, "7a", analysis.whole.address_fraction, "addresses")


def hourly_address_fraction_boxes(analysis: Analysis) -> Figure:
    """7b: how the fraction of addresses of a single hour scatters over days."""
    local = analysis.whole.local
    counts = local.flagged_addresses, local.addresses
    return _fraction_boxes(analysis, "7b", counts, "addresses")


def countries(analysis: Analysis) -> Figure:
    """8: the fraction by local hour in groups of countries."""
    curves = {
        name.replace("+", " + "): group.query_fraction[analysis.options.estimator]
        for name, group in analysis.groups.items()
    }
    label = f"flagged queries (% of queries)\n{NAMES[analysis.options.estimator]}"
    return _curves(curves, label, empty_reason("8", analysis), PERCENT)


def comparison(analysis: Analysis) -> Figure:
    """9: the topic beside the one it is compared with, by local hour."""
    name, empty = NAMES[analysis.options.estimator], empty_reason("9", analysis)
    figure, (above, below) = plot_elements.new_figure(2, (7.0, 5.0))
    shown: dict[Axes, dict[str, Profile | None]] = {
        above: {f"{analysis.comparison}": analysis.whole_compared,
                f"not also {analysis.topic}": analysis.compared_alone},
        below: {analysis.topic: analysis.whole},
    }  # fmt: skip
    for axes, styles in ((above, (SERIES[1], SERIES[2])), (below, (SERIES[0],))):
        axes.set_ylabel(f"queries (% of all)\n{name}")
        if empty is not None and (axes is above or analysis.comparison is not None):
            plot_elements.draw_placeholder(axes, empty)
            continue
        curves = {
            label: curve.query_fraction[analysis.options.estimator]
            for label, curve in shown[axes].items()
            if curve is not None
        }
        _draw_curves(axes, curves, styles, PERCENT)
        plot_elements.legend(axes)
        plot_elements.from_zero(axes)
    plot_elements.format_hour_axis(below)
    above.set_xlabel("")
    return figure


def _fraction_curves(
    analysis: Analysis, number: str, fractions: Mapping[Estimator, Curve], what: str
) -> Figure:
    """Draw a fraction by hour of the day, a curve for each estimator."""
    curves = {NAMES[name]: curve for name, curve in fractions.items()}
    label = f"flagged {what} (% of {what})"
    return _curves(curves, label, empty_reason(number, analysis), PERCENT)


def _fraction_boxes(
    analysis: Analysis, number: str, counts: tuple[FloatArray, FloatArray], what: str
) -> Figure:
    """Draw how the fraction of single hours scatters; the counts are flagged ones and all."""
    label = f"flagged {what} (% of the hour's {what})"
    return _draw_boxes(hourly_ratios(*counts) * PERCENT, label, empty_reason(number, analysis))


def _curves(curves: dict[str, Curve], label: str, empty: str | None, scale: float = 1.0) -> Figure:
    """Draw curves by hour of the day, or the sentence why there are none."""
    figure, (axes,) = plot_elements.new_figure()
    axes.set_ylabel(label)
    plot_elements.format_hour_axis(axes)
    if empty is not None:
        plot_elements.draw_placeholder(axes, empty)
        return figure
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


def _draw_boxes(table: FloatArray, label: str, empty: str | None) -> Figure:
    """Box-plots by hour of the day, of few artists: one a box would take most of the time."""
    figure, (axes,) = plot_elements.new_figure()
    axes.set_ylabel(label)
    plot_elements.format_hour_axis(axes)
    if empty is not None:
        plot_elements.draw_placeholder(axes, empty)
        return figure
    shown = [(hour, box) for hour, box in enumerate(boxes(table)) if box is not None]
    at = np.array([hour for hour, _ in shown], np.float64)
    first, median, third, low, high, mean = np.array(
        [(box.q1, box.median, box.q3, box.low, box.high, box.mean) for _, box in shown]
    ).T
    axes.bar(
        at, third - first, 2 * HALF_BOX, first, facecolor=PALE_BLUE, edgecolor=BLUE, linewidth=0.9,
        zorder=2.1, label="quartiles",
    )  # fmt: skip
    axes.vlines(
        np.tile(at, 2), np.concatenate((low, third)), np.concatenate((first, high)), color=BLUE,
        linewidth=0.9,
    )  # fmt: skip
    axes.hlines(
        np.concatenate((low, high)), np.tile(at - CAP, 2), np.tile(at + CAP, 2), color=BLUE,
        linewidth=0.9, label="whiskers: 1.5 quartile ranges",
    )  # fmt: skip
    axes.hlines(
        median, at - HALF_BOX, at + HALF_BOX, color=DARK, linewidth=1.4, zorder=2.2, label="median"
    )
    axes.plot(
        at, mean, "s", color=ORANGE, markeredgecolor=DARK, markersize=3.6, markeredgewidth=0.5,
        zorder=2.3, label="mean",
    )  # fmt: skip
    days = [(hour, value) for hour, box in shown for value in box.outliers]
    if days:
        axes.plot(*np.array(days).T, ".", color=GREY, markersize=3, label="a day beyond")
    plot_elements.from_zero(axes)
    plot_elements.legend(axes)
    return figure
