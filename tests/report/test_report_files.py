"""The report as its reader meets it: files, pictures, page, and what it does not say."""

from __future__ import annotations

import base64
import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from donkeywatch.counting.calendar import DAY, iso_utc
from donkeywatch.errors import ConfigError
from donkeywatch.report import (
    csv_columns,
    figure_csv,
    hour_of_day_plots,
    plot_elements,
    report_files,
    weekly_plots,
)
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.captions import caption
from donkeywatch.report.figures import FIGURES
from donkeywatch.report.hour_of_day_profiles import boxes
from donkeywatch.report.report_files import PAGE, write
from donkeywatch.report.report_page import report_html
from donkeywatch.report.report_pdf import ReportPdf
from donkeywatch.report.study_comparison import UNKNOWN, comparison_rows
from donkeywatch.simulation.three_years import WEEK, Years
from donkeywatch.simulation.truth import HOUR

NUMBERS = ("1a", "1b", "2", "3", "4a", "4b", "5a", "5b", "6a", "6b", "7a", "7b", "8", "9")


MEASURED = """
import atexit, sys
from donkeywatch.cli import main
def peak():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("VmHWM"))
atexit.register(lambda: print("peak", peak(), file=sys.stderr))
main()
"""
"""The command line; at its end it tells its largest resident set, in kB.

Not `ru_maxrss`: that one is handed on from the process which started it.
"""


