"""The page at ``/`` as it is without a script: health, the current figures, the countries."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from donkeywatch import __version__
from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND, iso_utc, week_name
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.country_zones import country_name
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.assets import text
from donkeywatch.publish.named_countries import MIN_NAMED_ADDRESSES, week_by_country
from donkeywatch.publish.responses import CountriesResponse, CountryResponse, Interval
from donkeywatch.publish.snapshot import Snapshot
from donkeywatch.publish.window_views import TopicView, WindowView
from donkeywatch.settings.schema import Settings

NAMES = {
    "1h": "last hour",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "hour": "last closed hour",
    "week": "last closed week",
}
SILENT_AFTER = 15 * MINUTE
"""A log that has been silent for so long (ms) is mentioned."""
UNION_BEHIND = 2 * HOUR
"""A union of servers comes hour by hour, when each has closed and shipped it (ms)."""
MIN_COVERAGE = 0.95
"""Coverage from which on a day counts as whole."""
LARGE_FRACTION = 0.4
"""A fraction from which on it is given in tenths: one in so many would be far from it."""
NEARLY_ALL = 0.95
"""A fraction from which on tenths would say all."""
COLUMNS = ("of queries", "of addresses", "queries", "addresses", "followed")
"""Headings of the table of windows, which a narrow screen shows beside each figure."""
WAYS = {
    "extended": "with words behind disguises (extended)",
    "shadow": "by the word list that is tried (shadow)",
}
"""What a series is made by, in a heading."""
BANNER = '<p class="banner">Simulated server: all figures are invented.</p>\n'
"""What stands over the figures of a demonstration."""
QUERY_CHART = '<figure data-chart="load"></figure>\n'
"""Queries by hour of the day are the same for all topics: they are drawn once."""
MAX_COUNTRIES = 12
"""Countries in the table, at the most."""


def render(snapshot: Snapshot, status: Status, settings: Settings, now: int) -> str:
    """The page as HTML; ``now`` is the wall clock in ms UTC."""
    current = snapshot.current()
    topics = [topic for topic, _ in status.topics]
    state, health = _health(snapshot, status, settings.follow.ready_lag, now)
    lateness = round(settings.time.lateness * SECOND)
    section = Template(text("section.html"))
    sections = [
        section.substitute(
            index=i,
            topic=escape(topic),
            heading=section_heading(i, topic),
            lead=_headline(current, i, lateness),
            load="" if i else QUERY_CHART,
            rows="".join(_row(view.topics[i], view) for view in current),
        )
        for i, topic in enumerate(topics)
    ]
    return Template(text("page.html")).substitute(
        title=escape(settings.title or "donkeywatch"),
        banner=BANNER if settings.demonstration else "",
        version=__version__,
        state=state,
        health=escape(health),
        first=escape(topics[0]) if topics else "",
        now=sections[0] if sections else "",
        countries=_countries(week_by_country(snapshot), topics),
        others="".join(sections[1:]),
    )


def _health(snapshot: Snapshot, status: Status, ready_lag: int, now: int) -> tuple[str, str]:
    """State for the style sheet, and one line."""
    state, line = _state(snapshot, status, ready_lag, now)
    return state, " ".join([line, *(f"Notice: {notice}." for notice in status.notices)])


def _state(snapshot: Snapshot, status: Status, ready_lag: int, now: int) -> tuple[str, str]:
    reasons = status.readiness_problems(ready_lag)
    if reasons:
        return "late", "Not ready: " + "; ".join(reasons)
    times = [source.last_event for source in status.sources if source.last_event is not None]
    counted = f"{snapshot.total_queries():,} queries counted"
    if not times:
        return "empty", "Following. No query has come yet."
    newest = max(times)
    if hour := next((w for w in status.fleet_windows if w.window == "hour"), None):
        united = f"{hour.servers} of {len(status.sources)} servers united up to {_clock(newest)}"
        is_late = now - newest > SILENT_AFTER + UNION_BEHIND
        return "stale" if is_late else "ready", f"{united}. {counted}."
    if now - newest > SILENT_AFTER:
        return "stale", f"Silent for {_span(now - newest)}, since {_clock(newest)}. {counted}."
    return "ready", f"Following and caught up, newest query {_clock(newest)}. {counted}."


def _span(ms: int) -> str:
    minutes = ms // MINUTE
    if not minutes:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _clock(time: int) -> str:
    return f"{iso_utc(time)[:19].replace('T', ' ')} UTC"


def section_heading(index: int, topic: str) -> str:
    """Give the heading of a series: topic and profile, which its name joins by a full stop."""
    if index == 0:
        return "Now"
    name, *components = topic.split(".")
    if not components:
        return f"For comparison: {escape(name)}"
    ways = [WAYS.get(component, component) for component in components]
    return f"{escape(name.capitalize())}, {escape(' '.join(ways))}"


def _headline(current: Sequence[WindowView], index: int, lateness: int) -> str:
    """The last 24 hours, large, and what they mean in one sentence; ``lateness`` in ms."""
    view = next((v for v in current if v.kind == "24h" and v.queries), None)
    topic = view.topics[index] if view else None
    if view is None or topic is None or topic.query_fraction is None or topic.addresses is None:
        if not current:
            return (
                '<p class="lead">The first figures come'
                f" {_span(lateness)} to {_span(lateness + MINUTE)} after the first queries:"
                f" windows end {_span(lateness)} ago, so that late lines are in them.</p>"
            )
        day = next((v for v in current if v.kind == "24h"), None)
        until = f" up to {_clock(day.end)[:16]} UTC" if day else ""
        return (
            f'<p class="lead">No query in the 24 hours{until}. Windows end'
            f" {_span(lateness)} ago, so that late lines are in them.</p>"
        )
    of_queries, of_addresses = topic.query_fraction, topic.address_fractions[0]
    flagged = topic.addresses[0]
    name = escape(topic.topic)
    return (
        '<dl class="figures">'
        + _headline_number("queries", of_queries, topic.queries, view.queries)
        + _headline_number("addresses", of_addresses, flagged, view.addresses or 0)
        + f'</dl><p class="lead">In {_followed(view)} up to {_clock(view.end)[:16]} UTC,'
        f" {topic.queries:,} of {view.queries:,} queries were flagged as <em>{name}</em>:"
        f" {_one_in(of_queries)}. They came from {flagged:,} of {view.addresses or 0:,}"
        f" addresses: {_one_in(of_addresses)}.</p>"
    )


def _followed(view: WindowView) -> str:
    """Describe which part of the last 24 hours the figures are about."""
    if view.coverage >= MIN_COVERAGE:
        return "the 24 hours"
    followed = _span(round(view.coverage * (view.end - view.start)))
    return f"the {followed} that were followed of the 24 hours"


def _headline_number(what: str, estimate: Estimate | None, flagged: int, of: int) -> str:
    if estimate is None:
        return f"<div><dt>of {what}</dt><dd>&ndash;</dd></div>"
    return (
        f'<div class="{what}"><dt>of {what}, last 24 hours</dt>'
        f"<dd><b>{estimate.value:.3%}</b>"
        f" <span>{estimate.lower:.3%}&ndash;{estimate.upper:.3%}</span>"
        f" <span>{flagged:,} of {of:,}</span></dd></div>"
    )


def _one_in(estimate: Estimate | None) -> str:
    if estimate is None or not estimate.value:
        return "none"
    if estimate.value >= NEARLY_ALL:
        return "nearly all"
    if estimate.value >= LARGE_FRACTION:
        return f"about {round(10 * estimate.value)} in 10"
    return f"about one in {round(1 / estimate.value):,}"


def _row(topic: TopicView, view: WindowView) -> str:
    flagged = topic.addresses[0] if topic.addresses else 0
    of_queries = percent(topic.query_fraction)
    if topic.corrected is not None:
        of_queries += f'<small class="corrected">corrected {percent(topic.corrected)}</small>'
    cells = (
        of_queries,
        percent(topic.address_fractions[0]),
        f"{topic.queries:,}<small>of {view.queries:,}</small>",
        f"{flagged:,}<small>of {view.addresses or 0:,}</small>",
        f"{view.coverage:.0%}",
    )
    name = f"{NAMES[view.kind]}<small>{_period(view)}</small>"
    return f'<tr><th scope="row">{name}</th>{_cells(COLUMNS, cells)}</tr>'


def _period(view: WindowView) -> str:
    """Describe which time a window is about, UTC."""
    if view.kind == "week":
        return week_name(view.start)
    if view.kind == "hour":
        return _clock(view.start)[:16]
    return f"to {_clock(view.end)[:16]}"


def _cells(columns: Sequence[str], cells: Sequence[str]) -> str:
    return "".join(
        f'<td data-column="{escape(column)}">{cell}</td>'
        for column, cell in zip(columns, cells, strict=True)
    )


def percent(estimate: Estimate | Interval | None) -> str:
    """A fraction in per cent with its interval."""
    if estimate is None:
        return "&ndash;"
    return f"{estimate.value:.3%}<small>{estimate.lower:.3%}&ndash;{estimate.upper:.3%}</small>"


def _countries(answer: CountriesResponse, topics: Sequence[str]) -> str:
    if answer.week is None:
        return '<p class="soft">The first week by country appears when it has closed.</p>'
    named = [answer for answer in answer.countries if answer.country is not None]
    if not named:
        return (
            f'<p class="soft">No country may be named in {answer.week}: one needs'
            f" {MIN_NAMED_ADDRESSES} addresses,"
            " and as many have to be left for the others.</p>"
        )
    rows = "".join(_country(answer) for answer in named[:MAX_COUNTRIES])
    head = "".join(
        f'<th scope="col">{escape(topic)}, of queries</th>'
        f'<th scope="col">{escape(topic)}, of addresses</th>'
        for topic in topics
    )
    more = len(named) - MAX_COUNTRIES
    left_out = f" {more} more are in the API." if more > 0 else ""
    return Template(text("countries.html")).substitute(
        week=answer.week, head=head, rows=rows, small=MIN_NAMED_ADDRESSES, more=left_out
    )


def _country(answer: CountryResponse) -> str:
    columns, cells = ["queries", "addresses"], [f"{answer.queries:,}", f"{answer.addresses:,}"]
    for t in answer.topics:
        columns += [f"{t.topic}, of queries", f"{t.topic}, of addresses"]
        cells.append("&ndash;" if t.query_fraction is None else f"{t.query_fraction:.3%}")
        cells.append(percent(t.address_fraction))
    name = escape(country_name(answer.country or ""))
    return f'<tr><th scope="row">{name}</th>{_cells(columns, cells)}</tr>'
