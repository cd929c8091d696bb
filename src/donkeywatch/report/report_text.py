"""The words of a report, section by section; page and PDF show the same ones."""

from __future__ import annotations

from dataclasses import dataclass

from donkeywatch.counting.calendar import WEEK, iso_utc, week_name, week_of
from donkeywatch.evaluation.validation_record import mismatch
from donkeywatch.report.analysis import Analysis
from donkeywatch.report.database_series import Instrument
from donkeywatch.report.hour_exclusion import COVERED, NEIGHBOUR_WEEKS, OUTAGE_SHARE, PAPER_SHARE
from donkeywatch.report.provenance import THE_STUDY, Gap
from donkeywatch.report.statistics.bootstrap import BLOCK, MIN_BLOCKS, REPLICATES, SEED
from donkeywatch.report.statistics.trend import MIN_WEEKS
from donkeywatch.report.study_comparison import comparison_rows
from donkeywatch.report.weekly_series import Trend

RULES = {
    "coverage": f"hours followed for less than {COVERED * 100:.0f} % and hours with less than"
    f" {OUTAGE_SHARE * 100:.0f} % of the median of the same hour of the week over"
    f" {NEIGHBOUR_WEEKS} weeks before and after",
    "paper2pct": f"the {PAPER_SHARE * 100:.0f} % of hours with the fewest queries",
    "none": "only hours that were not followed at all",
}
SHOWN_WEEKS = 6
"""Weeks that are named because they do not count, the first ones."""
SHOWN_GAPS = 6
"""Gaps that the first page names, the longest ones; all are in gaps.csv."""
CONCLUSIONS = (
    "An address is not a person, and a flagged query is not an act. All fractions are as observed"
    " by the word list in use, unless they are named corrected: what it misses and what it flags"
    " wrongly is in them. Series are not compared across a break. Profiles show when and how much"
    " is asked; they make no statement about who asks."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: its heading, paragraphs, and a table whose first row is its head.

    ``widths`` are the shares of the table's columns in its width.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[float, ...] = ()


def title(analysis: Analysis) -> str:
    """The title of the report."""
    return f"Report: topic {analysis.topic}"


def opening(analysis: Analysis) -> list[Section]:
    """Give the sections that stand before the figures."""
    table = (
        ("figure", "what", "the study (2009-2012)", "this database"),
        *(tuple(row) for row in comparison_rows(analysis)),
    )
    trends = tuple(_trend_sentence(analysis, trend) for trend in analysis.weeks.trends)
    return [
        Section("About this report", (), (("", ""), *_about(analysis)), (0.2, 0.8)),
        Section("Trend", trends or ("No closed week lies in the span of this report.",)),
        Section("The study's figures beside these", (), table, (0.06, 0.32, 0.2, 0.42)),
    ]


def closing() -> Section:
    """Give the section that stands behind the figures."""
    return Section("What must not be concluded", (CONCLUSIONS,))


def _about(analysis: Analysis) -> list[tuple[str, str]]:
    origin = analysis.provenance
    followed = origin.followed_hours / origin.hours
    rows = [
        ("donkeywatch", f"version {origin.version}"),
        ("date", f"{origin.date}: " + ("as asked for" if analysis.options.date else
         "the day of the newest commit in the database")),
        ("span", f"{iso_utc(origin.start)} to {iso_utc(origin.end)}: {origin.hours:,} hours, of"
         f" which {origin.followed_hours:,.1f} were followed ({followed * 100:.1f} %)"),
        ("flagged", _flagged_text(analysis)),
        ("gaps", _gap_text(origin.gaps)),
        ("weeks", _week_text(analysis)),
        ("lexicon", "keyed digest " + _instrument_text(origin.lexicon)),
        ("country data", "digest " + _instrument_text(origin.countries)),
        ("normalisation", _instrument_text(origin.normalisation)),
        ("breaks", _break_text(analysis)),
        ("left out", _exclusion_text(analysis)),
        ("fractions by hour", f"figures 8 and 9: {analysis.options.estimator.replace('_', ' ')}"),
        ("intervals", "95 %; those of profiles by moving-block bootstrap over days, blocks of"
         f" {BLOCK} days, {REPLICATES} replicates, seed {SEED}, none below {MIN_BLOCKS * BLOCK}"
         " days"),
        ("settings", _settings_text(analysis)),
        ("correction", _correction_text(analysis)),
        ("splices", _splices_text(analysis)),
        ("cite", origin.cite(analysis.topic)),
        ("method", f"docs/method.md of donkeywatch, after {THE_STUDY}"),
    ]  # fmt: skip
    return rows


def _flagged_text(analysis: Analysis) -> str:
    """Tell the fraction of all closed hours; its interval is known by week alone."""
    hours = analysis.hours
    queries, flagged = (int(each[hours.stored].sum()) for each in (hours.queries, hours.flagged))
    if not queries:
        return "no query is counted in a closed hour"
    return (
        f"{flagged:,} of {queries:,} queries of all closed hours as {analysis.topic}, that is"
        f" {100 * flagged / queries:.3f} %; by week, with intervals: figure 2"
    )


def _week_text(analysis: Analysis) -> str:
    """Tell how many weeks count, and which do not."""
    weeks, end = analysis.weeks, analysis.provenance.end
    starts = weeks.windows.start[~weeks.whole].tolist()
    left_out = [week_name(start) for start in starts if start + WEEK <= end][:SHOWN_WEEKS]
    more = len(starts) - len(left_out)
    text = f"{int(weeks.whole.sum())} of {len(weeks.windows)} count; ISO weeks in UTC"
    if left_out:
        names = ", ".join(left_out) + (f" and {more} more" if more > 0 else "")
        text += f"; left out: {names} (followed, or kept, for less than 95 %)"
    if week_of(end) < end:
        text += f"; {week_name(end)} does not end in the span, and is in no figure by week"
    return text


def _gap_text(gaps: tuple[Gap, ...]) -> str:
    if not gaps:
        return "none: every hour was followed"
    longest = sorted(gaps, key=lambda gap: (-gap.hours, gap.start))[:SHOWN_GAPS]
    spans = "; ".join(
        f"{iso_utc(gap.start)} to {iso_utc(gap.end)} ({gap.hours:,} h)"
        for gap in sorted(longest, key=lambda gap: gap.start)
    )
    if len(gaps) == 1:
        return f"1 (gaps.csv): {spans}"
    which = "" if len(gaps) <= SHOWN_GAPS else f"; the {SHOWN_GAPS} longest"
    total = sum(gap.hours for gap in gaps)
    return f"{len(gaps)} of {total:,} hours in all (gaps.csv){which}: {spans}"


def _instrument_text(instrument: Instrument) -> str:
    digest = instrument.digest or "not recorded"
    if instrument.since is None:
        return f"{digest}, unchanged since the beginning" if instrument.digest else digest
    return f"{digest}, since {iso_utc(instrument.since)}"


def _break_text(analysis: Analysis) -> str:
    if not analysis.breaks:
        return "none in this span"
    marks = "; ".join(f"{iso_utc(each.time)} new {each.kind}" for each in analysis.breaks)
    span = " to ".join(map(iso_utc, analysis.span))
    return (
        f"{marks}. No line or trend goes across them; profiles by hour of day are of the longest"
        f" stretch between them, {span}"
    )


def _exclusion_text(analysis: Analysis) -> str:
    rule, stored = analysis.options.rule, int(analysis.hours.stored.sum())
    left_out = stored - int(analysis.keep.sum())
    missing = len(analysis.hours) - stored
    return (
        f"rule {rule}: {RULES[rule]}. {left_out:,} of {stored:,} closed hours are left out, and for"
        f" {missing:,} more there is nothing"
    )


def _settings_text(analysis: Analysis) -> str:
    settings = analysis.options.settings
    if settings is None:
        return "not known: a database was named in place of the settings"
    return "; ".join(f"{name} = {value}" for name, value in settings)


def _splices_text(analysis: Analysis) -> str:
    if not analysis.options.spliced:
        return "not asked for: no series is shown across a change of the word list"
    if analysis.spliced is None:
        return "none: no word list that ran in the shadow has taken over"
    return "figure 2 has a curve across the word lists that took over from the shadow"


def _correction_text(analysis: Analysis) -> str:
    record = analysis.options.record
    if record is None:
        return "none: there is no validation record, so all fractions are as observed"
    origin = f"validation record of {record.evaluated_on}, lexicon {record.lexicon}"
    if analysis.corrected is not None:
        return f"figure 2 has a corrected curve, from the {origin}"
    lexicon = analysis.provenance.lexicon.digest
    reason = "the lexicon of this span is not recorded"
    if lexicon is not None:
        reason = mismatch(record, lexicon) or (
            "it does not tell precision and recall of this topic, or no whole week began since the"
            " lexicon last changed"
        )
    return f"none, in spite of the {origin}: {reason}"


def _trend_sentence(analysis: Analysis, trend: Trend) -> str:
    starts = analysis.weeks.windows.start
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
        f" of {yearly[0]:.3f} a year ({yearly[1]:.3f} to {yearly[2]:.3f}; Sen's slope),"
        f" Mann-Kendall by Hamed and Rao p = {trend.test.p:.2g}."
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
