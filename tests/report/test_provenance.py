"""What a reader needs to cite a report: all of it follows from the database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import yaml

import donkeywatch
from donkeywatch.counting.calendar import DAY, week_name
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.database_series import Instrument, open_database
from donkeywatch.report.provenance import AUTHORS, figure_settings, find_gaps
from donkeywatch.report.report_page import report_html
from donkeywatch.report.report_text import opening
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation.three_years import WEEK, Years
from donkeywatch.simulation.truth import HOUR

ROOT = Path(__file__).resolve().parents[2]


def test_gaps_are_the_hours_that_were_planted(analysis: Analysis, years: Years) -> None:
    """Outages and the half hour, with what was followed of them."""
    planted = {(at, length) for at, length in years.outages} | {(at, 1) for at in years.halves}
    gaps = analysis.provenance.gaps
    assert {((gap.start - years.start_ms) // HOUR, gap.hours) for gap in gaps} == planted
    assert sorted(gap.followed_hours for gap in gaps) == [0, 0, 0, 0.5]
    assert analysis.provenance.hours == years.hours
    assert analysis.provenance.followed_hours == years.hours - 83 - 0.5
    assert find_gaps(analysis.hours) == gaps


def test_the_first_page_names_what_the_figures_rest_on(analysis: Analysis) -> None:
    """Version, date, span, gaps, digests, the rule that leaves hours out, and how to cite."""
    text = report_html(analysis, {})
    for message in (
        f"version {donkeywatch.__version__}", "2010-01-11: the day of the newest commit",
        "2009-06-01T00:00:00Z to 2010-01-11T16:00:00Z: 5,392 hours, of which 5,308.5 were followed",
        "4 of 84 hours in all (gaps.csv)", "2009-09-13T04:00:00Z to 2009-09-15T16:00:00Z (60 h)",
        "since 2009-12-14T00:00:00Z", "rule coverage: hours followed for less than 95 %",
        "7 days, 2000 replicates, seed 2015", "settings</th>",
        analysis.provenance.cite("pedophile"),
    ):  # fmt: skip
        assert message in text, message


def changed(archive: Path, path: Path, *statements: str) -> Path:
    """A copy of a database which some statements have changed."""
    source, target = sqlite3.connect(archive), sqlite3.connect(path)
    source.backup(target)
    source.close()
    with target:
        for statement in statements:
            target.execute(statement)
    target.close()
    return path


def test_the_date_is_that_of_the_newest_commit(archive: Path, tmp_path: Path, years: Years) -> None:
    """By the clock of the database, or the day that is asked for; never that of the run."""
    until = years.start_ms + 4 * WEEK * HOUR
    clock = years.start_ms + 1000 * DAY
    path = changed(
        archive, tmp_path / "clock.db",
        f"insert into settings values ('clock', '{clock} 0 1 0 0')",
    )  # fmt: skip
    assert analyse_database(path, Options(until=until)).provenance.date == "2012-02-26"
    chosen = analyse_database(path, Options(until=until, date="2013-05-01"))
    assert chosen.provenance.date == "2013-05-01"
    assert "(2013). donkeywatch" in chosen.provenance.cite("pedophile")


def test_weeks_that_do_not_count_are_named(analysis: Analysis, years: Years) -> None:
    """Those with outages, and the week that had not ended, in no figure by week."""
    page = dict(row for section in opening(analysis) for row in section.rows if len(row) == 2)
    text = page["weeks"]
    left_out = week_name(years.start_ms + 510 * HOUR)
    assert f"left out: {left_out}" in text
    assert "(followed, or kept, for less than 95 %)" in text
    last = week_name(years.start_ms + years.hours * HOUR)
    assert f"; {last} does not end in the span, and is in no figure by week" in text


def test_instruments_are_those_of_the_span(archive: Path, tmp_path: Path, years: Years) -> None:
    """Before the first change the digest is not recorded, and none is made up."""
    change = years.start_ms + years.change * HOUR
    path = changed(
        archive, tmp_path / "instruments.db",
        "insert into settings values ('break:lexicon', '00ff'), ('break:countries', 'cc11')",
        "update breaks set digest = '00ff' where kind = 'lexicon'",
    )  # fmt: skip
    with open_database(path) as database:
        assert database.instrument("lexicon", change + 1) == Instrument("00ff", change)
        assert database.instrument("lexicon", change) == Instrument(None, None)
        assert database.instrument("countries", change) == Instrument("cc11", None)
        assert database.instrument("normalisation", change) == Instrument(None, None)


def test_settings_that_decide_the_figures_are_named(tmp_path: Path) -> None:
    """How long late lines are waited for, and no path or pattern."""
    settings = Settings.model_validate({
        "lexicon": tmp_path / "lexicon.toml",
        "source": [{"path": tmp_path / "search.log", "format": "tsv"}],
        "time": {"lateness": 240},
    })  # fmt: skip
    named = dict(figure_settings(settings))
    assert named["time.lateness"] == "240 s"
    assert named["format (query syntax)"] == "tsv (plain)"
    assert str(tmp_path) not in str(named)


@pytest.mark.parametrize("key", ["cff-version", "message", "title", "authors", "version"])
def test_the_citation_file_has_what_its_format_requires(key: str) -> None:
    """Of version 1.2.0 of the Citation File Format."""
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))[key]


def test_the_citation_file_agrees_with_the_report(analysis: Analysis) -> None:
    """The same authors, title, version and licence, so that both lines name one thing."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert [author["name"] for author in citation["authors"]] == [AUTHORS]
    line = analysis.provenance.cite(analysis.topic)
    assert line.startswith(f"{AUTHORS} (2010). {citation['title']} (version {citation['version']})")
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_fraction_of_all_hours_is_on_the_first_page(analysis: Analysis) -> None:
    """As counted: its numbers are those of the closed hours."""
    page = dict(row for section in opening(analysis) for row in section.rows if len(row) == 2)
    hours = analysis.hours
    queries = int(hours.queries[hours.stored].sum())
    flagged = int(hours.flagged[hours.stored].sum())
    assert page["flagged"].startswith(f"{flagged:,} of {queries:,} queries of all closed hours")
    assert f"{100 * flagged / queries:.3f} %" in page["flagged"]
