"""The report as its reader meets it: files, pictures, page, and what it does not say."""

from __future__ import annotations

import base64
import csv
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from donkeywatch.counting.calendar import DAY
from donkeywatch.errors import ConfigError
from donkeywatch.evaluation.validation_record import RateRecord, TopicRecord, ValidationRecord
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.report import plot_elements, plots, tables
from donkeywatch.report.findings import Findings, Options, compute_findings
from donkeywatch.report.hour_profiles import boxes
from donkeywatch.report.published_values import comparison_rows
from donkeywatch.report.report_files import PAGE, write
from donkeywatch.report.report_page import report_html
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
    assert "46 files; look at" in done.stdout
    (out / "used").write_text(done.stderr.rpartition("peak ")[2])
    return out


def test_every_figure_is_there_in_three_forms(written: Path) -> None:
    """SVG, PNG and the numbers behind, and one page."""
    for number in NUMBERS:
        assert (written / f"figure-{number}.svg").read_bytes().startswith(b"<?xml")
        assert (written / f"figure-{number}.png").read_bytes().startswith(b"\x89PNG")
        with (written / f"figure-{number}.csv").open() as file:
            rows = list(csv.reader(file))
        assert len(rows) > 20, number
        assert {len(row) for row in rows} == {len(rows[0])} or number == "2"


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


def test_no_line_goes_across_a_gap_or_a_break(findings: Findings) -> None:
    """Weeks that do not count are NaN in the line, and so is the place of the break."""
    with plot_elements.style():
        x, y = lines(plots.weekly_query_fraction(findings))[0]
    missing = int(np.isnan(findings.weeks.queries.value).sum())
    assert missing >= 2
    assert np.isnan(y).sum() == missing + 1
    gap = np.flatnonzero(np.isnan(y))
    assert any(np.isnan(y[at]) and findings.weeks.contains_break.sum() == 0 for at in gap)
    edge = (findings.breaks[0].time) / DAY
    known = x[np.isfinite(y)]
    before, after = known[known < edge].max(), known[known > edge].min()
    between = [at for at in range(len(x)) if np.isnan(y[at]) and np.isnan(x[at])]
    assert len(between) == 1
    assert x[between[0] - 1] == before
    assert x[between[0] + 1] == after


def test_a_week_between_gaps_is_shown(findings: Findings) -> None:
    """With no neighbour there is no line: a mark and a bar take its place."""
    value = findings.weeks.queries.value.copy()
    value[[9, 11]] = np.nan
    queries = replace(findings.weeks.queries, value=value)
    lonely = replace(findings, weeks=replace(findings.weeks, queries=queries))
    with plot_elements.style():
        axes = plots.weekly_query_fraction(lonely).axes[0]
    bars: list[Any] = list(axes.containers)
    assert any(len(bar.lines[0].get_xdata()) == 1 for bar in bars)


def test_breaks_are_marked_in_every_weekly_figure(findings: Findings) -> None:
    """With what has changed."""
    with plot_elements.style():
        for number in ("1a", "2", "3"):
            message = [text.get_text() for text in plots.FIGURES[number](findings).axes[0].texts]
            assert "new lexicon" in message, number


@pytest.mark.parametrize("number", NUMBERS)
def test_axes_are_labelled(findings: Findings, number: str) -> None:
    """Both axes say what they show."""
    with plot_elements.style():
        figure = plots.FIGURES[number](findings)
        for axes in figure.axes:
            assert axes.get_ylabel()
        assert figure.axes[-1].get_xlabel()


def test_both_estimators_have_their_own_names(findings: Findings) -> None:
    """Mean of hourly ratios and ratio of sums are told apart in legend and table."""
    with plot_elements.style():
        legend = plots.hourly_query_fraction(findings).axes[0].get_legend()
    assert legend is not None
    message = " ".join(text.get_text() for text in legend.get_texts())
    assert "ratio of sums" in message
    assert "mean of hourly ratios" in message
    assert {row[0] for row in tables.TABLES["6a"](findings)[1:]} == {
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
    findings = compute_findings(archive, Options(until=until, groups=("FR", "XX")))
    text = report_html(findings, {})
    assert "not known" in text
    assert "Sen's slope" not in text
    with plot_elements.style():
        for number in NUMBERS:
            assert plots.FIGURES[number](findings).axes
            assert tables.to_csv(tables.TABLES[number](findings))


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
    findings: Findings, tmp_path: Path, archive: Path
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


def test_nothing_is_said_that_cannot_be_known(findings: Findings) -> None:
    """Distinct addresses over years cannot be had; corrected fractions are not mixed in."""
    rows = {row.what: row for row in comparison_rows(findings)}
    assert "cannot be had" in rows["distinct addresses"].this_database
    assert findings.corrected is None
    assert "2-corrected" not in plots.figure_functions(findings)
    assert rows["growth, last 12 weeks over first 12"].this_database.startswith("by ")


def test_the_study_s_figures_are_found_in_a_simulation_of_them(findings: Findings) -> None:
    """Hours of the extremes and their ratio are the study's, which the plan follows."""
    rows = {row.what: row.this_database for row in comparison_rows(findings)}
    assert "at 5 (" in rows["queries per hour: lowest local hour"]
    assert rows["queries per hour: highest local hour"].split(" (")[0].endswith("at 19")
    assert findings.concentration.capped < findings.concentration.observed


def test_a_report_reads_only(archive: Path) -> None:
    """The database's bytes are those of before."""
    before = archive.read_bytes()
    compute_findings(archive, Options(since=0, until=Years().start_ms + 10 * WEEK * HOUR))
    assert archive.read_bytes() == before


def test_a_corrected_fraction_needs_a_record_of_the_last_lexicon(
    archive: Path, tmp_path: Path, findings: Findings
) -> None:
    """With one, the weeks since its change are in a figure of their own; with another, none."""
    copy = tmp_path / "copy.db"
    source, target = sqlite3.connect(archive), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.execute("insert into settings values ('break:lexicon', '00112233445566ff')")
    target.commit()
    target.close()
    topic = TopicRecord(
        labelled=2000, true_positives=985, false_positives=15, false_negatives=346,
        true_negatives=654, recall_labelled=1331, recall_true_positives=985,
        sensitivity=RateRecord(value=0.74, trials=1331),
        false_positive_rate=RateRecord(value=0.00003, trials=500_000),
    )  # fmt: skip
    record = ValidationRecord(
        evaluated_on=date(2009, 12, 1), lexicon="00112233445566ff", normalisation=NORMALISATION,
        languages=("xx",), topics={"pedophile": topic},
    )  # fmt: skip
    fits = compute_findings(copy, Options(record=record))
    assert fits.corrected is not None
    known = np.flatnonzero(np.isfinite(fits.corrected.value))
    assert known.tolist() == [28, 29, 30, 31]
    observed = fits.weeks.queries.value[known]
    assert fits.corrected.value[known] == pytest.approx((observed - 3e-5) / (0.74 - 3e-5))
    assert (fits.weeks.queries.value[known] == findings.weeks.queries.value[known]).all()
    with plot_elements.style():
        figure = plots.figure_functions(fits)["2-corrected"](fits)
    assert "corrected" in figure.axes[0].get_ylabel()
    assert len(tables.TABLES["2-corrected"](fits)) == 5
    other = record.model_copy(update={"lexicon": "0" * 16})
    assert compute_findings(copy, Options(record=other)).corrected is None
