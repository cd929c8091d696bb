"""The report as one page that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.report.findings import Findings
from donkeywatch.report.published_values import comparison_rows
from donkeywatch.report.statistics.trend import MIN_WEEKS
from donkeywatch.report.weekly_series import Trend

CAPTIONS = {
    "1a": "Queries by week, and their centred mean over five weeks. Weeks that were not covered"
    " in full are hollow and in no line.",
    "1b": "Autocorrelation of the weekly queries. The grey bands are those of white noise, the"
    " orange one is Bartlett's.",
    "2": "Queries that are flagged, by week, as observed: ratio of sums. The interval takes the"
    " queries of one address as one cluster.",
    "3": "Addresses with at least one, two and three flagged queries, by week, as observed, with"
    " Wilson's interval.",
    "4a": "Queries by local hour of day, mean over days.",
    "4b": "The same: each day's hour in a box-plot.",
    "5a": "Flagged queries by local hour of day, mean over days.",
    "5b": "The same: each day's hour in a box-plot.",
    "6a": "Fraction of queries that are flagged by local hour of day. The mean of hourly ratios"
    " weighs days alike, the ratio of sums weighs queries alike.",
    "6b": "The same: each day's hourly ratio in a box-plot.",
    "7a": "Fraction of addresses that are flagged by local hour of day, by the same two"
    " estimators.",
    "7b": "The same: each day's hourly ratio in a box-plot.",
    "8": "Fraction of queries that are flagged in groups of countries, in local time.",
    "2-corrected": "The same as figure 2, corrected for what the word list misses and what it flags"
    " wrongly, as a validation record tells: Rogan-Gladen's estimate of the weeks since the list"
    " was last changed. It is another quantity than the observed fraction.",
    "9": "The fraction by local hour of the topic it is compared with, all of it and"
    " what the other does not flag, and of the topic itself. Queries flagged as both are known by"
    " hour, and shared among countries as the rest of that hour's are.",
}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #ddd}
figure{margin:1.6rem 0;break-inside:avoid}figcaption{color:#444}img{width:100%;height:auto}
.soft{color:#555}
"""


def report_html(findings: Findings, pictures: Mapping[str, bytes]) -> str:
    """The page with its pictures (SVG, by figure) inside; it holds no date of its own."""
    parts = [
        f"<h1>Report: topic {escape(findings.topic)}</h1>",
        *_scope(findings),
        "<h2>The study's figures beside these</h2>",
        _comparison_table(findings),
        "<h2>Trend</h2>",
        *_trends(findings),
        "<h2>Figures</h2>",
        *(_figure(name, pictures[name]) for name in pictures),
        "<h2>What must not be concluded</h2>",
        "<p>An address is not a person, and a flagged query is not an act. All fractions are as"
        " observed by the word list in use, unless they are named corrected: what it misses and"
        " what it flags wrongly is in them."
        " Series are not compared across a break. Profiles show when and how much is asked; they"
        " make no statement about who asks.</p>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>donkeywatch report</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _scope(findings: Findings) -> list[str]:
    hours, stored = findings.hours, int(findings.hours.stored.sum())
    away = stored - int(findings.keep.sum())
    missing = len(hours) - stored
    first, last = iso_utc(int(hours.start[0])), iso_utc(int(hours.start[-1]) + hours.length)
    span = " to ".join(map(iso_utc, findings.span))
    parts = [
        f"<p>Hours from {first} to {last}. {stored:,} are closed; {away:,} of them are left out by"
        f" the rule <b>{findings.options.rule}</b>, and for {missing:,} more there is nothing."
        " Weeks"
        f" are ISO weeks in UTC; {int(findings.weeks.whole.sum())} of {len(findings.weeks.windows)}"
        f" count. Intervals are 95 %. Fractions by local hour of figures 8 and 9 are"
        f" {findings.options.estimator.replace('_', ' ')}.</p>"
    ]
    if findings.breaks:
        marks = "; ".join(
            f"{iso_utc(each.time)} new {escape(each.kind)}" for each in findings.breaks
        )
        parts.append(
            f"<p>Breaks of the measurement: {marks}. No line or trend goes across them; profiles"
            f" by hour of day are of the longest stretch between them, {span}.</p>"
        )
    return parts


def _comparison_table(findings: Findings) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.figure)}</td><td>{escape(row.what)}</td><td>{escape(row.study)}</td>"
        f"<td>{escape(row.this_database)}</td></tr>"
        for row in comparison_rows(findings)
    )
    return (
        "<table><thead><tr><th>figure</th><th>what</th><th>the study (2009-2012)</th>"
        f"<th>this database</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _trends(findings: Findings) -> list[str]:
    return [f"<p>{_trend_sentence(findings, trend)}</p>" for trend in findings.weeks.trends] or [
        '<p class="soft">No week is closed yet.</p>'
    ]


def _trend_sentence(findings: Findings, trend: Trend) -> str:
    starts = findings.weeks.windows.start
    span = (
        f"{iso_utc(int(starts[trend.first]))[:10]} to {iso_utc(int(starts[trend.last - 1]))[:10]}"
    )
    begin = f"Weeks of {span}: "
    yearly = trend.yearly
    if yearly is None or trend.test is None:
        return (
            f"{begin}{trend.complete} whole weeks. Fewer than {MIN_WEEKS} allow no statement about"
            " a trend."
        )
    sentence = (
        f"{begin}{trend.complete} whole weeks. The odds of a query to be flagged change by a factor"
        " of"
        f" {yearly[0]:.3f} a year ({yearly[1]:.3f} to {yearly[2]:.3f}; Sen's slope), Mann-Kendall"
        f" by Hamed and Rao p = {trend.test.p:.2g}."
    )
    if trend.changes:
        weeks = ", ".join(iso_utc(int(starts[at]))[:10] for at in trend.changes)
        sentence += (
            f" The level changes in the weeks of {weeks} (PELT), where no break is recorded."
        )
    if trend.alarms:
        weeks = ", ".join(iso_utc(int(starts[at]))[:10] for at in trend.alarms)
        sentence += (
            f" A live monitor would have told a shift of level in the weeks of {weeks} (CUSUM)."
        )
    return sentence


def _figure(name: str, picture: bytes) -> str:
    data = b64encode(picture).decode("ascii")
    return (
        f'<figure id="figure-{name}"><img alt="Figure {name}"'
        f' src="data:image/svg+xml;base64,{data}">'
        f"<figcaption><b>Figure {name}.</b> {CAPTIONS[name]}</figcaption></figure>"
    )
