"""Where the fields of a line stand, for the formats that can be read by columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from donkeywatch.arrival.columns import Block, Mask, Offsets, Shape, has
from donkeywatch.arrival.formats.enode_go import EnodeGo
from donkeywatch.arrival.formats.line import Format
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.arrival.searches import Syntax

RETURN, SPACE, TAB, QUOTE, BACKSLASH = 13, 32, 9, 34, 92


@dataclass(frozen=True, slots=True)
class Searches:
    """The queries of the lines of a block, as spans.

    ``start`` and ``end`` are those of the field, ``text`` and ``text_end`` those of the first
    words in it. ``good`` are the lines of which the columns know all but the words; of the
    others ``none`` are surely no search, and on the rest the line reader decides.
    """

    start: Offsets
    end: Offsets
    text: Offsets
    text_end: Offsets
    good: Mask
    none: Mask | None = None


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
        start, end = np.minimum(address_end + 1, block.end), ends(block)
        return Searches(start, end, start, end, good & (address_end < block.end))


MODULE, OBFUSCATED = b"\tDEBUG\t[module=tcp", b"-obfs"
PARSED = b"] tcp payload parsed remote="
REQUEST = b" opcode=OP_SEARCHREQUEST expr="
MARK = b" expr="
"""Without this a line is no search."""
LEAVES = 8
"""Words of the longest chain that is known without the parser."""


class EnodeGoLayout:
    """The lines of eNode-go: one of the three that it writes for a search has the query.

    A tree that is one TEXT, or a chain of ANDs that leans to one side, is known by what stands
    between its quotes; all others are left to the parser.
    """

    closing = SPACE

    def shape(self, block: Block) -> Shape | None:
        """Told from the first line of that server."""
        return first_shape(block, b"")

    def addresses(self, block: Block, shape: Shape) -> tuple[Offsets, Mask]:
        """Behind a text that is always the same but for the kind of connection."""
        at = np.minimum(block.start + shape.length, block.end)
        good = has(block.words, at, MODULE)
        good &= block.data[block.start + len("2026-11-23")] != SPACE  # Its stamp is one word.
        at = np.minimum(at + len(MODULE), block.end)
        at = np.minimum(at + len(OBFUSCATED) * has(block.words, at, OBFUSCATED), block.end)
        good &= has(block.words, at, PARSED)
        return np.minimum(at + len(PARSED), block.end), good

    def queries(self, block: Block, address_end: Offsets, good: Mask) -> Searches:
        """The tree, and the first of its texts."""
        at = np.minimum(address_end, block.end)
        good = good & has(block.words, at, REQUEST)
        none = None if good.all() else ~_marked(block)
        start, end = np.minimum(at + len(REQUEST), block.end), ends(block)
        quotes = np.flatnonzero(block.data == QUOTE)
        if not len(quotes):
            return Searches(start, end, start, end, np.zeros(len(block), bool), none)
        first, behind = np.searchsorted(quotes, start), np.searchsorted(quotes, block.end)
        good[block.lines_at(np.flatnonzero(block.data == BACKSLASH))] = False
        good &= _chains(block, start, end, quotes, first, behind - first)
        last = len(quotes) - 1
        text = np.where(good, quotes[np.minimum(first, last)] + 1, start)
        text_end = np.where(good, quotes[np.minimum(first + 1, last)], start)
        return Searches(start, end, text, text_end, good, none)


def _marked(block: Block) -> Mask:
    """Lines in which the mark of a search stands."""
    found: Mask = np.zeros(len(block), bool)
    signs = np.flatnonzero(block.data == MARK[-1])
    signs = signs[has(block.words, np.maximum(signs - len(MARK) + 1, 0), MARK)]
    found[block.lines_at(signs)] = True
    return found


def _chains(
    block: Block, start: Offsets, end: Offsets, quotes: Offsets, first: Offsets, count: Offsets
) -> Mask:
    """Trees that are one TEXT or a chain of ANDs, by the number of their quotes."""
    found: Mask = np.zeros(len(block), bool)
    for leaves in range(1, LEAVES + 1):
        lines = np.flatnonzero(count == 2 * leaves)
        if not len(lines):
            continue
        own = quotes[first[lines, None] + np.arange(2 * leaves)]
        left: Mask = np.zeros(len(lines), bool)
        for pieces in _leaning(leaves):
            left |= _fits(block, start[lines], end[lines], own, pieces)
        found[lines] = left
    return found


def _leaning(leaves: int) -> list[list[bytes]]:
    """What stands before, between and behind the texts of a chain that leans left, or right."""
    comma = b'"),TEXT("'
    if leaves == 1:
        return [[b'TEXT("', b'")']]
    head, tail = b'AND(TEXT("', b'"))'
    left = [b"AND(" * (leaves - 2) + head, comma, *[b'")),TEXT("'] * (leaves - 2), tail]
    right = [head, *[b'"),AND(TEXT("'] * (leaves - 2), comma, tail + b")" * (leaves - 2)]
    return [left] if leaves == 2 else [left, right]


def _fits(block: Block, start: Offsets, end: Offsets, quotes: Offsets, pieces: list[bytes]) -> Mask:
    """Trees that are texts between just these pieces."""
    head, *gaps, tail = pieces
    good = (quotes[:, 0] == start + len(head) - 1) & has(block.words, start, head)
    for i, gap in enumerate(gaps):
        before = quotes[:, 2 * i + 1]
        good &= (quotes[:, 2 * i + 2] == before + len(gap) - 1) & has(block.words, before, gap)
    last = quotes[:, -1]
    found: Mask = good & (last == end - len(tail)) & has(block.words, last, tail)
    return found


def layout_of(form: Format, syntax: Syntax) -> Layout | None:
    """How to read a format by columns; None when it is read line by line."""
    if isinstance(form, Tsv) and syntax == "plain":
        return TsvLayout()
    if isinstance(form, EnodeGo) and syntax == "enode-go":
        return EnodeGoLayout()
    return None
