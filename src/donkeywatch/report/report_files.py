"""The report on disk: every figure as SVG and PNG, its numbers as CSV, and one page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from donkeywatch.errors import ConfigError
from donkeywatch.report import plot_elements, tables
from donkeywatch.report.findings import Findings, Options, compute_findings
from donkeywatch.report.plots import FIGURES, figure_functions
from donkeywatch.report.published_values import Row, comparison_rows
from donkeywatch.report.report_page import report_html

STEPS = 5 + len(FIGURES) + 1
"""How often `write` reports."""
PAGE = "report.html"
STRIPPED_METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
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
        findings = compute_findings(database, options, report)
        try:
            return _written(findings, out, report)
        except OSError as error:
            raise ConfigError(
                f"{out} cannot be written ({error.strerror})", "name another directory with --out"
            ) from None


def _written(findings: Findings, out: Path, report: Callable[[str], None]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    files, pictures = [], {}
    for name, draw in figure_functions(findings).items():
        report(f"figure {name}")
        figure = draw(findings)
        for kind, silent in STRIPPED_METADATA.items():
            image = io.BytesIO()
            figure.savefig(image, format=kind, metadata=silent)
            files.append(_write_file(out / f"figure-{name}.{kind}", image.getvalue()))
            if kind == "svg":
                pictures[name] = image.getvalue()
        rows = tables.to_csv(tables.TABLES[name](findings))
        files.append(_write_file(out / f"figure-{name}.csv", rows.encode()))
    report("page")
    files.append(
        _write_file(out / "hours.csv", tables.to_csv(tables.local_hours_table(findings)).encode())
    )
    difference_csv = tables.to_csv(tables.differences(findings))
    files.append(_write_file(out / "hours-against-the-highest.csv", difference_csv.encode()))
    comparison = [list(Row._fields), *(list(row) for row in comparison_rows(findings))]
    files.append(_write_file(out / "study.csv", tables.to_csv(comparison).encode()))
    return [_write_file(out / PAGE, report_html(findings, pictures).encode()), *files]


def _write_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
