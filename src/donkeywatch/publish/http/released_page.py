"""The public page and its chart: plain HTML and SVG, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from donkeywatch.counting.calendar import WEEK, week_name
from donkeywatch.publish.http.released_reader import ReleasedWindow

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{padding:.2rem .8rem;text-align:right;"
    "border-bottom:1px solid #8886}th:first-child,td:first-child,th:nth-child(2),td:nth-child(2)"
    "{text-align:left}img{max-width:100%}@media(prefers-color-scheme:dark){body{background:#111;"
    "color:#eee}a{color:#9cf}}"
)
MAX_WEEKS = 26
"""Weeks in the table and the chart; all are in the API."""
WIDTH, HEIGHT, MARGIN = 720, 260, 46
"""Of the chart, pixels."""
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
INTRODUCTION = (
    "<p>What fraction of the addresses that sent keyword searches in a week had at least one that"
    " the operator's word list flags. The list errs in both directions, and an address is not a"
    " person: the figures say nothing about who searches.</p>"
    "<p>Counts are rounded to 5. A topic is left out of a week with fewer than 10 flagged"
    " addresses; a week is released once, a day or more after its end, and never changed.</p>"
)
LINKS = " · ".join(
    f'<a href="api/v1/{name}">{name}</a> (<a href="api/v1/{name}?format=csv">CSV</a>)'
    for name in ("weeks", "countries", "hours")
)


SHEET = '<link rel="stylesheet" href="page.css">'


def render_page(
    title: str, weeks: Sequence[ReleasedWindow], *, links: str = LINKS, sheet: str = SHEET
) -> str:
    """The page over the decided weeks, which are given oldest first.

    ``links`` and ``sheet`` are HTML: where the tables are, and how the page looks.
    """
    name = escape(title) or "Search log of an eDonkey server"
    rows = "".join(_rows(week) for week in reversed(weeks[-MAX_WEEKS:]))
    table = (
        "<table><thead><tr><th>week</th><th>topic</th><th>flagged addresses</th><th>addresses</th>"
        f"<th>fraction</th><th>95 % interval</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    chart = '<p><img src="chart.svg" alt="Fraction of flagged addresses by week"></p>'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width">{sheet}</head>'
        f"<body><h1>{name}</h1>{INTRODUCTION}"
        f"{chart + table if weeks else '<p>No week is released yet.</p>'}<p>{links}</p>"
        "</body></html>\n"
    )


def _rows(week: ReleasedWindow) -> str:
    name = week_name(week.start)
    rows = [
        f"<tr><td>{name}</td><td>{escape(topic)}</td><td>{figures['flagged_addresses']:,}</td>"
        f"<td>{figures['addresses']:,}</td><td>{_percent(figures['address_fraction'][0])}</td>"
        f"<td>{_percent(figures['address_fraction'][1])} to"
        f" {_percent(figures['address_fraction'][2])}</td></tr>"
        for topic, figures in week.topics.items()
    ]
    return "".join(rows) or f"<tr><td>{name}</td><td colspan=5>too few to tell</td></tr>"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def render_chart(weeks: Sequence[ReleasedWindow]) -> str:
    """Fractions of flagged addresses with their intervals; a line ends at a gap and at a break."""
    shown = weeks[-MAX_WEEKS:]
    points = [
        (topic, week.start, figures["address_fraction"], bool(week.totals.get("breaks")))
        for week in shown
        for topic, figures in week.topics.items()
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="system-ui,sans-serif" font-size="12"><title>Fraction of flagged addresses'
        f' by week</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    )
    if not points:
        return f'{head}<text x="{MARGIN}" y="{MARGIN}">No figures yet</text></svg>\n'
    highest = max(interval[2] for _, _, interval, _ in points)
    first, span = shown[0].start, max(WEEK, shown[-1].start - shown[0].start)
    topics = sorted({topic for topic, *_ in points})
    parts = [
        head,
        f'<text x="4" y="{MARGIN}">{_percent(highest)}</text>',
        f'<text x="4" y="{HEIGHT - MARGIN}">0 %</text>',
        f'<text x="{MARGIN}" y="{HEIGHT - MARGIN // 2}">{week_name(first)}</text>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - MARGIN // 2}" text-anchor="end">'
        f"{week_name(shown[-1].start)}</text>",
    ]
    for number, topic in enumerate(topics):
        colour = COLOURS[number % len(COLOURS)]
        legend = f'x="{MARGIN + 150 * number}" y="18" fill="{colour}"'
        parts.append(f"<text {legend}>{escape(topic)}</text>")
        before: tuple[int, float, float] | None = None
        for name, start, (value, lower, upper), has_break in points:
            if name != topic:
                continue
            x = MARGIN + (WIDTH - 2 * MARGIN) * (start - first) / span
            y, low, high = (
                HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * part / highest
                for part in (value, lower, upper)
            )
            parts.append(
                f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" opacity=".4"/>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
            )
            if before is not None and before[0] == start - WEEK and not has_break:
                parts.append(
                    f'<path d="M{before[1]:.1f} {before[2]:.1f}L{x:.1f} {y:.1f}"'
                    f' stroke="{colour}"/>'
                )
            before = None if has_break else (start, x, y)
    return "".join([*parts, "</svg>\n"])
