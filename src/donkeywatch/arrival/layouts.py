"""Where the fields of a line stand, for the formats that can be read by columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from donkeywatch.arrival.chains import chains
from donkeywatch.arrival.columns import Block, Mask, Offsets, Shape, has
from donkeywatch.arrival.fields import Fields
from donkeywatch.arrival.formats.enode_go import EnodeGo
from donkeywatch.arrival.formats.line import Format
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.arrival.searches import Syntax

RETURN, SPACE, TAB = 13, 32, 9


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
    """One format."""

    closing: int
    """The byte behind the address."""
    trees: bool
    """May a query be of several texts?"""
    length: int
    """Of its lines, in those of the shortest format, about."""

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
    trees = False
    length = 1

    def shape(self, block: Block) -> Shape | None:
        """Told from the first line that has one."""
        return first_shape(block, b"")

    def addresses(self, block: Block, shape: Shape) -> tuple[Offsets, Mask]:
        """Behind the first tab."""
        tab = np.minimum(block.start + shape.length, block.end)
        return tab + 1, block.data[tab] == TAB

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Behind the second tab."""
        start, end = np.minimum(address_end + 1, block.end), ends(block)
        good = good & (address_end < block.end)
        # With the tab before it, so that a byte that is no letter stands there.
        fields = Fields(block.data, start - 1, np.where(good, end, start - 1))
        return Searches(start, end, fields, fields.start + 1, fields.end, good, good)


PLAIN, OBFUSCATED = (
    b"\tDEBUG\t[module=tcp" + kind + b"] tcp payload parsed remote=" for kind in (b"", b"-obfs")
)
REQUEST = b" opcode=OP_SEARCHREQUEST expr="
MARK = b" expr="
"""Without this a line is no search."""
OTHERS = 64
"""One line in so many may be looked at by itself to find that it is none."""


class EnodeGoLayout:
    """The lines of eNode-go: one of the three that it writes for a search has the query.

    A tree that is one TEXT, or a chain of ANDs that leans to one side, is known by what stands
    between its quotes; all others are left to the parser.
    """

    closing = SPACE
    trees = True
    length = 2

    def shape(self, block: Block) -> Shape | None:
        """Told from the first line of that server."""
        return first_shape(block, b"")

    def addresses(self, block: Block, shape: Shape) -> tuple[Offsets, Mask]:
        """Behind a text that is always the same but for the kind of connection."""
        at = np.minimum(block.start + shape.length, block.end)
        good, size = has(block.data, at, PLAIN), np.full(len(at), len(PLAIN))
        others = np.flatnonzero(~good)
        good[others] = has(block.data, at[others], OBFUSCATED)
        size[others] = len(OBFUSCATED)
        good &= block.data[block.start + len("2026-11-23")] != SPACE  # Its stamp is one word.
        return np.minimum(at + size, block.end), good

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """The tree, and its texts from the first to the last."""
        at = np.minimum(address_end, block.end)
        good = good & has(block.data, at, REQUEST)
        none = None
        if int(np.count_nonzero(~good)) > len(block) // OTHERS:
            none = np.ones(len(block), bool)
            none[block.lines_with(MARK)] = False
        start, end = np.minimum(at + len(REQUEST), block.end), ends(block)
        fields = Fields(block.data, start, np.where(good, end, start))
        found = chains(fields)
        plain = good & found.good
        return Searches(start, end, fields, found.start, found.end, good, plain, none)


def layout_of(form: Format, syntax: Syntax) -> Layout | None:
    """How to read a format by columns; None when it is read line by line."""
    if isinstance(form, Tsv) and syntax == "plain":
        return TsvLayout()
    if isinstance(form, EnodeGo) and syntax == "enode-go":
        return EnodeGoLayout()
    return None
