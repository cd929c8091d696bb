"""The page at ``/``: the current figures and the weeks so far, without a script or a request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from donkeywatch.counting.estimates import Estimate
from donkeywatch.counting.windows import iso
from donkeywatch.publish.chart import chart
from donkeywatch.publish.snapshot import Snapshot, WindowView
from donkeywatch.status import Status

NAMES = {
    "1h": "last hour",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "hour": "last closed hour",
    "week": "last closed week",
}
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
svg{display:block;width:100%;max-width:40rem;height:auto}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}
.q{stroke:var(--one);fill:var(--one)}.a{stroke:var(--two);fill:var(--two)}
path{fill:none!important;stroke-width:2}circle{stroke:none}
.break{stroke:var(--soft);stroke-dasharray:4 3}.band{stroke:none!important;opacity:.18}
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
    breaks = snapshot.breaks(weeks[0].start, weeks[-1].end) if weeks else []
    sections = [_section(i, topic, current, weeks, breaks) for i, topic in enumerate(topics)]
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
    index: int,
    topic: str,
    current: Sequence[WindowView],
    weeks: Sequence[WindowView],
    breaks: Sequence[tuple[int, str]],
) -> str:
    rows = "".join(_row(index, view) for view in current)
    drawn = chart(index, weeks, breaks) if len(weeks) > 1 else ""
    return f"""<h2>{escape(topic)}</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Fractions, {escape(topic)}">
<table><caption>Flagged, of queries and of distinct addresses</caption>
<thead><tr><th scope="col">window</th><th scope="col">of queries</th>
<th scope="col">of addresses</th><th scope="col">queries</th><th scope="col">addresses</th>
<th scope="col">covered</th></tr></thead>
<tbody>{rows}</tbody></table></div>{drawn}"""


def _row(index: int, view: WindowView) -> str:
    topic = view.topics[index]
    flagged = topic.addresses[0] if topic.addresses else 0
    return (
        f'<tr><th scope="row">{NAMES[view.kind]}</th><td>{percent(topic.query_fraction)}</td>'
        f"<td>{percent(topic.address_fractions[0])}</td>"
        f"<td>{topic.queries:,}<br><small>of {view.queries:,}</small></td>"
        f"<td>{flagged:,}<br><small>of {view.addresses or 0:,}</small></td>"
        f"<td>{view.coverage:.0%}</td></tr>"
    )


def percent(estimate: Estimate | None) -> str:
    """A fraction in per cent with its interval."""
    if estimate is None:
        return "&ndash;"
    return f"{estimate.value:.3%}<br><small>{estimate.lower:.3%}&ndash;{estimate.upper:.3%}</small>"
