"""How figures are drawn: style, colours, gaps that stay gaps, and breaks that show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from donkeywatch.counting.calendar import DAY, WEEK
from donkeywatch.errors import ConfigError, install_extra
from donkeywatch.report.database_series import Break, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008, Color Universal Design: told apart by all, and in grey by their lightness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
GREY, DARK, PALE_BLUE = "#767676", "#222222", "#cfe3f1"
SERIES = ((BLUE, "-", "o"), (RED, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"))
"""Colour, line and mark of each series: the line alone is enough in a grey print."""
SIZE = (7.0, 3.6)
"""Inches: the width of two columns of a journal."""
HEADROOM = 1.05
"""How far above the highest value an axis from 0 ends: values that are alike leave no margin."""
LEGEND_SIZE = 8
LEGEND_COLUMN_SPACE = 5 * LEGEND_SIZE
"""Points that the mark of a legend's entry and the space between two columns take."""
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": DARK,
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.figsize": SIZE,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.fontsize": LEGEND_SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "donkeywatch",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
PERCENT = 100.0
POINTS = 72
"""Points in an inch."""
MAX_DATE_TICKS = 9
"""Dates on an axis at the most."""
MAX_WEEKS_BY_DAY = 40
"""With more weeks than this the axis has months and years, else the days that weeks begin with."""


DATE_FORMATS = ["%Y", "%b\n%Y", "%d %b\n%Y", *["%d %b %Y\n%H:%M"] * 3]
"""Labels of years, months, days and less."""


def require_matplotlib() -> None:
    """ConfigError, with the way to install it, where matplotlib is absent."""
    if find_spec("matplotlib") is None:
        raise ConfigError("figures need matplotlib, which is not installed", install_extra("study"))


@contextmanager
def style() -> Iterator[None]:
    """Draw in this style, whatever the user's own; ConfigError where matplotlib is absent."""
    require_matplotlib()
    from matplotlib import rc_context, rcdefaults

    with rc_context():
        rcdefaults()
        with rc_context(STYLE):  # type: ignore[arg-type]
            yield


