"""The study's nine figures by their numbers, each with the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from donkeywatch.report import hourly_plots, weekly_plots
from donkeywatch.report.analysis import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Analysis], Figure]] = {
    "1a": weekly_plots.weekly_queries,
    "1b": weekly_plots.autocorrelation,
    "2": weekly_plots.weekly_query_fraction,
    "3": weekly_plots.weekly_address_fraction,
    "4a": hourly_plots.hourly_queries,
    "4b": hourly_plots.hourly_queries_boxes,
    "5a": hourly_plots.hourly_flagged,
    "5b": hourly_plots.hourly_flagged_boxes,
    "6a": hourly_plots.hourly_query_fraction,
    "6b": hourly_plots.hourly_query_fraction_boxes,
    "7a": hourly_plots.hourly_address_fraction,
    "7b": hourly_plots.hourly_address_fraction_boxes,
    "8": hourly_plots.countries,
    "9": hourly_plots.comparison,
}
"""All figures by the study's numbers."""
