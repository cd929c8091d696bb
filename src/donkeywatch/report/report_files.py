"""The report on disk: each figure as SVG, PNG, PDF and CSV, one page, and all of it as one PDF."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from donkeywatch.errors import ConfigError
from donkeywatch.report import csv_columns, figure_csv, plot_elements
from donkeywatch.report.analysis import Analysis, Options, analyse_database
from donkeywatch.report.figures import FIGURES
from donkeywatch.report.report_page import report_html
from donkeywatch.report.report_pdf import UNDATED, ReportPdf
from donkeywatch.report.study_comparison import comparison_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 5 + len(FIGURES) + 1
"""How often `write` reports."""
PAGE = "report.html"
DOCUMENT = "report.pdf"
STRIPPED_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {**UNDATED},
}
"""Metadata left out, so that the same input gives the same bytes."""


def write(
    database: Path,
    out: Path,
    options: Options,
    report: Callable[[str], None] = lambda _step: None,
) -> list[Path]:
    """Write everything into ``out``, which is made if need be; the files, page first.

    ConfigError without matplotlib or when ``out`` cannot be written, StateError without a
    database to report on. ``report`` is told before each of the `STEPS`.
    """
    with plot_elements.style():
        analysis = analyse_database(database, options, report)
        try:
            return _written(analysis, out, report)
        except OSError as error:
            raise ConfigError(
                f"{out} cannot be written ({error.strerror})", "name another directory with --out"
            ) from None


def _written(analysis: Analysis, out: Path, report: Callable[[str], None]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    files, pictures, document = [], {}, ReportPdf(analysis)
    for name, draw in FIGURES.items():
        report(f"figure {name}")
        figure = draw(analysis)
        forms = render_forms(figure)
        files += [_write_file(out / f"figure-{name}.{kind}", forms[kind]) for kind in forms]
        pictures[name] = forms["svg"]
        document.add_figure(name, figure)
        rows = figure_csv.to_csv(figure_csv.TABLES[name](analysis))
        files.append(_write_file(out / f"figure-{name}.csv", rows.encode()))
    report("page")
    for name, table in figure_csv.OTHER_TABLES.items():
        files.append(_write_file(out / f"{name}.csv", figure_csv.to_csv(table(analysis)).encode()))
    comparison = [[*csv_columns.STUDY], *(list(row) for row in comparison_rows(analysis))]
    files.append(_write_file(out / "study.csv", figure_csv.to_csv(comparison).encode()))
    files.append(_write_file(out / DOCUMENT, document.finish()))
    return [_write_file(out / PAGE, report_html(analysis, pictures).encode()), *files]


def render_forms(figure: Figure) -> dict[str, bytes]:
    """The picture in every form.

    It is laid out once: with an engine for it, every form would be drawn twice.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    forms = {}
    for kind, silent in STRIPPED_METADATA.items():
        image = io.BytesIO()
        figure.savefig(image, format=kind, metadata=silent)
        forms[kind] = image.getvalue()
    return forms


def _write_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
