"""What the terminal shows: tables of fractions, of health and of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.counting.observations import OUTCOMES, REJECTIONS
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.responses import Health
from donkeywatch.publish.snapshot import TopicView, WindowView
from donkeywatch.runtime.checks import Sample

NAMES = {"hour": "hour (closed)", "week": "week (closed)"}
UNTIL = "until (UTC)"
INTERVALS = "with 95 % intervals"
Subject = Literal["queries", "addresses"]


SOURCE_ROWS = (
    "newest event (UTC)", "lines", "queries", "rejected", "late", "rotations", "lost bytes",
    "read errors",
)  # fmt: skip
ONE_TABLE_WIDTH = 190
"""Columns of a terminal that one table of everything needs; below, there are several."""


def fraction_tables(views: Sequence[WindowView], width: int) -> RenderableType:
    """One row per window and topic; ``width`` is that of the terminal, in columns."""
    if width >= ONE_TABLE_WIDTH:
        return _wide_table(views)
    return Group(
        _windows(views), *(_flagged(subject, views) for subject in ("queries", "addresses"))
    )


def _wide_table(views: Sequence[WindowView]) -> Table:
    table = _table(
        f"Fractions, {INTERVALS}",
        ("window", UNTIL, "topic"),
        ("queries", "flagged", "of queries", "addresses", "flagged", "of addresses", "covered"),
    )
    for view in views:
        for i, topic in enumerate(view.topics):
            window = [_name(view), _until(view)] if i == 0 else ["", ""]
            queries, addresses = _cells("queries", view, topic), _cells("addresses", view, topic)
            table.add_row(*window, topic.topic, *queries, *addresses, f"{view.coverage:.0%}")
    return table


def _windows(views: Sequence[WindowView]) -> Table:
    table = _table("Windows", ("window", UNTIL), ("queries", "addresses", "covered"))
    for view in views:
        counts = f"{view.queries:,}", f"{view.addresses or 0:,}"
        table.add_row(_name(view), _until(view), *counts, f"{view.coverage:.0%}")
    return table


def _flagged(subject: Subject, views: Sequence[WindowView]) -> Table:
    title = f"Flagged {subject}, {INTERVALS}"
    table = _table(title, ("window", "topic"), ("flagged", f"of {subject}"))
    for view in views:
        for i, topic in enumerate(view.topics):
            name = _name(view) if i == 0 else ""
            table.add_row(name, topic.topic, *_cells(subject, view, topic)[1:])
    return table


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _name(view: WindowView) -> str:
    return NAMES.get(view.kind, view.kind)


def _until(view: WindowView) -> str:
    return iso_utc(view.end)[:16].replace("T", " ")


def _cells(subject: Subject, view: WindowView, topic: TopicView) -> tuple[str, str, str]:
    """Give the cells of a row: the total, the flagged, and the fraction."""
    if subject == "queries":
        return f"{view.queries:,}", f"{topic.queries:,}", percent(topic.query_fraction)
    flagged = topic.addresses[0] if topic.addresses else 0
    return f"{view.addresses or 0:,}", f"{flagged:,}", percent(topic.address_fractions[0])


def percent(estimate: Estimate | None) -> str:
    """A fraction in per cent with its interval, or a dash."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.3%} [{estimate.lower:.3%}, {estimate.upper:.3%}]"


def source_table(
    newest: Mapping[str, int | None],
    counters: Mapping[tuple[str, str, str], int],
    names: Sequence[str],
) -> Table:
    """One column per source: how far it is counted and what went wrong so far."""
    table = _table("Logs, as committed", ("",), names)
    rows: list[list[str]] = []
    for name in names:
        lines = {o: counters.get(("lines", name, o), 0) for o in OUTCOMES}
        event = newest.get(name)
        others = ("late_lines", "rotations", "lost_bytes", "read_errors")
        rows.append([
            iso_utc(event)[:19].replace("T", " ") if event else "none yet",
            f"{sum(lines.values()):,}",
            f"{lines['query']:,}",
            f"{sum(lines[reason] for reason in REJECTIONS):,}",
            *(f"{counters.get((other, name, ''), 0):,}" for other in others),
        ])  # fmt: skip
    for heading, *cells in zip(SOURCE_ROWS, *rows, strict=True):
        table.add_row(heading, *cells)
    return table


def daemon_status(health: Health | None) -> Text:
    """Whether a daemon runs, how far behind it is, and what it complains about."""
    if health is None:
        return Text("no daemon answers at the address in the settings")
    lines = ["the daemon is ready" if health.ready else "the daemon is not ready:"]
    lines += [f"  {reason}" for reason in health.reasons]
    lines += [f"  {s.name}: {s.lag_bytes:,} bytes behind" for s in health.sources if s.following]
    lines += [f"  {s.name}: last error: {s.error}" for s in health.sources if s.error]
    return Text("\n".join(lines))


def outcome_table(sample: Sample) -> Table:
    """Lines of a sample by outcome."""
    table = Table(title=f"{sample.lines} lines, {sample.searches} searches", title_justify="left")
    table.add_column("outcome")
    table.add_column("lines", justify="right")
    for name, count in sample.by_outcome():
        table.add_row(name, f"{count:,}")
    return table
