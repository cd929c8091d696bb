"""The corrected series: a second curve of figure 2, and only with a record that fits."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.evaluation.validation_record import RateRecord, TopicRecord, ValidationRecord
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.report import figure_csv, plot_elements, weekly_plots
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.captions import caption
from donkeywatch.report.report_page import report_html
from donkeywatch.simulation.three_years import WEEK, Years
from donkeywatch.simulation.truth import HOUR

DIGEST = "00112233445566ff"
RECORD = ValidationRecord(
    evaluated_on=date(2009, 12, 1), lexicon=DIGEST, normalisation=NORMALISATION,
    languages=("xx",), topics={
        "pedophile": TopicRecord(
            labelled=2000, true_positives=985, false_positives=15, false_negatives=346,
            true_negatives=654, recall_labelled=1331, recall_true_positives=985,
            sensitivity=RateRecord(value=0.74, trials=1331),
            false_positive_rate=RateRecord(value=0.00003, trials=500_000),
        )
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def lexicon_known(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same years in a database that tells which lexicon was used last."""
    copy = tmp_path_factory.mktemp("corrected") / "copy.db"
    source, target = sqlite3.connect(archive), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    with target:
        target.execute("insert into settings values ('break:lexicon', ?)", [DIGEST])
        target.execute("update breaks set digest = ? where kind = 'lexicon'", [DIGEST])
    target.close()
    return copy


@pytest.fixture(scope="module")
def fits(lexicon_known: Path) -> Analysis:
    """Analysis with a record of the last lexicon."""
    return analyse_database(lexicon_known, Options(record=RECORD))


def labels(analysis: Analysis) -> list[str]:
    """The legend of figure 2."""
    with plot_elements.style():
        legend = weekly_plots.weekly_query_fraction(analysis).axes[0].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_the_weeks_since_the_lexicon_changed_are_corrected(
    fits: Analysis, analysis: Analysis
) -> None:
    """By Rogan and Gladen; the observed fraction stays as it is."""
    assert fits.corrected is not None
    known = np.flatnonzero(np.isfinite(fits.corrected.value))
    assert known.tolist() == [28, 29, 30, 31]
    observed = fits.weeks.queries.value[known]
    assert fits.corrected.value[known] == pytest.approx((observed - 3e-5) / (0.74 - 3e-5))
    assert (fits.weeks.queries.value[known] == analysis.weeks.queries.value[known]).all()


def test_figure_two_names_both_curves(fits: Analysis) -> None:
    """Observed and corrected are told apart in the legend and under the figure."""
    names = labels(fits)
    assert any(name.startswith("observed") for name in names)
    assert any(name.startswith("corrected (Rogan-Gladen)") for name in names)
    assert "another quantity than the observed fraction" in caption("2", fits)


def test_the_weekly_table_has_columns_of_its_own_for_the_correction(fits: Analysis) -> None:
    """Filled where the correction is known; the columns are there in any case."""
    head, *rows = figure_csv.TABLES["2"](fits)
    at = head.index("corrected_fraction")
    assert fits.corrected is not None
    ends = (fits.corrected.value, fits.corrected.lower, fits.corrected.upper)
    for row, week in zip(rows[-4:], range(28, 32), strict=True):
        assert row[at : at + 3] == [float(end[week]) for end in ends]
    assert all(np.isnan(float(str(row[at]))) for row in rows[:-4])


def test_the_page_says_where_the_correction_comes_from(fits: Analysis) -> None:
    """With the day of the evaluation and the digest."""
    assert f"validation record of 2009-12-01, lexicon {DIGEST}" in report_html(fits, {})


def test_a_span_before_the_lexicon_is_not_corrected(lexicon_known: Path, years: Years) -> None:
    """The record is of the later lexicon: there is no curve, and the page says why."""
    until = years.start_ms + 9 * WEEK * HOUR
    report = analyse_database(lexicon_known, Options(until=until, record=RECORD))
    assert report.corrected is None
    assert "the lexicon of this span is not recorded" in report_html(report, {})


def test_a_topic_that_the_record_does_not_know_is_not_corrected(lexicon_known: Path) -> None:
    """The page says what is missing."""
    options = Options(record=RECORD, topic="pornographic", comparison="pedophile")
    report = analyse_database(lexicon_known, options)
    assert report.corrected is None
    assert "does not tell precision and recall of this topic" in report_html(report, {})


def test_without_a_record_that_fits_nothing_is_corrected(
    lexicon_known: Path, analysis: Analysis
) -> None:
    """No curve, empty cells, and the page says why."""
    other = RECORD.model_copy(update={"lexicon": "0" * 16})
    for report in (analysis, analyse_database(lexicon_known, Options(record=other))):
        assert report.corrected is None
        assert not any("corrected" in name for name in labels(report))
        head, *rows = figure_csv.TABLES["2"](report)
        assert {row[head.index("corrected_fraction")] for row in rows} == {None}
    assert "it was made with another lexicon" in report_html(report, {})
    assert "there is no validation record" in report_html(analysis, {})
