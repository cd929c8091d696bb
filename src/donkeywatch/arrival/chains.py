"""Search trees of eNode-go that need no parser: one TEXT, or a chain of ANDs that leans aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from donkeywatch.arrival.columns import Block, Mask, Offsets, has, places

LEAVES = 8
"""Texts of the longest chain that is known."""
QUOTE = 34
_PARSED = (b"\\", b"::")
"""An escape has a meaning, and a text that is a link has no words."""


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
    found = Chains(np.zeros(len(block), bool), start.copy(), end.copy())
    quotes = places(block.data == QUOTE)
    one = np.searchsorted(quotes, start)
    count = np.diff(one, append=len(quotes))
    for text in _PARSED:
        count[block.lines_with(text)] = 0
    blanks = []
    for leaves in range(1, LEAVES + 1):
        lines = np.flatnonzero(count == 2 * leaves)
        if not len(lines):
            continue
        inside = quotes[one[lines, np.newaxis] + np.arange(2 * leaves)]
        for tree in _trees(leaves):
            good = _fits(block, start[lines], end[lines], inside, tree)
            chosen = lines[good]
            found.good[chosen] = True
            found.start[chosen], found.end[chosen] = inside[good, 0] + 1, inside[good, -1]
            gaps = zip(inside[good, 1:-1:2].T, tree[1:-1], strict=True)
            blanks += [(at, len(syntax)) for at, syntax in gaps]
    # Not before all have been looked at: the lines that are no chain stay as they are.
    for at, size in blanks:
        block.blank(at, size)
    return found


def _fits(
    block: Block, start: Offsets, end: Offsets, quotes: Offsets, tree: Sequence[bytes]
) -> Mask:
    """Is there nothing between the texts, before and behind them but what the tree has there?"""
    edges = [start, *quotes[:, 1:-1:2].T, quotes[:, -1]]
    behind = [quotes[:, 0] + 1, *(quotes[:, 2::2].T + 1), end]
    good: Mask = np.ones(len(start), bool)
    for at, until, syntax in zip(edges, behind, tree, strict=True):
        good &= until - at == len(syntax)
    for at, syntax in zip(edges, tree, strict=True):
        good[good] = has(block.words, at[good], syntax)
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
