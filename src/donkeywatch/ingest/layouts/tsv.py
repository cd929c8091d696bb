"""Three fields with tabs between them, by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.byte_columns import Block, Mask, Offsets
from donkeywatch.ingest.layouts.layout import (
    QuerySpans,
    detect_timestamp_layout,
    line_ends,
    query_spans,
)
from donkeywatch.ingest.timestamp_columns import TimestampLayout
from donkeywatch.settings.schema import Syntax

TAB = 9


@dataclass(frozen=True, slots=True)
class TsvLayout:
    """``<ts>\\t<ip>\\t<query>``."""

    syntax: Syntax
    shape: TimestampLayout
    stamp_offset: int = 0
    address_terminator: int = TAB

    @classmethod
    def fit(cls, syntax: Syntax, block: Block) -> TsvLayout | None:
        """Told from the first line that has a stamp."""
        shape = detect_timestamp_layout(block, b"")
        return None if shape is None else cls(syntax, shape)

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind the first tab."""
        tab = np.minimum(block.start + self.shape.length, block.end)
        return tab + 1, block.data[tab] == TAB

    def queries(self, block: Block, address_end: Offsets, valid: Mask) -> QuerySpans:
        """Behind the second tab."""
        start, end = np.minimum(address_end + 1, block.end), line_ends(block)
        valid = valid & (address_end < block.end)
        # With the tab before it, so that a byte that is no letter stands there.
        fields = PackedFields(block.data, start - 1, np.where(valid, end, start - 1))
        return query_spans(start, end, fields, valid, self.syntax)
