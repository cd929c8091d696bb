"""The whole report as one PDF: its text, then each figure with its caption on a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from donkeywatch.report.analysis import Analysis
from donkeywatch.report.captions import caption
from donkeywatch.report.plot_elements import DARK
from donkeywatch.report.report_text import closing, opening, title
from donkeywatch.report.text_pages import MARGIN, PAGE, TEXT_SIZE, TITLE_SIZE, TextPages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNDATED = {"CreationDate": None, "Creator": None, "Producer": None}
"""Metadata left out, so that the same input gives the same bytes."""
CAPTION_HEIGHT = 0.7
"""Inches that are left for a caption."""


class ReportPdf:
    """Writes pages one after the other; `finish` gives the bytes."""

    def __init__(self, analysis: Analysis) -> None:
        from matplotlib.backends.backend_pdf import PdfPages

        self._findings, self._file = analysis, io.BytesIO()
        self._pages = PdfPages(self._file, metadata={**UNDATED, "Title": title(analysis)})
        self._page_count = 0
        pages = TextPages(self._save)
        pages.write(title(analysis), TITLE_SIZE, "bold")
        for section in opening(analysis):
            pages.write_section(section)
        pages.finish_page()

    def add_figure(self, name: str, figure: Figure) -> None:
        """Put a figure that is laid out on a page; it is moved, and of no other use afterwards."""
        width, height = (float(side) for side in figure.get_size_inches())
        shown = min(height, PAGE[1] - 1.5 * MARGIN - CAPTION_HEIGHT)
        left, bottom = (PAGE[0] - width) / 2, PAGE[1] - MARGIN / 2 - shown
        figure.set_size_inches(PAGE)
        for axes in figure.axes:
            box = axes.get_position()
            axes.set_position((
                (left + box.x0 * width) / PAGE[0], (bottom + box.y0 * shown) / PAGE[1],
                box.width * width / PAGE[0], box.height * shown / PAGE[1],
            ))  # fmt: skip
        pages = TextPages(self._save, figure, bottom - 0.1)
        pages.write(f"Figure {name}. {caption(name, self._findings)}")
        pages.finish_page()

    def finish(self) -> bytes:
        """Write the last page, and give the whole file."""
        pages = TextPages(self._save)
        pages.write_section(closing())
        pages.finish_page()
        self._pages.close()  # type: ignore[no-untyped-call]
        return self._file.getvalue()

    def _save(self, page: Figure) -> None:
        """Number a page, and put it behind the others."""
        self._page_count += 1
        page.text(
            1 - MARGIN / PAGE[0], MARGIN / 2 / PAGE[1], str(self._page_count), fontsize=TEXT_SIZE,
            color=DARK, ha="right", va="center",
        )  # fmt: skip
        self._pages.savefig(page)  # type: ignore[no-untyped-call]
