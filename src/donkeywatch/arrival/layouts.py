"""Where the fields of a line stand, for the formats that can be read by columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from donkeywatch.arrival.chains import chains
from donkeywatch.arrival.columns import PAD, ROW, Block, Mask, Offsets, Shape, has, places
from donkeywatch.arrival.fields import Fields
from donkeywatch.arrival.formats.enode_go import EnodeGo
from donkeywatch.arrival.formats.jsonl import Jsonl
from donkeywatch.arrival.formats.line import Format, Search
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.arrival.searches import Syntax

RETURN, SPACE, TAB, QUOTE = 13, 32, 9, 34
FIRST = 8
"""Lines of a block that are looked at to tell how all are written."""
LONGEST = PAD - ROW
"""Bytes of a part of a line that can be compared, since so many may be read behind the last one."""
_ODD = np.arange(256) < SPACE
_ODD[list(b'"\\\xf4')] = True
"""What a text in JSON is not without being escaped, and what begins the private characters that
stand for other bytes there."""


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
    def trees(self) -> bool:
        """May a query be of several texts?"""
        ...

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Where the address of each line would begin, and which lines are as expected so far."""
        ...

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Where the query is, given where the address ends."""
        ...


@dataclass(frozen=True, slots=True)
class Columns:
    """How a format is read by columns.

    ``length`` is that of its lines, in those of the shortest format, about; ``fitted`` gives None
    for a block that is read line by line.
    """

    length: int
    fitted: Callable[[Block], Layout | None]


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


@dataclass(frozen=True, slots=True)
class TsvLayout:
    """``<ts>\\t<ip>\\t<query>``."""

    shape: Shape
    before: int = 0
    closing: int = TAB
    trees: bool = False

    @classmethod
    def fitted(cls, block: Block) -> TsvLayout | None:
        """Told from the first line that has a stamp."""
        shape = first_shape(block, b"")
        return None if shape is None else cls(shape)

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
        return Searches(start, end, fields, fields.start + 1, fields.end, good, good)


@dataclass(frozen=True, slots=True)
class JsonlLayout:
    """One object a line, its three texts in their usual order and all else as in the first line.

    ``parts`` is what stands before, between and behind them, their quotes included. As long as
    nothing in a text is escaped, lines that differ in texts alone differ in nothing else.
    """

    shape: Shape
    parts: tuple[bytes, bytes, bytes, bytes]
    closing: int = QUOTE
    trees: bool = False

    @property
    def before(self) -> int:
        """Bytes of a line before its stamp."""
        return len(self.parts[0])

    @classmethod
    def fitted(cls, form: Jsonl, block: Block) -> JsonlLayout | None:
        """Told from the first line that is a search and of which the parts can be told."""
        for i in range(min(len(block), FIRST)):
            line = block.line(i).removesuffix(b"\r")
            found = form.read(line)
            if isinstance(found, Search) and (parts := _parts(form, line, found)) is not None:
                shape = Shape.of(found.stamp)
                return None if shape is None else cls(shape, parts)
        return None

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind the stamp, which stands where it does in every line."""
        first, second, _, _ = self.parts
        good = has(block.data, block.start, first)
        at = np.minimum(block.start + len(first) + self.shape.length, block.end)
        good &= has(block.data, at, second)
        return np.minimum(at + len(second), block.end), good

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """Between what follows the address and what ends the line."""
        _, _, third, last = self.parts
        at = np.minimum(address_end, block.end)
        start, end = np.minimum(at + len(third), block.end), ends(block) - len(last)
        good = good & has(block.data, at, third) & (start <= end)
        good &= has(block.data, np.where(good, end, start), last)
        # With the quote before it, so that a byte that is no letter stands there.
        fields = Fields(block.data, start - 1, np.where(good, end, start - 1))
        text = fields.start + 1
        odd = places(_ODD.take(fields.data, mode="clip"))
        line = fields.lines_at(odd)
        good[line[(odd >= text[line]) & (odd < fields.end[line])]] = False
        return Searches(start, end, fields, text, fields.end, good, good)


def _parts(form: Jsonl, line: bytes, search: Search) -> tuple[bytes, bytes, bytes, bytes] | None:
    """What a line of JSON is but for its three texts; None where that cannot be told.

    It is tried with other texts, and has to be read as these: where a text stands twice, or a key,
    it may have been taken for another.
    """
    parts, at = [], 0
    for text in (search.stamp, search.address, search.query):
        opening = line.find(b'"' + text + b'"', at)
        if opening < 0:
            return None
        parts.append(line[at : opening + 1])
        at = opening + 1 + len(text)
    first, second, third = parts
    found = first, second, third, line[at:]
    if max(map(len, found)) > LONGEST:
        return None
    probe = Search(b"stamp", b"address", b"query")
    tried = first + probe.stamp + second + probe.address + third + probe.query + found[3]
    return found if form.read(tried) == probe else None


PLAIN, OBFUSCATED = (
    b"\tDEBUG\t[module=tcp" + kind + b"] tcp payload parsed remote=" for kind in (b"", b"-obfs")
)
REQUEST = b" opcode=OP_SEARCHREQUEST expr="
MARK = b" expr="
"""Without this a line is no search."""
OTHERS = 64
"""One line in so many may be looked at by itself to find that it is none."""


@dataclass(frozen=True, slots=True)
class EnodeGoLayout:
    """The lines of eNode-go: one of the three that it writes for a search has the query.

    A tree that is one TEXT, or a chain of ANDs that leans to one side, is known by what stands
    between its quotes; all others are left to the parser.
    """

    shape: Shape
    before: int = 0
    closing: int = SPACE
    trees: bool = True

    @classmethod
    def fitted(cls, block: Block) -> EnodeGoLayout | None:
        """Told from the first line of that server."""
        shape = first_shape(block, b"")
        return None if shape is None else cls(shape)

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind a text that is always the same but for the kind of connection."""
        at = np.minimum(block.start + self.shape.length, block.end)
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


def columns_of(form: Format, syntax: Syntax) -> Columns | None:
    """How to read a format by columns; None when it is read line by line."""
    if isinstance(form, Tsv) and syntax == "plain":
        return Columns(1, TsvLayout.fitted)
    if isinstance(form, Jsonl) and syntax == "plain":
        return Columns(1, partial(JsonlLayout.fitted, form))
    if isinstance(form, EnodeGo) and syntax == "enode-go":
        return Columns(2, EnodeGoLayout.fitted)
    return None