def new_figure(rows: int = 1, size: tuple[float, float] = SIZE) -> tuple[Figure, list[Axes]]:
    """An empty figure with axes one below the other, which share x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)
    return figure, [row[0] for row in panels]


def dates(starts: IntArray, length: int) -> FloatArray:
    """Middles of windows as days since 1970, which is how dates are drawn."""
    middles: FloatArray = (starts + length / 2) / DAY
    return middles


def format_date_axis(axes: Axes, x: FloatArray) -> None:
    """Dates on the x axis, each with its year; none where there is no week."""
    axes.set_xlabel("week (UTC)")
    if not len(x):
        axes.set_xticks([])
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter

    if len(x) <= MAX_WEEKS_BY_DAY:
        step = -(-len(x) // MAX_DATE_TICKS)
        axes.set_xticks(x[::step] - WEEK / DAY / 2)  # The Monday that a week begins with.
        axes.xaxis.set_major_formatter(DateFormatter("%d %b\n%Y"))  # type: ignore[no-untyped-call]
    else:
        locator = AutoDateLocator(minticks=4, maxticks=MAX_DATE_TICKS)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        words = ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator, formats=DATE_FORMATS, zero_formats=DATE_FORMATS, show_offset=False
        )
        axes.xaxis.set_major_formatter(words)
    margin = max(4.0, (x[-1] - x[0]) * 0.01)
    axes.set_xlim(x[0] - margin, x[-1] + margin)


def insert_gaps(
    x: FloatArray, series: Sequence[FloatArray], breaks: Sequence[float]
) -> list[FloatArray]:
    """x and series with a gap put in wherever a break lies between two points."""
    places = [int(np.searchsorted(x, at, "left")) for at in breaks]
    inner = sorted({place for place in places if 0 < place < len(x)})
    return [np.insert(np.asarray(values, np.float64), inner, np.nan) for values in (x, *series)]


def draw_interval(
    axes: Axes, x: FloatArray, curve: tuple[FloatArray, FloatArray, FloatArray],
    line_style: tuple[str, str, str],
    label: str, breaks: Sequence[float] = (),
) -> None:  # fmt: skip
    """A line with its interval, both open at gaps and breaks; what stands alone is a bar."""
    colour, line, mark = line_style
    at, value, lower, upper = insert_gaps(x, curve, breaks)
    axes.plot(at, value, line, color=colour, label=label)
    axes.fill_between(at, lower, upper, color=colour, alpha=0.2, linewidth=0)
    known = np.concatenate(([False], ~np.isnan(value), [False]))
    isolated = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    if len(isolated):
        reach = np.abs(np.stack((value - lower, upper - value)))[:, isolated]
        axes.errorbar(
            at[isolated], value[isolated], reach, fmt=mark, color=colour, elinewidth=1, markersize=3
        )


def draw_breaks(axes: Axes, breaks: Sequence[Break]) -> None:
    """Breaks as lines, each with what has changed written along it."""
    groups: dict[int, list[str]] = {}
    for at in breaks:
        groups.setdefault(at.time, []).append(at.kind)
    for time, kinds in groups.items():
        weak = kinds == ["countries"]
        axes.axvline(
            time / DAY, color=GREY if weak else DARK, linestyle=":" if weak else "--",
            linewidth=0.7 if weak else 1.0, zorder=1.5,
        )  # fmt: skip
        axes.annotate(
            f"new {', '.join(kinds)}", (time / DAY, 1), xycoords=("data", "axes fraction"),
            xytext=(-3, -2), textcoords="offset points", rotation=90, ha="right", va="top",
            fontsize=7, color=GREY if weak else DARK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip


def format_hour_axis(axes: Axes) -> None:
    """The hours of the day on the x axis."""
    axes.set_xlim(-0.6, 23.6)
    axes.set_xticks(range(0, 24, 2))
    axes.set_xlabel("local hour of day (0: from 0:00 to 0:59)")


def from_zero(axes: Axes) -> None:
    """Let the y axis begin at 0, so that what looks twice as high is."""
    axes.set_ylim(0, axes.get_ylim()[1] * HEADROOM)


def draw_placeholder(axes: Axes, reason: str | None) -> None:
    """Write into empty axes why they are empty; nothing where they are not."""
    if reason is not None:
        text = "\n".join(wrap_text(f"Nothing to show: {reason}.", 9, SIZE[0] * POINTS * 0.75))
        axes.text(
            0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9,
            color=DARK, parse_math=False, bbox={"facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
        axes.set_yticks([])
        for line in axes.lines:
            line.set_label("_")  # A legend of what is not there.


@cache
def measure_text(text: str, size: float) -> float:
    """Width of a word or a line in points, in the font of the figures."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(STYLE["font.family"]))  # type: ignore[arg-type]
    font.set_size(size, POINTS)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64


def wrap_text(text: str, size: float, width: float) -> list[str]:
    """Lines of a text, none of them wider than ``width`` points unless one word is."""
    lines, space, used = (
        list[list[str]](),
        measure_text("n n", size) - measure_text("nn", size),
        0.0,
    )
    for word in text.split():
        used += space + measure_text(word, size)
        if not lines or used > width:
            lines.append([])
            used = measure_text(word, size)
        lines[-1].append(word)
    return [" ".join(words) for words in lines]


def legend(axes: Axes) -> None:
    """A legend above the plot, where it hides nothing, in as many columns as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0),
            ncols=_legend_columns(labels),
            borderaxespad=0.2, handlelength=2.4,
        )  # fmt: skip


def _legend_columns(labels: Sequence[str]) -> int:
    """The most columns, filled one after the other, that are no wider than the figure."""
    room = SIZE[0] * POINTS * 0.92
    widths = [measure_text(label, LEGEND_SIZE) + LEGEND_COLUMN_SPACE for label in labels]
    for columns in range(len(labels), 1, -1):
        # Matplotlib gives the first columns one more where they are not all alike.
        parts = np.array_split(np.array(widths), columns)
        if sum(float(part.max()) for part in parts) <= room:
            return columns
    return 1