def command(*request: str) -> subprocess.CompletedProcess[str]:
    """`donkeywatch report` as a process of its own."""
    line = [sys.executable, "-c", MEASURED, "report", *request]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def written(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on disk, made by the command, as a process of its own."""
    out = tmp_path_factory.mktemp("report")
    done = command("--database", str(archive), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "62 files; look at" in done.stdout
    (out / "used").write_text(done.stderr.rpartition("peak ")[2])
    return out


def test_every_figure_is_there_in_four_forms(written: Path) -> None:
    """SVG, PNG, PDF and the numbers behind, and one page."""
    for number in NUMBERS:
        assert (written / f"figure-{number}.svg").read_bytes().startswith(b"<?xml")
        assert (written / f"figure-{number}.png").read_bytes().startswith(b"\x89PNG")
        assert (written / f"figure-{number}.pdf").read_bytes().startswith(b"%PDF")
        with (written / f"figure-{number}.csv").open() as file:
            rows = list(csv.reader(file))
        assert len(rows) > 20, number
        assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.untraced
def test_the_same_input_gives_the_same_bytes(written: Path, archive: Path, tmp_path: Path) -> None:
    """A second report, in another process and directory, equals the first one byte by byte."""
    for path in write(archive, tmp_path / "again", Options()):
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name


def test_the_page_needs_nothing_but_itself(written: Path) -> None:
    """All pictures are inside; no script, no link, no date of making."""
    text = (written / PAGE).read_text("utf-8")
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert len(sources) == len(NUMBERS)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"<script|<link|href=|url\(", re.sub(r'src="[^"]*"', "", text))
    inside = base64.b64decode(re.findall(r'base64,([^"]+)', text)[2])
    assert inside == (written / "figure-2.svg").read_bytes()
    for message in ("1,290,377,956", "cannot be had", "new lexicon", "What must not be concluded"):
        assert message in text


def test_the_whole_report_is_one_pdf(written: Path) -> None:
    """Its text and every figure, without a date of making."""
    data = (written / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page ") > len(NUMBERS) + 2
    assert b"Report: topic pedophile" in data
    for path in written.glob("*.pdf"):
        assert b"CreationDate" not in path.read_bytes()
        assert b"matplotlib" not in path.read_bytes().lower()


def test_the_pages_of_the_pdf_are_numbered(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 1 on, text and figures alike, so that a page can be cited."""
    from matplotlib.backends.backend_pdf import PdfPages

    last_texts: list[str] = []
    monkeypatch.setattr(
        PdfPages, "savefig", lambda _pages, page: last_texts.append(page.texts[-1].get_text())
    )
    with plot_elements.style():
        pdf = ReportPdf(analysis)
        pdf.add_figure("1a", FIGURES["1a"](analysis))
        pdf.finish()
    assert len(last_texts) > 3
    assert last_texts == [str(number) for number in range(1, len(last_texts) + 1)]


def test_a_table_has_one_column_for_each_thing(analysis: Analysis) -> None:
    """Countries, topics and estimators are not joined into one text."""
    countries = figure_csv.TABLES["8"](analysis)
    assert {(row[0], row[1]) for row in countries[1:]} == {
        (group, estimator)
        for group in analysis.groups
        for estimator in ("ratio_of_sums", "mean_of_ratios")
    }
    topics = figure_csv.TABLES["9"](analysis)
    assert {(row[0], row[1]) for row in topics[1:]} == {
        ("pedophile", ""), ("pornographic", ""), ("pornographic", "pedophile"),
    }  # fmt: skip


def test_a_picture_is_laid_out_once_for_all_its_forms(analysis: Analysis) -> None:
    """With an engine for its layout every form would be drawn twice."""
    with plot_elements.style():
        figure = hour_of_day_plots.hourly_queries(analysis)
        assert set(report_files.render_forms(figure)) == {"svg", "png", "pdf"}
        assert figure.get_layout_engine() is None


@pytest.mark.parametrize("name", csv_columns.FILES)
def test_a_table_opens_in_pandas_without_options(written: Path, name: str) -> None:
    """Its columns are those of the documentation, and what is a time is read as one."""
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(written / name)
    assert list(table.columns) == list(csv_columns.FILES[name])
    assert len(table)
    for column in {"start_utc", "end_utc", "local_day"} & set(table.columns):
        assert pandas.to_datetime(table[column]).dt.year.isin([2009, 2010]).all()
    counts = {"value", "fraction", "mean", "queries", "hours"} & set(table.columns)
    assert all(pandas.api.types.is_numeric_dtype(table[column]) for column in counts)


def test_every_table_that_is_written_is_documented(written: Path) -> None:
    """No CSV file without a description of its columns."""
    assert {path.name for path in written.glob("*.csv")} == set(csv_columns.FILES)


def test_no_number_is_less_than_nothing_or_none_at_all(written: Path) -> None:
    """Neither a negative zero nor a `nan` is in a table or on the page."""
    assert figure_csv.to_csv([[-0.0, -1e-300 * 1e-300, float("nan"), 0.5]]) == "0,0,,0.5\n"
    page = re.sub(r'src="[^"]*"', "", (written / PAGE).read_text("utf-8"))
    texts = [page, *(path.read_text("utf-8") for path in written.glob("*.csv"))]
    for text in texts:
        assert not re.search(r"-0(?:\.0+)?(?![\d.])(?!-)", re.sub(r"\d-0", "", text))
        assert not re.search(r"\bnan\b", text)


def test_a_ratio_without_bound_is_told_in_words(analysis: Analysis) -> None:
    """Not as `inf`, which is no number to cite."""
    curve = analysis.whole.flagged
    replicates = curve.replicates.copy()
    replicates[:, 5] = 0
    flagged = replace(curve, replicates=replicates)
    rows = comparison_rows(replace(analysis, whole=replace(analysis.whole, flagged=flagged)))
    shown = {row.what: row.this_database for row in rows}
    assert shown["flagged queries per hour: highest over lowest"].endswith("or more)")
    assert not any("inf" in row.this_database for row in rows)


def test_no_hour_makes_no_nan_percent(analysis: Analysis) -> None:
    """Where nothing was asked, nothing is known."""
    none = replace(
        analysis.concentration, observed=float("nan"), capped=float("nan"), top_1=float("nan")
    )
    rows = comparison_rows(replace(analysis, concentration=none))
    assert not any("nan" in row.this_database for row in rows)


def test_the_page_says_when_nothing_can_be_said(written: Path) -> None:
    """The four weeks after the break allow no statement about a trend; those before do."""
    text = (written / PAGE).read_text("utf-8")
    assert text.count("allow no statement about a trend") == 1
    assert text.count("Sen's slope") == 1


def test_a_report_takes_little_memory(written: Path) -> None:
    """`make bench-report` measures that of three years, and the time."""
    assert float((written / "used").read_text()) < 500_000


def lines(figure: Any) -> list[tuple[Any, Any]]:
    """x and y of every line of the first axes."""
    return [line.get_data() for line in figure.axes[0].lines]


def test_no_line_goes_across_a_gap_or_a_break(analysis: Analysis) -> None:
    """Weeks that do not count are NaN in the line, and so is the place of the break."""
    with plot_elements.style():
        x, y = lines(weekly_plots.weekly_query_fraction(analysis))[0]
    missing = int(np.isnan(analysis.weeks.queries.value).sum())
    assert missing >= 2
    assert np.isnan(y).sum() == missing + 1
    gap = np.flatnonzero(np.isnan(y))
    assert any(np.isnan(y[at]) and analysis.weeks.contains_break.sum() == 0 for at in gap)
    edge = (analysis.breaks[0].time) / DAY
    known = x[np.isfinite(y)]
    before, after = known[known < edge].max(), known[known > edge].min()
    between = [at for at in range(len(x)) if np.isnan(y[at]) and np.isnan(x[at])]
    assert len(between) == 1
    assert x[between[0] - 1] == before
    assert x[between[0] + 1] == after


def test_dates_have_their_year(analysis: Analysis, archive: Path, years: Years) -> None:
    """Each label of the axis of weeks, over months and over few weeks."""
    until = years.start_ms + 6 * WEEK * HOUR
    for report in (analysis, analyse_database(archive, Options(until=until))):
        with plot_elements.style():
            for number in ("1a", "2", "3"):
                figure = FIGURES[number](report)
                figure.draw_without_rendering()
                shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
                assert len(shown) > 2
                assert all(re.search(r"\b20(09|10)$", text) for text in shown), shown


def test_the_dates_of_few_weeks_stand_at_equal_distances(archive: Path, years: Years) -> None:
    """At Mondays, a whole number of weeks apart, also across the end of a month."""
    for weeks in (1, 6, 15, 30):
        report = analyse_database(archive, Options(until=years.start_ms + weeks * WEEK * HOUR))
        with plot_elements.style():
            axes = weekly_plots.weekly_query_fraction(report).axes[0]
        ticks = np.asarray(axes.get_xticks())
        assert 1 <= len(ticks) <= plot_elements.MAX_DATE_TICKS
        assert (ticks == np.floor(ticks)).all()
        assert ((ticks.astype(int) + 3) % 7 == 0).all()  # Day 0 was a Thursday.
        assert len(set(np.diff(ticks))) <= 1


@pytest.mark.parametrize("number", NUMBERS)
def test_a_caption_tells_the_hours_that_a_profile_is_made_of(
    analysis: Analysis, number: str
) -> None:
    """Not those of weekly figures, whose axis has dates."""
    begin, end = (iso_utc(moment)[:16] for moment in analysis.span)
    assert (f"Hours of {begin} to {end} UTC." in caption(number, analysis)) is (number > "4")


def test_a_row_without_a_figure_says_why(short: Analysis) -> None:
    """A hundred hours are too few for most rows, and none is just not known."""
    rows = comparison_rows(short)
    assert UNKNOWN not in {row.this_database for row in rows}
    assert "no week counts yet" in {row.this_database for row in rows}


def test_the_weeks_that_growth_compares_are_marked(analysis: Analysis) -> None:
    """The first and last 12 whole weeks of a stretch are shaded, each with its mean."""
    (weeks,) = (each.growth_weeks for each in analysis.weeks.trends if each.growth_weeks)
    assert [len(end) for end in weeks] == [12, 12]
    with plot_elements.style():
        axes = weekly_plots.weekly_query_fraction(analysis).axes[0]
    means = [analysis.weeks.queries.value[end].mean() * 100 for end in weeks]
    assert {f"{mean:.3f} %" for mean in means} <= {text.get_text() for text in axes.texts}
    rows_of = {row.what: row.this_database for row in comparison_rows(analysis)}
    shown = ", ".join(f"{mean:.3f} %" for mean in means)
    assert rows_of["queries flagged, first and last weeks"].startswith(shown)
    starts = analysis.weeks.windows.start
    edges = [edge for end in weeks for edge in (starts[end[0]] / DAY, starts[end[-1]] / DAY + 7)]
    boxes_shown: list[Any] = list(axes.patches)
    shaded = [edge for box in boxes_shown for edge in box.get_bbox().intervalx]
    assert shaded == pytest.approx(edges)
    head, *rows = figure_csv.TABLES["2"](analysis)
    ends = [row[head.index("growth_weeks")] for row in rows]
    assert (ends.count("first"), ends.count("last")) == (12, 12)


def test_a_legend_is_never_wider_than_its_figure(analysis: Analysis) -> None:
    """Long labels stand below each other; otherwise they would squeeze the plot."""
    with plot_elements.style():
        for draw in FIGURES.values():
            figure = draw(analysis)
            figure.draw_without_rendering()
            for axes in figure.axes:
                legend = axes.get_legend()
                assert legend is not None
                assert legend.get_window_extent().x1 <= figure.bbox.x1
                assert axes.get_position().width > 0.85


def test_a_week_between_gaps_is_shown(analysis: Analysis) -> None:
    """With no neighbour there is no line: a mark and a bar take its place."""
    value = analysis.weeks.queries.value.copy()
    value[[9, 11]] = np.nan
    queries = replace(analysis.weeks.queries, value=value)
    lonely = replace(analysis, weeks=replace(analysis.weeks, queries=queries))
    with plot_elements.style():
        axes = weekly_plots.weekly_query_fraction(lonely).axes[0]
    bars: list[Any] = list(axes.containers)
    assert any(len(bar.lines[0].get_xdata()) == 1 for bar in bars)


def test_breaks_are_marked_in_every_weekly_figure(analysis: Analysis) -> None:
    """With what has changed."""
    with plot_elements.style():
        for number in ("1a", "2", "3"):
            message = [text.get_text() for text in FIGURES[number](analysis).axes[0].texts]
            assert "new lexicon" in message, number


@pytest.mark.parametrize("number", NUMBERS)
def test_axes_are_labelled(analysis: Analysis, number: str) -> None:
    """Both axes say what they show."""
    with plot_elements.style():
        figure = FIGURES[number](analysis)
        for axes in figure.axes:
            assert axes.get_ylabel()
        assert figure.axes[-1].get_xlabel()


def test_both_estimators_have_their_own_names(analysis: Analysis) -> None:
    """Mean of hourly ratios and ratio of sums are told apart in legend and table."""
    with plot_elements.style():
        legend = hour_of_day_plots.hourly_query_fraction(analysis).axes[0].get_legend()
    assert legend is not None
    message = " ".join(text.get_text() for text in legend.get_texts())
    assert "ratio of sums" in message
    assert "mean of hourly ratios" in message
    assert {row[0] for row in figure_csv.TABLES["6a"](analysis)[1:]} == {
        "ratio_of_sums",
        "mean_of_ratios",
    }


def test_boxes_are_those_of_matplotlib() -> None:
    """Quartiles, median, mean, whiskers and what lies outside, for 24 skewed samples."""
    statistics = pytest.importorskip("matplotlib.cbook").boxplot_stats
    values = np.random.default_rng(1).gamma(1.5, 20, (200, 24))
    for column, box in zip(values.T, boxes(values), strict=True):
        message = statistics(column)[0]
        assert box is not None
        assert (box.mean, box.median, box.q1, box.q3, box.low, box.high) == pytest.approx(
            [message[name] for name in ("mean", "med", "q1", "q3", "whislo", "whishi")], abs=1e-9
        )
        assert sorted(message["fliers"]) == pytest.approx(box.outliers.tolist(), abs=1e-9)
    assert boxes(np.full((3, 24), np.nan)) == [None] * 24


@pytest.mark.parametrize("hours", [1, 30, 9 * 24, 15 * 24])
def test_short_archives_have_figures_too(archive: Path, years: Years, hours: int) -> None:
    """From the first hour on; what cannot be known is told, not drawn."""
    until = years.start_ms + hours * HOUR
    analysis = analyse_database(archive, Options(until=until))
    text = report_html(analysis, {})
    assert "not known" in text
    assert "Sen's slope" not in text
    with plot_elements.style():
        for number in NUMBERS:
            assert FIGURES[number](analysis).axes
            assert figure_csv.to_csv(figure_csv.TABLES[number](analysis))


def test_spans_groups_rules_and_topics_can_be_chosen(archive: Path, tmp_path: Path) -> None:
    """All options together; the page says which."""
    arguments = ["--database", str(archive), "--out", str(tmp_path), "--since", "2009-W25"]
    arguments += ["--until", "2009-11-01", "--countries", "de", "--countries", "ES+IT"]
    arguments += ["--exclude", "paper2pct", "--estimator", "mean_of_ratios"]
    arguments += ["--topic", "pornographic", "--comparison", "pedophile"]
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / PAGE).read_text("utf-8")
    for message in ("2009-06-15T00:00:00Z", "2009-11-01T00:00:00Z", "paper2pct", "mean of ratios",
                 "DE less ES+IT", "topic pornographic"):  # fmt: skip
        assert message in text
    assert "new lexicon" not in text, "the break lies behind the span"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "no day and no ISO week"),
        (["--until", "2009-W60"], "no day and no ISO week"),
        (["--countries", "France"], "no group of countries"),
        (["--countries", "FR+XX"], "came from XX"),
        (["--countries", "xx"], "use some of: AR, BR, CN, "),
        (["--date", "today"], "`today` is no day"),
        (["--topic", "none"], "use one of: pedophile, pornographic"),
    ],
)
def test_what_cannot_be_done_is_told(
    archive: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """The problem with its remedy."""
    done = command("--database", str(archive), "--out", str(tmp_path), *arguments)
    assert done.returncode in (2, 3)
    assert message in " ".join(done.stderr.split())
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_told(
    analysis: Analysis, tmp_path: Path, archive: Path
) -> None:
    """A file where the directory should be."""
    (tmp_path / "out").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(archive, tmp_path / "out", Options())


def test_without_matplotlib_the_extra_is_named(archive: Path, tmp_path: Path) -> None:
    """A message with the command to install it, before anything is computed."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        f"sys.argv = ['donkeywatch', 'report', '--database', {str(archive)!r},"
        f" '--out', {str(tmp_path / 'out')!r}]\n"
        "from donkeywatch.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert "-m pip install '.[study]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_daemon_imports_nothing_of_the_study() -> None:
    """It starts where none of the extra's libraries can be imported, and asks for none of ours."""
    code = (
        "import sys\n"
        "names = ('matplotlib', 'scipy', 'statsmodels', 'pandas', 'pymannkendall', 'ruptures')\n"
        "sys.modules.update(dict.fromkeys(names))\n"
        "import donkeywatch.runtime.service, donkeywatch.cli\n"
        "donkeywatch.cli.load_commands([])\n"
        "assert all(sys.modules[name] is None for name in names)\n"
        "assert 'donkeywatch.report.plot_elements' not in sys.modules\n"
        "del sys.modules['donkeywatch.runtime.service']"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_said_that_cannot_be_known(analysis: Analysis) -> None:
    """Distinct addresses over years cannot be had; corrected fractions are not mixed in."""
    rows = {row.what: row for row in comparison_rows(analysis)}
    assert "cannot be had" in rows["distinct addresses"].this_database
    assert analysis.corrected is None
    assert rows["growth, last 12 weeks over first 12"].this_database.startswith("by ")


def test_the_study_s_figures_are_found_in_a_simulation_of_them(analysis: Analysis) -> None:
    """Hours of the extremes and their ratio are the study's, which the plan follows."""
    rows = {row.what: row.this_database for row in comparison_rows(analysis)}
    assert "at 5 (" in rows["queries per hour: lowest local hour"]
    assert rows["queries per hour: highest local hour"].split(" (")[0].endswith("at 19")
    assert analysis.concentration.capped < analysis.concentration.observed


def test_a_report_reads_only(archive: Path) -> None:
    """The database's bytes are those of before."""
    before = archive.read_bytes()
    analyse_database(archive, Options(since=0, until=Years().start_ms + 10 * WEEK * HOUR))
    assert archive.read_bytes() == before
