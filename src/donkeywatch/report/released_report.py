"""The report that anyone may see: the released figures as a page, a chart and tables."""

from __future__ import annotations

import json
from pathlib import Path

from donkeywatch.errors import StateError, UsageError
from donkeywatch.publish.http.released_answers import to_csv, to_document
from donkeywatch.publish.http.released_page import STYLE, render_chart, render_page
from donkeywatch.publish.http.released_reader import ReleasedReader

LINKS = " · ".join(
    f'{name}: <a href="{name}.csv">CSV</a>, <a href="{name}.json">JSON</a>'
    for name in ("weeks", "countries", "hours")
)


def write(database: Path, directory: Path, title: str) -> tuple[list[Path], int]:
    """Write what is released of a database; the files, the page first, and how many weeks it is.

    Nothing but the table of released figures is read. StateError where there is no database,
    UsageError where the directory holds a report of live figures.
    """
    if not database.exists():
        raise StateError(f"there is no database {database}", "start `donkeywatch run` first")
    from donkeywatch.report.report_files import PAGE  # It loads what draws figures.

    if (directory / PAGE).exists():
        raise UsageError(
            f"{directory} holds a report of live figures, which not anyone may see",
            "name another directory with --out",
        )
    reader = ReleasedReader(database)
    weeks = reader.weeks()
    tables = {
        "weeks": weeks,
        "countries": [window for week in weeks for window in reader.countries(week.start)],
        "hours": [window for week in weeks for window in reader.hours(week.start)],
    }
    sheet = f"<style>{STYLE}</style>"
    texts = {"index.html": render_page(title, weeks, links=LINKS, sheet=sheet)}
    texts["chart.svg"] = render_chart(weeks)
    for name, windows in tables.items():
        texts[f"{name}.csv"] = to_csv(windows)
        texts[f"{name}.json"] = json.dumps(to_document(name, windows), indent=1) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in texts.items():
        files.append(directory / name)
        files[-1].write_text(text, encoding="utf-8")
    return files, len(weeks)
