"""The study's nine figures by their numbers, each with the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from donkeywatch.report import hour_of_day_plots, weekly_plots
from donkeywatch.report.analysis import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Analysis], Figure]] = {
    "1a": weekly_plots.weekly_queries,
    "1b": weekly_plots.autocorrelation,
    "2": weekly_plots.weekly_query_fraction,
    "3": weekly_plots.weekly_address_fraction,
    "4a": hour_of_day_plots.hourly_queries,
    "4b": hour_of_day_plots.hourly_queries_boxes,
    "5a": hour_of_day_plots.hourly_flagged,
    "5b": hour_of_day_plots.hourly_flagged_boxes,
    "6a": hour_of_day_plots.hourly_query_fraction,
    "6b": hour_of_day_plots.hourly_query_fraction_boxes,
    "7a": hour_of_day_plots.hourly_address_fraction,
    "7b": hour_of_day_plots.hourly_address_fraction_boxes,
    "8": hour_of_day_plots.countries,
    "9": hour_of_day_plots.comparison,
}
"""All figures by the study's numbers."""
