"""A figure that shows nothing says why, in itself and on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from donkeywatch.report import plot_elements
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.captions import caption, empty_reason
from donkeywatch.report.figures import FIGURES
from donkeywatch.report.hour_of_day_profiles import Curve
from donkeywatch.simulation.truth import HOUR


@pytest.fixture(scope="module")
def barren(short: Analysis) -> Analysis:
    """The same without an hour that counts, a group, a topic to compare with or a week."""
    whole = replace(short.whole, queries=blank(short.whole.queries))
    windows = replace(short.weeks.windows, stored=short.weeks.windows.stored & False)
    return replace(
        short, whole=whole, groups={}, comparison=None, whole_compared=None, cycle=None,
        weeks=replace(short.weeks, windows=windows),
    )  # fmt: skip


def blank(curve: Curve) -> Curve:
    """A curve that is known nowhere."""
    return replace(curve, value=curve.value * float("nan"))


def words(analysis: Analysis, number: str) -> str:
    """All that is written into the axes of a figure, in one line."""
    with plot_elements.style():
        figure = FIGURES[number](analysis)
    return " ".join(
        text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts
    )


@pytest.mark.parametrize("number", list(FIGURES))
def test_an_empty_figure_says_why(barren: Analysis, number: str) -> None:
    """The same sentence stands in the figure and under it."""
    reason = empty_reason(number, barren)
    assert reason
    assert f"Nothing to show: {reason}." in words(barren, number)
    assert f"Nothing to show: {reason}." in caption(number, barren)


@pytest.mark.parametrize("number", list(FIGURES))
def test_a_figure_that_shows_something_does_not(analysis: Analysis, number: str) -> None:
    """No such sentence where there are data."""
    assert empty_reason(number, analysis) is None
    assert "Nothing to show" not in words(analysis, number) + caption(number, analysis)


def test_countries_that_are_there_are_named(barren: Analysis) -> None:
    """So that the reader knows what to ask for."""
    reason = empty_reason("8", barren)
    assert reason
    assert "no whole hour has queries from FR or AR, BR" in reason
    assert ", ".join(barren.countries) in reason


def test_a_week_that_is_not_whole_leaves_the_fractions_empty(short: Analysis) -> None:
    """Figures 2 and 3 say what a week needs to count."""
    for number in ("2", "3"):
        assert "95 % of it was followed" in words(short, number)


@pytest.mark.parametrize("number", list(FIGURES))
def test_an_empty_figure_has_neither_dates_nor_a_legend(archive: Path, number: str) -> None:
    """Of a span without a whole hour: nothing is dated 1970."""
    whole = analyse_database(archive, Options())
    start = int(whole.weeks.windows.start[2])
    few = analyse_database(archive, Options(since=start + HOUR, until=start + 5 * HOUR))
    with plot_elements.style():
        figure = FIGURES[number](few)
        figure.canvas.draw()
    if empty_reason(number, few):
        for axes in figure.axes:
            assert axes.get_legend() is None
            assert not [t for t in axes.get_xticklabels() if "19" in t.get_text()[-4:]]
