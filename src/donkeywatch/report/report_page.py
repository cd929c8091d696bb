"""The report as one page that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from html import escape as escape_html

from donkeywatch.report.analysis import Analysis
from donkeywatch.report.captions import caption
from donkeywatch.report.report_text import Section, closing, opening, title

escape = partial(escape_html, quote=False)
"""For text between tags: no attribute holds any of it."""
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #ddd}
th[scope=row]{white-space:nowrap}
figure{margin:1.6rem 0;break-inside:avoid}figcaption{color:#444}img{width:100%;height:auto}
@media(max-width:40rem){th,td{padding:.2rem .25rem;font-size:.85em}
th[scope=row]{white-space:normal}}
"""


def report_html(analysis: Analysis, pictures: Mapping[str, bytes]) -> str:
    """The page with its pictures (SVG, by figure) inside; its only date is the report's."""
    parts = [
        f"<h1>{escape(title(analysis))}</h1>",
        *(_section(section) for section in opening(analysis)),
        "<h2>Figures</h2>",
        *(_figure(name, pictures[name], analysis) for name in pictures),
        _section(closing()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>donkeywatch report</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    if section.rows:
        parts.append(_table(section))
    return "\n".join(parts)


def _table(section: Section) -> str:
    head, *rows = section.rows
    columns = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    # A table without a heading has one in each row.
    first = ('<th scope="row">', "</th>") if not any(head) else ("<td>", "</td>")
    body = "".join(
        f"<tr>{first[0]}{escape(row[0])}{first[1]}"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{columns}</tr></thead>" if any(head) else ""
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _figure(name: str, picture: bytes, analysis: Analysis) -> str:
    data = b64encode(picture).decode("ascii")
    return (
        f'<figure id="figure-{name}"><img alt="Figure {name}"'
        f' src="data:image/svg+xml;base64,{data}">'
        f"<figcaption><b>Figure {name}.</b> {escape(caption(name, analysis))}</figcaption></figure>"
    )
