"""Three fields with tabs between them, by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.ingest.columns import Block, Mask, Offsets, Shape
from donkeywatch.ingest.fields import Fields
from donkeywatch.ingest.layouts.layout import Searches, ends, first_shape, searches_of
from donkeywatch.settings.schema import Syntax

TAB = 9


@dataclass(frozen=True, slots=True)
class TsvLayout:
    """``<ts>\\t<ip>\\t<query>``."""

    syntax: Syntax
    shape: Shape
    before: int = 0
    closing: int = TAB

    @classmethod
    def fitted(cls, syntax: Syntax, block: Block) -> TsvLayout | None:
        """Told from the first line that has a stamp."""
        shape = first_shape(block, b"")
        return None if shape is None else cls(syntax, shape)

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind the first tab."""
        tab = np.minimum(block.start + self.shape.length, block.end)
        return tab + 1, block.data[tab] == TAB

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Behind the second tab."""
        start, end = np.minimum(address_end + 1, block.end), ends(block)
        good = good & (address_end < block.end)
        # With the tab before it, so that a byte that is no letter stands there.
        fields = Fields(block.data, start - 1, np.where(good, end, start - 1))
        return searches_of(start, end, fields, good, self.syntax)
