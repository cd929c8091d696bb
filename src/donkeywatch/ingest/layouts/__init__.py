"""The formats that can be read by columns, and how each is fit to a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from donkeywatch.ingest.byte_columns import Block
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line_format import LineFormat
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.layouts.enode_go import EnodeGoLayout
from donkeywatch.ingest.layouts.jsonl import JsonlLayout
from donkeywatch.ingest.layouts.layout import BlockLayout
from donkeywatch.ingest.layouts.tsv import TsvLayout
from donkeywatch.settings.schema import Syntax


@dataclass(frozen=True, slots=True)
class ColumnarFormat:
    """How a format is read by columns.

    ``relative_line_length`` is the length of its lines relative to the shortest format, about;
    ``fit`` gives None for a block that is read line by line.
    """

    relative_line_length: int
    fit: Callable[[Block], BlockLayout | None]


def columnar_format(line_format: LineFormat, syntax: Syntax) -> ColumnarFormat | None:
    """Choose how a format is read by columns; None when it is read line by line."""
    if isinstance(line_format, Tsv) and syntax != "enode-go":
        return ColumnarFormat(1, partial(TsvLayout.fit, syntax))
    if isinstance(line_format, Jsonl) and syntax != "enode-go":
        return ColumnarFormat(1, partial(JsonlLayout.fit, line_format, syntax))
    if isinstance(line_format, EnodeGo) and syntax == "enode-go":
        return ColumnarFormat(2, EnodeGoLayout.fit)
    return None
