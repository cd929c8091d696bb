"""Reading a labelled file: strictly, and without a word of it in any message."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.settings import private_files

REQUIRED = ("text", "label", "language", "stratum")
WEIGHTS = ("weight", "probability")
"""Queries of the log that a row stands for, or the chance it had to be drawn: one of the two."""
NONE = "none"
"""The label of a query that belongs to no topic."""
RECALL = "recall"
"""The stratum of relevant queries that were found without the lexicon."""
# Closed forms: a file whose columns are mixed up must not put a word where it would be shown.
LANGUAGE = re.compile(r"[a-z]{2}|und|mul")
STRATUM = re.compile(rf"(?:flagged|unflagged|{RECALL})(?:-[0-9]{{1,3}})?")


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """One labelled query; ``topics`` are those that a person saw in it."""

    line: int
    text: str = field(repr=False)
    topics: frozenset[str]
    language: str
    stratum: str
    weight: float

    @property
    def for_recall(self) -> bool:
        """Tell whether it serves recall alone."""
        return self.stratum.partition("-")[0] == RECALL


def read(path: Path, topics: Collection[str]) -> list[LabelledQuery]:
    """All rows of a CSV file (RFC 4180, UTF-8, mode 0600); ``topics`` are the lexicon's.

    SourceError tells the line and the remedy, never what stands there.
    """
    rows = list(_rows(path, topics))
    if not rows:
        raise SourceError(
            f"{path}: no labelled query", "write a row for each below the names of the columns"
        )
    if not any(row.topics for row in rows):
        raise SourceError(
            f"{path}: every label is `{NONE}`",
            "label what belongs to a topic with its id; without any, nothing can be estimated",
        )
    for stratum, size in sorted(Counter(row.stratum for row in rows).items()):
        if size == 1:
            raise SourceError(
                f"{path}: stratum {stratum} has one row",
                "draw two at least, or put the row where it belongs",
            )
    return rows


def _rows(path: Path, topics: Collection[str]) -> Iterator[LabelledQuery]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise _label_error(
                path, line, "not CSV", 'put texts in double quotes, and double a quote inside: ""'
            ) from None
        if cells is None:
            return
        if columns is None:
            columns = _header(path, cells)
        elif cells:
            yield _row(path, line, columns, cells, topics)


def _text(path: Path) -> str:
    data = private_files.read_private_file(path, f"labels {path}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _label_error(path, line, "not UTF-8", "save the file as CSV in UTF-8") from None


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    """The columns; what is not a name of ours may be a query, and is not repeated."""
    names = [cell.strip().lower() for cell in cells]
    missing = [name for name in REQUIRED if name not in names]
    remedy = f"name the columns {', '.join(REQUIRED)} and weight or probability, between commas"
    if missing:
        raise _label_error(path, 1, f"no column `{missing[0]}`", remedy)
    for number, name in enumerate(names, 1):
        if name not in (*REQUIRED, *WEIGHTS) or names.index(name) < number - 1:
            raise _label_error(path, 1, f"column {number} is unknown or there twice", remedy)
    if all(name in names for name in WEIGHTS):
        raise _label_error(path, 1, "both `weight` and `probability`", "leave one of them out")
    return names


def _row(
    path: Path, line: int, columns: Sequence[str], cells: Sequence[str], topics: Collection[str]
) -> LabelledQuery:
    if len(cells) != len(columns):
        raise _label_error(
            path,
            line,
            f"{len(cells)} fields where there are {len(columns)} columns",
            "put texts that hold a comma in double quotes",
        )
    row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    label_parts = frozenset(row["label"].split())
    if not label_parts or not (label_parts <= set(topics) or label_parts == {NONE}):
        raise _label_error(
            path, line, "not a label", f"use `{NONE}` or topic ids: {', '.join(sorted(topics))}"
        )
    if not LANGUAGE.fullmatch(row["language"]):
        raise _label_error(
            path, line, "not a language", "use two lower-case letters (ISO 639-1), `mul` or `und`"
        )
    if not STRATUM.fullmatch(row["stratum"]):
        raise _label_error(
            path,
            line,
            "not a stratum",
            f"use `flagged`, `unflagged` or `{RECALL}`, with a number where there are more:"
            " `unflagged-2`",
        )
    made = LabelledQuery(
        line, row["text"], label_parts - {NONE}, row["language"], row["stratum"], 1.0
    )
    _check_recall(path, made, row)
    weighted = [name for name in WEIGHTS if name in row and not made.for_recall]
    if not weighted:
        return made
    weight = _weight(path, line, weighted[0], row[weighted[0]])
    return LabelledQuery(line, made.text, made.topics, made.language, made.stratum, weight)


def _check_recall(path: Path, made: LabelledQuery, row: dict[str, str]) -> None:
    if not made.for_recall:
        return
    if not made.topics:
        raise _label_error(
            path,
            made.line,
            f"stratum `{RECALL}` and label `{NONE}`",
            f"keep relevant queries only in `{RECALL}`",
        )
    if any(row.get(name) for name in WEIGHTS):
        raise _label_error(
            path,
            made.line,
            f"a weight in stratum `{RECALL}`",
            "leave it empty: these queries were not drawn from the log",
        )


def _weight(path: Path, line: int, name: str, text: str) -> float:
    try:
        given = float(text)
    except ValueError:
        given = math.nan
    if name == "weight" and 0 < given <= 1e12:
        return given
    if name == "probability" and 1e-12 <= given <= 1:
        return 1 / given
    wanted = "a number above 0" if name == "weight" else "a number above 0, 1 at the most"
    raise _label_error(path, line, f"not a {name}", f"give {wanted}, with a decimal point")


def _label_error(path: Path, line: int, problem: str, remedy: str) -> SourceError:
    return SourceError(f"{path}, line {line}: {problem}", remedy)
