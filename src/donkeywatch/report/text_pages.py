"""Text and tables flowing over pages of a fixed size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from donkeywatch.report.plot_elements import DARK, POINTS, wrap_text
from donkeywatch.report.report_text import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = (8.27, 5.83)
"""Inches: A5 across, two of which make a sheet of A4."""
MARGIN = 0.5
"""Inches at each side."""
TEXT_SIZE, HEADING_SIZE, TITLE_SIZE = 7.5, 10.0, 13.0
"""Points."""
LINE_HEIGHT = 1.35
"""Of a line, in sizes of its letters."""
LINE_SPACING = 1.16
"""The same in what matplotlib calls a line: the font's own height."""
COLUMN_SPACE = 8.0
"""Points between two columns of a table."""
WIDTH = (PAGE[0] - 2 * MARGIN) * POINTS
"""Points that a line may take."""


class TextPages:
    """Writes from the top of a page down, and on to the next one; a full page is handed to save.

    It may begin on a figure that is there, ``top`` inches above the lower edge.
    """

    def __init__(
        self, save: Callable[[Figure], object], page: Figure | None = None, top: float = 0.0
    ) -> None:
        self._save, self._page = save, page
        self._y = top * POINTS

    def write(self, text: str, size: float = TEXT_SIZE, weight: str = "normal") -> None:
        """Write a paragraph, and leave half a line behind it."""
        for line in wrap_text(text, size, WIDTH):
            self._reserve(size * LINE_HEIGHT)
            self._put(line, 0.0, size, weight)
            self._y -= size * LINE_HEIGHT
        self._y -= size * LINE_HEIGHT / 2

    def write_section(self, section: Section) -> None:
        """Write a heading with its paragraphs and its table."""
        self._reserve(HEADING_SIZE * LINE_HEIGHT * 4)  # No heading is the last of a page.
        self.write(section.heading, HEADING_SIZE, "bold")
        for text in section.paragraphs:
            self.write(text)
        head, *rows = section.rows or ((),)
        if any(head):
            self._write_row(head, section.widths, "bold")
        for row in rows:
            self._write_row(row, section.widths)
        self._y -= TEXT_SIZE * LINE_HEIGHT

    def finish_page(self) -> None:
        """Hand over the page, if something is on it."""
        if self._page is not None:
            self._save(self._page)
        self._page = None

    def _write_row(
        self, cells: Sequence[str], widths: Sequence[float], weight: str = "normal"
    ) -> None:
        wrapped = [
            wrap_text(cell, TEXT_SIZE, WIDTH * width - COLUMN_SPACE)
            for cell, width in zip(cells, widths, strict=True)
        ]
        step = TEXT_SIZE * LINE_HEIGHT
        height = step * max(map(len, wrapped))
        self._reserve(height)
        left = 0.0
        for lines, width in zip(wrapped, widths, strict=True):
            self._put("\n".join(lines), left, TEXT_SIZE, weight)
            left += WIDTH * width
        self._y -= height + 2.0

    def _reserve(self, height: float) -> None:
        """Begin another page where less than ``height`` points are left of this one."""
        if self._page is not None and self._y - height < MARGIN * POINTS:
            self.finish_page()
        if self._page is None:
            from matplotlib.figure import Figure

            self._page = Figure(figsize=PAGE)
            self._y = (PAGE[1] - MARGIN) * POINTS

    def _put(self, text: str, left: float, size: float, weight: str) -> None:
        if self._page is None:
            raise ValueError("there is no page: reserve room first")
        self._page.text(
            MARGIN / PAGE[0] + left / (PAGE[0] * POINTS), self._y / (PAGE[1] * POINTS), text,
            fontsize=size, fontweight=weight, color=DARK, va="top", parse_math=False,
            linespacing=LINE_SPACING,
        )  # fmt: skip
