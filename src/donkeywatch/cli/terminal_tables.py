"""What the terminal shows: tables of fractions, of logs and of samples, 80 columns wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.counting.observations import OUTCOMES, REJECTIONS
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.window_views import WindowView

if TYPE_CHECKING:
    from donkeywatch.runtime.log_sample import Sample

NAMES = {"hour": "hour*", "week": "week*"}
"""Windows that are calendar hours and weeks: their figures are final."""
CLOSED_NOTE = "* the last closed one; fractions with 95 % intervals; times in UTC"


def window_table(views: Sequence[WindowView]) -> Table:
    """One row per window: how far it goes, and its totals."""
    table = _table(("window", "until"), ("queries", "addresses", "covered"))
    for view in views:
        counts = f"{view.queries:,}", f"{view.addresses or 0:,}"
        table.add_row(_name(view), _minute(view.end), *counts, _format_share(view.coverage))
    return table


def _format_share(coverage: float) -> str:
    """Write a share of time in whole per cent; what is there is never none, nor a part all."""
    if 0 < coverage < 0.01:
        return "<1%"
    return ">99%" if 0.995 <= coverage < 1 else f"{coverage:.0%}"


def fraction_table(views: Sequence[WindowView]) -> Table:
    """One row per window and topic: the flagged fractions of queries and of addresses."""
    table = _table(("window", "flagged as"), ("of queries", "of addresses"))
    # Names of series may be long: they go on in the next line, so that no figure is cut.
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"
    for view in views:
        for i, topic in enumerate(view.topics):
            table.add_row(
                _name(view) if i == 0 else "",
                topic.topic,
                percent(topic.query_fraction),
                percent(topic.address_fractions[0]),
            )
    return table


def source_table(
    newest: Mapping[str, int | None],
    counters: Mapping[tuple[str, str, str], int],
    names: Sequence[str],
) -> Table:
    """One row per log: how far it is counted and what went wrong so far."""
    table = _table(
        ("log", "newest event"),
        ("lines", "queries", "rejected", "late", "lost bytes"),
    )
    for name in names:
        lines = {o: counters.get(("lines", name, o), 0) for o in OUTCOMES}
        event = newest.get(name)
        table.add_row(
            name,
            _minute(event) if event else "none yet",
            f"{sum(lines.values()):,}",
            f"{lines['query']:,}",
            f"{sum(lines[reason] for reason in REJECTIONS):,}",
            f"{counters.get(('late_lines', name, ''), 0):,}",
            f"{counters.get(('lost_bytes', name, ''), 0):,}",
        )
    return table


def outcome_table(sample: Sample) -> Table:
    """Lines of a sample by outcome."""
    table = Table(title=f"{sample.lines} lines, {sample.searches} searches", title_justify="left")
    table.add_column("outcome")
    table.add_column("lines", justify="right")
    for name, count in sample.by_outcome():
        table.add_row(name, f"{count:,}")
    return table


def percent(estimate: Estimate | None) -> str:
    """A fraction in per cent with its interval, or a dash."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.3%} [{estimate.lower:.3%}, {estimate.upper:.3%}]"


def _table(names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _name(view: WindowView) -> str:
    return NAMES.get(view.kind, view.kind)


def _minute(time: int) -> str:
    return iso_utc(time)[:16].replace("T", " ")


def format_percent(estimate: Estimate | None) -> str:
    """A share with its interval, in per cent; a dash where there is none."""
    if estimate is None:
        return "-"
    value, lower, upper = (100 * n for n in (estimate.value, estimate.lower, estimate.upper))
    return f"{value:.1f} ({lower:.1f}-{upper:.1f})"
