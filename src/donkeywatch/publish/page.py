"""The page at ``/``: the current figures and the weeks so far, without a script or a request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from donkeywatch.counting.estimates import Estimate
from donkeywatch.counting.windows import iso, week_name
from donkeywatch.publish.snapshot import Snapshot, WindowView
from donkeywatch.status import Status

NAMES = {
    "1h": "last hour",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "hour": "last closed hour",
    "week": "last closed week",
}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 220, 56, 26, 12
SHOWN_WEEKS = 160

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>donkeywatch</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="30">
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d5dae0;--paper:#fff;
--one:#0b5cad;--two:#b34700}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a2abb6;--line:#3a424c;
--paper:#14181d;--one:#6cb2ff;--two:#ff9d57}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
p{margin:.3rem 0}.soft,caption{color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.3rem}
th,td{text-align:right;vertical-align:top;padding:.3rem .5rem;line-height:1.3;
border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}small{color:var(--soft)}
svg{width:100%;height:auto}svg text{fill:var(--soft);font:11px system-ui,sans-serif}
.q{stroke:var(--one);fill:var(--one)}.a{stroke:var(--two);fill:var(--two)}
path{fill:none!important;stroke-width:2}.band{stroke:none!important;opacity:.18}
polygon.band{stroke:none}.axis{stroke:var(--line)}.key{font-weight:600}.kq{color:var(--one)}
.ka{color:var(--two)}
</style>
<main>
<h1>donkeywatch</h1>
<p class="soft" role="status">$health</p>
$sentence
$sections
<p class="soft">Flagged is what the operator's lexicon matches; a detector errs in both
directions. An address is not a person. Ranges are 95&nbsp;% intervals. Times are UTC.</p>
</main></html>
""")


def render(snapshot: Snapshot, status: Status, ready_lag: int) -> str:
    """The page as HTML."""
    current = snapshot.current()
    weeks = snapshot.windows("week", "closed = 1", (), limit=SHOWN_WEEKS, newest=True)[::-1]
    topics = [topic for topic, _ in status.topics]
    sections = [_section(i, topic, current, weeks) for i, topic in enumerate(topics)]
    reasons = status.not_ready(ready_lag)
    health = "not ready: " + "; ".join(reasons) if reasons else "ready: following and caught up"
    return PAGE.substitute(
        health=escape(health), sentence=_sentence(current), sections="\n".join(sections)
    )


def _sentence(current: Sequence[WindowView]) -> str:
    view = next((v for v in current if v.kind == "24h" and v.queries), None)
    if view is None or not view.topics or view.topics[0].query_fraction is None:
        return "<p>No query has been counted in the last 24 hours of the log.</p>"
    topic = view.topics[0]
    fraction = topic.query_fraction
    one_in = (
        f"about one in {round(1 / fraction.value):,}" if fraction and fraction.value else "none"
    )
    return (
        f"<p>In the 24 hours up to {iso(view.end)[:16].replace('T', ' ')}, {topic.queries:,} of"
        f" {view.queries:,} queries were flagged as <em>{escape(topic.topic)}</em>: {one_in}.</p>"
    )


def _section(
    index: int, topic: str, current: Sequence[WindowView], weeks: Sequence[WindowView]
) -> str:
    rows = "".join(_row(index, view) for view in current)
    chart = _chart(index, weeks) if len(weeks) > 1 else ""
    return f"""<h2>{escape(topic)}</h2>
<div class="scroll"><table><caption>Fractions of queries and of distinct addresses</caption>
<thead><tr><th scope="col">window</th><th scope="col">queries</th><th scope="col">flagged</th>
<th scope="col">of queries</th><th scope="col">addresses</th><th scope="col">flagged</th>
<th scope="col">of addresses</th><th scope="col">covered</th></tr></thead>
<tbody>{rows}</tbody></table></div>{chart}"""


def _row(index: int, view: WindowView) -> str:
    topic = view.topics[index]
    flagged = topic.addresses[0] if topic.addresses else 0
    return (
        f'<tr><th scope="row">{NAMES[view.kind]}</th><td>{view.queries:,}</td>'
        f"<td>{topic.queries:,}</td><td>{percent(topic.query_fraction)}</td>"
        f"<td>{view.addresses or 0:,}</td><td>{flagged:,}</td>"
        f"<td>{percent(topic.address_fractions[0])}</td><td>{view.coverage:.0%}</td></tr>"
    )


def percent(estimate: Estimate | None) -> str:
    """A fraction in per cent with its interval."""
    if estimate is None:
        return "&ndash;"
    return f"{estimate.value:.3%}<br><small>{estimate.lower:.3%}&ndash;{estimate.upper:.3%}</small>"


def _chart(index: int, weeks: Sequence[WindowView]) -> str:
    """Both fractions by closed week, with bands; no line across a week that is missing."""
    series = {
        "q": [(w.start, w.topics[index].query_fraction) for w in weeks],
        "a": [(w.start, w.topics[index].address_fractions[0]) for w in weeks],
    }
    top = max((e.upper for points in series.values() for _, e in points if e), default=0) or 1
    first, last = weeks[0].start, weeks[-1].start

    def x(time: int) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (time - first) / (last - first)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top

    shapes = [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.2%}</text>'
        for v in (0, top / 2, top)
    ]
    for week, anchor in ((weeks[0], "start"), (weeks[-1], "end")):
        shapes.append(
            f'<text x="{x(week.start):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">'
            f"{week_name(week.start)}</text>"
        )
    for name, points in series.items():
        for run in _runs(points):
            line = " ".join(f"{x(t):.1f},{y(e.value):.1f}" for t, e in run)
            band = " ".join(
                [f"{x(t):.1f},{y(e.upper):.1f}" for t, e in run]
                + [f"{x(t):.1f},{y(e.lower):.1f}" for t, e in reversed(run)]
            )
            shapes.append(f'<polygon class="{name} band" points="{band}"/>')
            shapes.append(f'<path class="{name}" d="M{line.replace(" ", "L")}"/>')
    return (
        '<p class="soft"><span class="key kq">of queries</span> and'
        ' <span class="key ka">of addresses</span>, by closed week</p>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Weekly fractions from'
        f' {week_name(first)} to {week_name(last)}">{"".join(shapes)}</svg>'
    )


def _runs(
    points: Sequence[tuple[int, Estimate | None]],
) -> list[list[tuple[int, Estimate]]]:
    """Stretches of neighbouring weeks that have a fraction."""
    week = 7 * 86_400_000
    runs: list[list[tuple[int, Estimate]]] = []
    for time, estimate in points:
        if estimate is None:
            continue
        if runs and time - runs[-1][-1][0] == week:
            runs[-1].append((time, estimate))
        else:
            runs.append([(time, estimate)])
    return runs
