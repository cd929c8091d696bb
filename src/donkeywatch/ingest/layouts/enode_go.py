"""The lines of eNode-go, by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.and_chains import find_and_chains
from donkeywatch.ingest.byte_columns import Block, Mask, Offsets, matches_at
from donkeywatch.ingest.layouts.layout import QuerySpans, detect_timestamp_layout, line_ends
from donkeywatch.ingest.timestamp_columns import TimestampLayout
from donkeywatch.settings.schema import Syntax

SPACE = 32
PLAIN, OBFUSCATED = (
    b"\tDEBUG\t[module=tcp" + kind + b"] tcp payload parsed remote=" for kind in (b"", b"-obfs")
)
REQUEST = b" opcode=OP_SEARCHREQUEST expr="
EXPR_MARK = b" expr="
"""Without this a line is no search."""
LINES_PER_OTHER = 64
"""Where more than one line in so many is no search, they are found together by `EXPR_MARK`; fewer
are left to the parser of single lines."""


@dataclass(frozen=True, slots=True)
class EnodeGoLayout:
    """The lines of eNode-go: one of the three that it writes for a search has the query.

    A tree that is one TEXT, or a chain of ANDs that leans to one side, is known by what stands
    between its quotes; all others are left to the parser.
    """

    shape: TimestampLayout
    stamp_offset: int = 0
    syntax: Syntax = "enode-go"
    address_terminator: int = SPACE

    @classmethod
    def fit(cls, block: Block) -> EnodeGoLayout | None:
        """Told from the first line of that server."""
        shape = detect_timestamp_layout(block, b"")
        return None if shape is None else cls(shape)

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind a text that is always the same but for the kind of connection."""
        at = np.minimum(block.start + self.shape.length, block.end)
        valid, size = matches_at(block.data, at, PLAIN), np.full(len(at), len(PLAIN))
        others = np.flatnonzero(~valid)
        valid[others] = matches_at(block.data, at[others], OBFUSCATED)
        size[others] = len(OBFUSCATED)
        valid &= block.data[block.start + len("2026-11-23")] != SPACE  # Its stamp is one word.
        return np.minimum(at + size, block.end), valid

    def queries(self, block: Block, address_end: Offsets, valid: Mask) -> QuerySpans:
        """The tree, and its texts from the first to the last."""
        at = np.minimum(address_end, block.end)
        valid = valid & matches_at(block.data, at, REQUEST)
        none = None
        if int(np.count_nonzero(~valid)) > len(block) // LINES_PER_OTHER:
            none = np.ones(len(block), bool)
            none[block.lines_containing(EXPR_MARK)] = False
        start, end = np.minimum(at + len(REQUEST), block.end), line_ends(block)
        fields = PackedFields(block.data, start, np.where(valid, end, start))
        chains = find_and_chains(fields)
        plain = valid & chains.valid
        return QuerySpans(start, end, fields, chains.start, chains.end, valid, plain, none)
