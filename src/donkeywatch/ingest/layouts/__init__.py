"""The formats that can be read by columns, and how each is fitted to a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from donkeywatch.ingest.columns import Block
from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line import Format
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.layouts.enode_go import EnodeGoLayout
from donkeywatch.ingest.layouts.jsonl import JsonlLayout
from donkeywatch.ingest.layouts.layout import Layout
from donkeywatch.ingest.layouts.tsv import TsvLayout
from donkeywatch.settings.schema import Syntax


@dataclass(frozen=True, slots=True)
class Columns:
    """How a format is read by columns.

    ``length`` is that of its lines, in those of the shortest format, about; ``fitted`` gives None
    for a block that is read line by line.
    """

    length: int
    fitted: Callable[[Block], Layout | None]


def columns_of(form: Format, syntax: Syntax) -> Columns | None:
    """How to read a format by columns; None when it is read line by line."""
    if isinstance(form, Tsv) and syntax != "enode-go":
        return Columns(1, partial(TsvLayout.fitted, syntax))
    if isinstance(form, Jsonl) and syntax != "enode-go":
        return Columns(1, partial(JsonlLayout.fitted, form, syntax))
    if isinstance(form, EnodeGo) and syntax == "enode-go":
        return Columns(2, EnodeGoLayout.fitted)
    return None
