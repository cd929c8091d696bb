"""Where the fields of the lines of a block stand, once it is known how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from donkeywatch.ingest.columns import MASKS, Block, Mask, Offsets, Shape, places, word
from donkeywatch.ingest.fields import Fields
from donkeywatch.settings.schema import Syntax

RETURN = 13
FIRST = 8
"""Lines of a block that are looked at to tell how all are written."""
_MARKED, _CAPITAL = np.zeros((2, 256), bool)
_MARKED[list(b'"()-')], _CAPITAL[list(b"ANO")] = True, True
"""What quotes, groups or excludes, and what operators begin with."""


@dataclass(frozen=True, slots=True)
class Searches:
    """The queries of the lines of a block, as spans.

    ``start`` and ``end`` are where the query stands in the block, ``text`` and ``text_end`` where
    its words stand in the packed ``fields``. ``good`` are the lines of which the columns know all
    but the words, and ``plain`` those whose words they can tell; of the others ``none`` are surely
    no search.
    """

    start: Offsets
    end: Offsets
    fields: Fields
    text: Offsets
    text_end: Offsets
    good: Mask
    plain: Mask
    none: Mask | None = None


class Layout(Protocol):
    """One format, fitted to a block: how its lines are written is told from the first ones."""

    @property
    def shape(self) -> Shape:
        """How its stamps are written."""
        ...

    @property
    def before(self) -> int:
        """Bytes of a line before its stamp."""
        ...

    @property
    def closing(self) -> int:
        """The byte behind the address."""
        ...

    @property
    def syntax(self) -> Syntax:
        """Of its queries; only those of ``plain`` are sure to be one text."""
        ...

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Where the address of each line would begin, and which lines are as expected so far."""
        ...

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Where the query is, given where the address ends."""
        ...


def first_shape(block: Block, mark: bytes) -> Shape | None:
    """The shape of the first stamp that stands before ``mark``."""
    for i in range(min(len(block), FIRST)):
        stamp, tab, rest = block.line(i)[:128].partition(b"\t")
        if tab and rest.startswith(mark) and (shape := Shape.of(stamp)) is not None:
            return shape
    return None


def ends(block: Block) -> Offsets:
    """Ends of the lines without a carriage return."""
    returns = (block.data[np.maximum(block.end - 1, 0)] == RETURN) & (block.end > block.start)
    found: Offsets = block.end - returns
    return found


def searches_of(
    start: Offsets, end: Offsets, fields: Fields, good: Mask, syntax: Syntax
) -> Searches:
    """Of fields that have one byte before their text. Operators are left to the line reader."""
    plain = good
    if syntax == "boolean":
        plain = good.copy()
        plain[holding(fields, _MARKED)] = False
        at = places(_CAPITAL.take(fields.data, mode="clip"))
        three = fields.words[at] & MASKS[3]
        operator = (three == word(b"AND")) | (three == word(b"NOT"))
        operator |= three & MASKS[2] == word(b"OR")
        plain[fields.lines_at(at[operator])] = False
    return Searches(start, end, fields, fields.start + 1, fields.end, good, plain)


def holding(fields: Fields, table: Mask) -> Offsets:
    """Lines with a byte of the table in their text, which begins behind the first of the field."""
    at = places(table.take(fields.data, mode="clip"))
    line = fields.lines_at(at)
    held: Offsets = line[(at > fields.start[line]) & (at < fields.end[line])]
    return held
