"""What the terminal shows: tables of fractions, of health and of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from donkeywatch.check import Sample
from donkeywatch.counting.estimates import Estimate
from donkeywatch.counting.observations import OUTCOMES, REJECTIONS
from donkeywatch.counting.windows import iso
from donkeywatch.publish.answers import Health
from donkeywatch.publish.snapshot import WindowView

NAMES = {"hour": "hour (closed)", "week": "week (closed)"}


def fractions(views: Sequence[WindowView]) -> Table:
    """One row per window and topic."""
    table = Table(title="Fractions, with 95 % intervals", title_justify="left")
    for heading in ("window", "until (UTC)", "topic"):
        table.add_column(heading, no_wrap=True)
    for heading in ("queries", "flagged", "of queries", "addresses", "flagged", "of addresses"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("covered", justify="right")
    for view in views:
        for i, topic in enumerate(view.topics):
            table.add_row(
                NAMES.get(view.kind, view.kind) if i == 0 else "",
                iso(view.end)[:16].replace("T", " ") if i == 0 else "",
                topic.topic,
                f"{view.queries:,}",
                f"{topic.queries:,}",
                percent(topic.query_fraction),
                f"{view.addresses or 0:,}",
                f"{topic.addresses[0] if topic.addresses else 0:,}",
                percent(topic.address_fractions[0]),
                f"{view.coverage:.0%}",
            )
    return table


def percent(estimate: Estimate | None) -> str:
    """A fraction in per cent with its interval, or a dash."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.3%} [{estimate.lower:.3%}, {estimate.upper:.3%}]"


def sources(
    newest: Mapping[str, int | None], counters: Mapping[tuple[str, str, str], int], names: list[str]
) -> Table:
    """One row per source: how far it is counted and what went wrong so far."""
    table = Table(title="Logs, as committed", title_justify="left")
    table.add_column("source")
    table.add_column("newest event (UTC)", no_wrap=True)
    shown = ("lines", "queries", "rejected", "late", "rotations", "lost bytes", "read errors")
    for heading in shown:
        table.add_column(heading, justify="right")
    for name in names:
        lines = {o: counters.get(("lines", name, o), 0) for o in OUTCOMES}
        event = newest.get(name)
        others = ("late_lines", "rotations", "abandoned_bytes", "read_errors")
        table.add_row(
            name,
            iso(event)[:19].replace("T", " ") if event else "none yet",
            f"{sum(lines.values()):,}",
            f"{lines['query']:,}",
            f"{sum(lines[reason] for reason in REJECTIONS):,}",
            *(f"{counters.get((other, name, ''), 0):,}" for other in others),
        )
    return table


def daemon(health: Health | None) -> Text:
    """Whether a daemon runs, how far behind it is, and what it complains about."""
    if health is None:
        return Text("no daemon answers at the address in the settings")
    lines = ["the daemon is ready" if health.ready else "the daemon is not ready:"]
    lines += [f"  {reason}" for reason in health.reasons]
    lines += [f"  {s.name}: {s.lag_bytes:,} bytes behind" for s in health.sources if s.following]
    lines += [f"  {s.name}: last error: {s.error}" for s in health.sources if s.error]
    return Text("\n".join(lines))


def outcomes(found: Sample) -> Table:
    """Lines of a sample by outcome."""
    table = Table(title=f"{found.lines} lines, {found.searches} searches", title_justify="left")
    table.add_column("outcome")
    table.add_column("lines", justify="right")
    for name, count in found.ordered():
        table.add_row(name, f"{count:,}")
    return table
