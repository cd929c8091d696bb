"""Search trees of eNode-go that need no parser: one TEXT, or a chain of ANDs that leans aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from donkeywatch.arrival.columns import MASKS, Block, Mask, Offsets, has, places
from donkeywatch.arrival.links import perhaps_link
from donkeywatch.arrival.searches import separates

LEAVES = 8
"""Texts of the longest chain that is known."""
FEW = 4
"""So few trees of a kind are parsed."""
QUOTE, BACKSLASH = 34, 92
_SIZE = np.zeros(256, np.int64)
_SIZE[list(b"abfnrtv\\'\"")], _SIZE[ord("x")], _SIZE[ord("u")] = 2, 4, 6
"""Bytes of an escape, by the one behind its backslash."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Which lines of a block hold a chain, and where its first text begins and its last one ends.

    What stood between the texts of a chain is blank.
    """

    good: Mask
    start: Offsets
    end: Offsets


def chains(block: Block, start: Offsets, end: Offsets) -> Chains:
    """Look at the trees between ``start`` and ``end`` of each line, and blank out their syntax."""
    escaped = _escaped(block)
    found = Chains(np.zeros(len(block), bool), start.copy(), end.copy())
    quotes = places(block.data == QUOTE)
    one = np.searchsorted(quotes, start)
    count = np.diff(one, append=len(quotes))
    count[escaped] = 0
    syntax = defaultdict[int, list[Offsets]](list)
    later: list[tuple[Offsets, Offsets]] = []
    for leaves in range(1, LEAVES + 1):
        lines = np.flatnonzero(count == 2 * leaves)
        for tree in _trees(leaves):
            if len(lines) < FEW:
                break
            inside = [quotes[one[lines] + k] for k in range(2 * leaves)]
            fits = _fits(block, start[lines], end[lines], inside, tree)
            chosen, lines = lines[fits], lines[~fits]
            if len(lines):
                inside = [quote[fits] for quote in inside]
            found.good[chosen] = True
            found.start[chosen], found.end[chosen] = inside[0] + 1, inside[-1]
            for at, between in zip(inside[1:-1:2], tree[1:-1], strict=True):
                syntax[len(between)].append(at)
                later.append((chosen, at + len(between)))
    # Not before all have been looked at: what is no chain stays as it is.
    for size, gaps in syntax.items():
        block.blank(np.concatenate(gaps), size)
    if later:
        lines, at = map(np.concatenate, zip(*later, strict=True))
        found.good[lines[perhaps_link(block, at)]] = False
    return found


def _escaped(block: Block) -> Offsets:
    """Lines with escapes that are no separators; those that are one are blank from now on."""
    at = places(block.data == BACKSLASH)
    number = np.arange(len(at))
    row = np.maximum.accumulate(np.where(np.diff(at, prepend=-2) != 1, number, 0))
    at = at[(number - row) & 1 == 0]  # Every second one of a row is escaped itself.
    size = _SIZE[block.data[at + 1]]
    found, which = np.unique(block.words[at] & MASKS[size], return_inverse=True)
    escapes = [escape.to_bytes(8, "little").rstrip(b"\0") for escape in found.tolist()]
    blank = np.array([separates(escape) for escape in escapes], bool)[which]
    for each in (2, 4, 6):
        block.blank(at[blank & (size == each)], each)
    return block.lines_at(at[~blank])


def _fits(
    block: Block, start: Offsets, end: Offsets, quotes: Sequence[Offsets], tree: Sequence[bytes]
) -> Mask:
    """Is there nothing between the texts, before and behind them but what the tree has there?"""
    edges = [start, *quotes[1::2]]
    behind = [*(quote + 1 for quote in quotes[::2]), end]
    good: Mask = np.ones(len(start), bool)
    for at, until, syntax in zip(edges, behind, tree, strict=True):
        good &= until - at == len(syntax)
    if good.any():
        for at, syntax in zip(edges, tree, strict=True):
            good &= has(block.data, at, syntax)
    return good


@cache
def _trees(leaves: int) -> Sequence[Sequence[bytes]]:
    """What stands before, between and behind the texts of a chain that leans left or right."""
    if leaves == 1:
        return ((b'TEXT("', b'")'),)
    return tuple(dict.fromkeys((tuple(_left(leaves)), tuple(_right(leaves)))))


def _left(leaves: int) -> Iterator[bytes]:
    yield b"AND(" * (leaves - 1) + b'TEXT("'
    yield b'"),TEXT("'
    yield from [b'")),TEXT("'] * (leaves - 2)
    yield b'"))'


def _right(leaves: int) -> Iterator[bytes]:
    yield b'AND(TEXT("'
    yield from [b'"),AND(TEXT("'] * (leaves - 2)
    yield b'"),TEXT("'
    yield b'"' + b")" * leaves
