"""The spliced series: a further curve of figure 2, and only for who asks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.report import figure_csv, plot_elements, weekly_plots
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.captions import caption
from donkeywatch.report.report_page import report_html

FACTOR = 1.4, 1.3, 1.5


@pytest.fixture(scope="module")
def promoted(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Years with a change of the lexicon, which a list of the shadow is made of."""
    copy = tmp_path_factory.mktemp("spliced") / "copy.db"
    source, target = sqlite3.connect(archive), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    with target:
        [(time,)] = target.execute("select max(time) from breaks where kind = 'lexicon'")
        target.execute(
            "insert into splices values (?, 'pedophile', ?, ?, ?, ?, 500, 700, 300)",
            (time, time - 1, *FACTOR),
        )
    target.close()
    return copy


@pytest.fixture(scope="module")
def across(promoted: Path) -> Analysis:
    """Analysis by somebody who asks for it."""
    return analyse_database(promoted, Options(spliced=True))


def test_weeks_before_the_change_are_multiplied(across: Analysis, promoted: Path) -> None:
    """Those after it are as they were, and the observed ones, too."""
    assert across.spliced is not None
    plain = analyse_database(promoted, Options())
    assert plain.spliced is None
    observed = across.weeks.queries.value
    assert np.array_equal(observed, plain.weeks.queries.value, equal_nan=True)
    [*_, change] = [at.time for at in across.breaks if at.kind == "lexicon"]
    known = np.isfinite(observed)
    before = known & (across.weeks.windows.start < change)
    after = known & ~before
    assert before.any()
    assert after.any()
    assert across.spliced.value[before] == pytest.approx(observed[before] * FACTOR[0])
    assert across.spliced.value[after] == pytest.approx(observed[after])
    ratio = across.spliced.upper[before] / across.spliced.value[before]
    assert (ratio > across.weeks.queries.upper[before] / observed[before]).all()


def test_the_figure_the_table_and_the_page_say_so(across: Analysis, promoted: Path) -> None:
    """And without being asked they say that nothing is spliced."""
    with plot_elements.style():
        legend = weekly_plots.weekly_query_fraction(across).axes[0].get_legend()
    assert legend is not None
    assert any(text.get_text().startswith("spliced") for text in legend.get_texts())
    assert "The spliced curve multiplies" in caption("2", across)
    head, first, *_ = figure_csv.TABLES["2"](across)
    at, value = head.index("spliced_fraction"), head.index("fraction")
    assert first[at] == pytest.approx(FACTOR[0] * float(str(first[value])))
    assert "a curve across the word lists" in report_html(across, {})
    plain = analyse_database(promoted, Options())
    assert "no series is shown across a change" in report_html(plain, {})
    head, *rows = figure_csv.TABLES["2"](plain)
    assert {row[head.index("spliced_fraction")] for row in rows} == {None}


def test_without_a_promoted_list_there_is_nothing_to_splice(archive: Path) -> None:
    """As with a database of an older version, which has no table of them."""
    analysis = analyse_database(archive, Options(spliced=True))
    assert analysis.spliced is None
    assert "no word list that ran in the shadow" in report_html(analysis, {})
