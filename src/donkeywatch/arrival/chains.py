"""Search trees of eNode-go that need no parser: one TEXT, or a chain of ANDs that leans aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.arrival.columns import MASKS, Block, Mask, Offsets, Words, first, word

LEAVES = 8
"""Texts of the longest chain that is known."""
QUOTE, BACKSLASH = 34, 92
TEXT, BOTH = word(b"TEXT("), word(b"AND(AND(")
CLOSED = word(b"))))))))")
NEXT = word(b'"),TEXT(')
"""What stands from the quote behind a text to the next one; where a branch ends in between it is
LEFT, and where one begins RIGHT, which are longer than a word."""
LEFT, LEFT_END = word(b'")),TEXT'), word(b")),TEXT(")
RIGHT, RIGHT_END = word(b'"),AND(T'), word(b"ND(TEXT(")


@dataclass(frozen=True, slots=True)
class Chains:
    """Which lines of a block hold a chain, and where its first text is."""

    good: Mask
    start: Offsets
    end: Offsets


def chains(block: Block, start: Offsets, end: Offsets) -> Chains:
    """Look at the trees between ``start`` and ``end`` of each line."""
    quotes = np.flatnonzero(block.data == QUOTE)
    if len(quotes) < 2:
        return Chains(np.zeros(len(block), bool), start, start)
    begin, behind = np.searchsorted(quotes, start), np.searchsorted(quotes, end)
    count = behind - begin
    good: Mask = (count >= 2) & (count <= 2 * LEAVES) & (count & 1 == 0)
    good[block.lines_at(np.flatnonzero(block.data == BACKSLASH))] = False
    one = np.where(good, begin, 0)
    last = np.where(good, behind - 1, 1)
    good &= _leans(block.words, quotes, one, last, start, end)
    return Chains(good, quotes[one] + 1, quotes[one + 1])


def _leans(
    words: Words, quotes: Offsets, one: Offsets, last: Offsets, start: Offsets, end: Offsets
) -> Mask:
    """Are the texts from quote ``one`` to quote ``last`` a chain, to its very ends?"""
    leaves = (last - one + 1) >> 1
    opened = quotes[one] - start - len("TEXT(")
    closed = end - quotes[last] - 1
    good: Mask = (opened >= 0) & (opened % 4 == 0) & (closed >= 1) & (closed <= LEAVES)
    good &= (words[np.maximum(quotes[one] - 5, 0)] ^ TEXT) & first(5) == 0
    for at in range(0, 4 * LEAVES, 8):
        size = np.clip(opened - at, 0, 8)
        if not size.any():
            break
        good &= (words[start + at] ^ BOTH) & MASKS[size] == 0
    good &= (words[quotes[last] + 1] ^ CLOSED) & MASKS[np.clip(closed, 0, 8)] == 0
    following, left, right = _gaps(words, quotes, one, last)
    single = leaves == 1
    rest = leaves - 2
    branches = opened >> 2
    leaning_left = (branches == leaves - 1) & (closed == 2) & (left == rest)
    leaning_left &= following[np.minimum(one + 1, len(quotes) - 1)]
    leaning_right = (
        (branches == 1) & (closed == leaves) & (right == rest) & following[np.maximum(last - 2, 0)]
    )
    found: Mask = good & np.where(
        single, (branches == 0) & (closed == 1), leaning_left | leaning_right
    )
    return found


def _gaps(
    words: Words, quotes: Offsets, one: Offsets, last: Offsets
) -> tuple[Mask, Offsets, Offsets]:
    """Quotes with nothing but NEXT behind them; and by line, how many have LEFT or RIGHT.

    Only what follows a closing quote is looked at: a text may say anything.
    """
    found, length = words[quotes], np.diff(quotes, append=quotes[-1])
    closing = np.zeros(len(quotes) + 1, np.int8)
    size = last - one + 1
    place = np.repeat(one, size) + _counted(size)
    closing[place] = _counted(size) & 1
    closes = closing[:-1] == 1
    following = (found == NEXT) & (length == 8) & closes
    left = (found == LEFT) & (length == 9) & closes
    right = (found == RIGHT) & (length == 12) & closes
    if left.any():
        left &= words[quotes + 1] == LEFT_END
    if right.any():
        right &= words[quotes + 4] == RIGHT_END
    return following, _between(left, one, last), _between(right, one, last)


def _counted(size: Offsets) -> Offsets:
    """0, 1, 2 and so on within each of some groups."""
    stop = np.cumsum(size)
    found: Offsets = np.arange(stop[-1] if len(stop) else 0) - np.repeat(stop - size, size)
    return found


def _between(mask: Mask, one: Offsets, last: Offsets) -> Offsets:
    """How often ``mask`` is true from ``one`` to ``last``."""
    before = np.concatenate(([0], np.cumsum(mask)))
    found: Offsets = before[last + 1] - before[one]
    return found
