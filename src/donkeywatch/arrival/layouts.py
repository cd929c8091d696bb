"""Where the fields of a line stand, for the formats that can be read by columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from donkeywatch.arrival.columns import Block, Mask, Offsets, Shape
from donkeywatch.arrival.formats.line import Format
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.arrival.searches import Syntax

RETURN, SPACE, TAB = 13, 32, 9


@dataclass(frozen=True, slots=True)
class Searches:
    """The texts that were searched for, as spans of a block; one span a line.

    ``good`` are the lines of which the columns know all but the words; of the others the line
    reader decides. ``other`` of the lines are surely no search.
    """

    start: Offsets
    end: Offsets
    good: Mask
    other: int = 0
    others: Mask | None = None


class Layout(Protocol):
    """One format."""

    closing: int
    """The byte behind the address."""

    def shape(self, block: Block) -> Shape | None:
        """How the stamps of a block are written, told from its first lines."""
        ...

    def addresses(self, block: Block, shape: Shape) -> tuple[Offsets, Mask]:
        """Where the address of each line would begin, and which lines are as expected so far."""
        ...

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Where the query is, given where the address ends."""
        ...


def first_shape(block: Block, mark: bytes) -> Shape | None:
    """The shape of the first stamp that stands before ``mark``."""
    for i in range(min(len(block), 8)):
        stamp, tab, rest = block.line(i)[:128].partition(b"\t")
        if tab and rest.startswith(mark) and (shape := Shape.of(stamp)) is not None:
            return shape
    return None


def ends(block: Block) -> Offsets:
    """Ends of the lines without a carriage return."""
    returns = (block.data[np.maximum(block.end - 1, 0)] == RETURN) & (block.end > block.start)
    found: Offsets = block.end - returns
    return found


class TsvLayout:
    """``<ts>\\t<ip>\\t<query>``."""

    closing = TAB

    def shape(self, block: Block) -> Shape | None:
        """Told from the first line that has one."""
        return first_shape(block, b"")

    def addresses(self, block: Block, shape: Shape) -> tuple[Offsets, Mask]:
        """Behind the first tab."""
        tab = np.minimum(block.start + shape.length, block.end)
        return tab + 1, block.data[tab] == TAB

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Behind the second tab."""
        start = np.minimum(address_end + 1, block.end)
        return Searches(start, ends(block), good & (address_end < block.end))


def layout_of(form: Format, syntax: Syntax) -> Layout | None:
    """How to read a format by columns; None when it is read line by line."""
    if isinstance(form, Tsv) and syntax == "plain":
        return TsvLayout()
    return None
