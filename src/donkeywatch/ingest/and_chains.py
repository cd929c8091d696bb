"""eNode-go search trees that need no parser: one TEXT, or a left- or right-deep chain of ANDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.byte_columns import MASKS, Mask, Offsets, indices_of, matches_at, pack_word
from donkeywatch.ingest.possible_links import maybe_link
from donkeywatch.ingest.query_syntax import escape_is_separator

MAX_LEAVES = 8
"""Texts of the longest chain that is known."""
QUOTE, BACKSLASH = 34, 92
_SIZE = np.zeros(256, np.int64)
_SIZE[list(b"abfnrtv\\'\"")], _SIZE[ord("x")], _SIZE[ord("u")] = 2, 4, 6
"""Bytes of an escape, by the one behind its backslash."""
_AND, _TEXT = b"AND(", b"TEXT("
_BETWEEN_FIRST, _BETWEEN_LEFT, _BETWEEN_RIGHT = range(MAX_LEAVES + 1, MAX_LEAVES + 4)
"""Codes of the syntax behind a text: up to `MAX_LEAVES` they are the number of closing brackets
behind the last text; these three separate texts at the innermost AND, in a chain nested to the
left, and in one nested to the right."""
_SINGLE_TEXT_PREFIX, _END = b'TEXT("', b'")'
"""Before and behind the text of a tree that has no other."""
_CHAIN_PREFIX = np.array([pack_word(_AND * ands + _TEXT) for ands in (1, 2)])
"""The first eight bytes of a chain that begins with one AND or with several."""
_BEHIND = [b")" * brackets for brackets in range(MAX_LEAVES + 1)]
_BEHIND += [b")," + _TEXT, b"))," + _TEXT, b")," + _AND + _TEXT]
_BEHIND_SIZE = np.array([len(behind) for behind in _BEHIND])
_BEHIND_WORD = np.array([pack_word(behind) for behind in _BEHIND])
_BEHIND_MASK = MASKS[np.minimum(_BEHIND_SIZE, 8)]


@dataclass(frozen=True, slots=True)
class AndChains:
    """Which fields hold a chain, and where its first text begins and its last one ends.

    What stood between the texts of a chain is blank.
    """

    valid: Mask
    start: Offsets
    end: Offsets


class _QuotedTexts(NamedTuple):
    """The texts of some lines, one behind the other.

    ``opening`` and ``closing`` are their quotes, ``behind`` where what follows ends; ``first``
    and ``last`` are the places of those of each line, ``leaves`` how many it has.
    """

    opening: Offsets
    closing: Offsets
    behind: Offsets
    first: Offsets
    last: Offsets
    leaves: Offsets

    @classmethod
    def of(cls, quotes: Offsets, leaves: Offsets, end: Offsets) -> _QuotedTexts:
        """From all quotes in the lines, and where the lines end."""
        opening, closing = np.ascontiguousarray(quotes.reshape(-1, 2).T)
        last = np.cumsum(leaves) - 1
        behind = np.empty_like(closing)
        behind[:-1] = opening[1:]
        behind[last] = end
        return cls(opening, closing, behind, last - leaves + 1, last, leaves)


def find_and_chains(fields: PackedFields) -> AndChains:
    """Look at the trees that the fields are, and blank out their syntax."""
    start, end = fields.start, fields.end
    marks = indices_of((fields.data == QUOTE) | (fields.data == BACKSLASH))
    escaped = _undecided_escapes(fields, marks[fields.data[marks] == BACKSLASH])
    quotes = marks[fields.data[marks] == QUOTE]  # Those that were escaped are blank by now.
    count = fields.count_per_line(quotes)
    balanced = (count & 1 == 0) & (count > 0) & (count <= 2 * MAX_LEAVES)
    balanced[escaped] = False
    several = balanced & (count > 2)
    single = balanced & ~several & _is_single_text(fields)
    chains = AndChains(
        several | single,
        np.where(single, start + len(_SINGLE_TEXT_PREFIX), start),
        np.where(single, end - len(_END), end),
    )
    lines = np.flatnonzero(several)
    if len(lines):
        inside = quotes[np.repeat(several, count)]
        texts = _QuotedTexts.of(inside, count[lines] >> 1, end[lines])
        chains.start[lines], chains.end[lines] = (
            texts.opening[texts.first] + 1,
            texts.closing[texts.last],
        )
        _accept_chains(fields, lines, texts, start[lines], chains)
    return chains


def _is_single_text(fields: PackedFields) -> Mask:
    """Tell which are trees of a single text, given that two quotes stand in them or behind."""
    end = fields.end - len(_END)
    front = (fields.words[fields.start] ^ pack_word(_SINGLE_TEXT_PREFIX)) & MASKS[
        len(_SINGLE_TEXT_PREFIX)
    ]
    behind = (fields.words[np.maximum(end, 0)] ^ pack_word(_END)) & MASKS[len(_END)]
    is_chain: Mask = ((front | behind) == 0) & (end - fields.start >= len(_SINGLE_TEXT_PREFIX))
    return is_chain


def _accept_chains(
    fields: PackedFields, lines: Offsets, texts: _QuotedTexts, start: Offsets, chains: AndChains
) -> None:
    """Leave those lines good that are chains; blank what stands between their texts.

    Not before all have been looked at: what is no chain stays as it is.
    """
    accepted, syntax = _is_chain(fields, texts, start)
    chains.valid[lines[~accepted]] = False
    joined = np.repeat(accepted, texts.leaves)
    joined[texts.last] = False
    for kind in (_BETWEEN_FIRST, _BETWEEN_LEFT, _BETWEEN_RIGHT):
        chosen = texts.closing[joined & (syntax == kind)]
        if len(chosen):
            fields.overwrite_with_spaces(chosen, len(_BEHIND[kind]) + 2)
    several = np.flatnonzero(joined)
    link = several[maybe_link(fields, texts.behind[several] + 1)]
    chains.valid[lines[np.searchsorted(texts.last, link)]] = False


def _is_chain(fields: PackedFields, texts: _QuotedTexts, start: Offsets) -> tuple[Mask, Offsets]:
    """Tell in which lines nothing stands around the texts but what a chain has.

    There are two texts at least. A chain that leans left begins with all its ANDs, one that leans
    right with the first of them. Also gives what stands behind each text.
    """
    opening = texts.opening[texts.first]
    right_deep = (opening - start == len(_AND) + len(_TEXT)) & (texts.leaves > 2)
    ands = np.where(right_deep, 1, texts.leaves - 1)
    valid = opening - start == len(_AND) * ands + len(_TEXT)
    valid &= fields.words[start] == _CHAIN_PREFIX.take(np.minimum(ands, 2) - 1)
    valid &= matches_at(fields.data, opening - len(_TEXT), _TEXT)
    for depth in range(2, int(ands.max())):
        deep = np.flatnonzero(ands > depth)
        valid[deep] &= matches_at(fields.data, start[deep] + len(_AND) * depth, _AND)
    syntax = _expected_suffix(texts, right_deep)
    mixed = np.flatnonzero(~_suffix_matches(fields, texts, syntax))
    valid[np.searchsorted(texts.last, mixed)] = False
    return valid, syntax


def _expected_suffix(texts: _QuotedTexts, right: Mask) -> Offsets:
    """Give the syntax that has to stand behind each text of a chain, as an index of `_BEHIND`.

    ``right`` tells which chains are nested to the right, ``AND (a, AND (b, c))``.
    """
    expected = np.full(len(texts.opening), _BETWEEN_LEFT)
    expected[texts.first] = _BETWEEN_FIRST
    expected[np.repeat(right, texts.leaves)] = _BETWEEN_RIGHT
    expected[texts.last[right] - 1] = _BETWEEN_FIRST
    expected[texts.last] = np.where(right, texts.leaves, 2)
    return expected


def _suffix_matches(fields: PackedFields, texts: _QuotedTexts, syntax: Offsets) -> Mask:
    """Tell behind which texts the expected bytes stand."""
    at = texts.closing + 1
    matches: Mask = texts.behind - at == _BEHIND_SIZE.take(syntax)
    matches &= (fields.words[at] ^ _BEHIND_WORD.take(syntax)) & _BEHIND_MASK.take(syntax) == 0
    opened = np.flatnonzero(syntax == _BETWEEN_RIGHT)
    matches[opened] &= matches_at(fields.data, at[opened], _BEHIND[_BETWEEN_RIGHT])
    return matches


def _undecided_escapes(fields: PackedFields, at: Offsets) -> Offsets:
    """Lines with escapes that are no separators, by all backslashes; the others are blank now."""
    number = np.arange(len(at))
    row = np.maximum.accumulate(np.where(np.diff(at, prepend=-2) != 1, number, 0))
    at = at[(number - row) & 1 == 0]  # Every second one of a row is escaped itself.
    size = _SIZE[fields.data[at + 1]]
    distinct, which = np.unique(fields.words[at] & MASKS[size], return_inverse=True)
    escapes = [escape.to_bytes(8, "little").rstrip(b"\0") for escape in distinct.tolist()]
    blank = np.array([escape_is_separator(escape) for escape in escapes], bool)[which]
    for each in (2, 4, 6):
        fields.overwrite_with_spaces(at[blank & (size == each)], each)
    return fields.line_of_offset(at[~blank])
