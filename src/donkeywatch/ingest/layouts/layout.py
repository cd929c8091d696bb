"""Where the fields of the lines of a block stand, once it is known how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.byte_columns import MASKS, Block, Mask, Offsets, indices_of, pack_word
from donkeywatch.ingest.timestamp_columns import TimestampLayout
from donkeywatch.settings.schema import Syntax

CARRIAGE_RETURN = 13
PROBE_LINES = 8
"""Lines of a block that are looked at to tell how all are written."""
_BOOLEAN_MARKS, _CAPITAL = np.zeros((2, 256), bool)
_BOOLEAN_MARKS[list(b'"()-')], _CAPITAL[list(b"ANO")] = True, True
"""What quotes, groups or excludes, and what operators begin with."""


@dataclass(frozen=True, slots=True)
class QuerySpans:
    """The queries of the lines of a block, as spans.

    ``start`` and ``end`` are where the query stands in the block, ``text`` and ``text_end`` where
    its words stand in the packed ``fields``. ``valid`` are the lines of which the columns know all
    but the words, and ``decidable`` those whose words they can tell; ``not_a_search`` are surely
    no search.
    """

    start: Offsets
    end: Offsets
    fields: PackedFields
    text: Offsets
    text_end: Offsets
    parsed: Mask
    decidable: Mask
    not_a_search: Mask | None = None


class BlockLayout(Protocol):
    """One format, fit to a block: how its lines are written is told from the first ones."""

    @property
    def shape(self) -> TimestampLayout:
        """The layout of its timestamps."""
        ...

    @property
    def stamp_offset(self) -> int:
        """Bytes of a line before its stamp."""
        ...

    @property
    def address_terminator(self) -> int:
        """The byte behind the address."""
        ...

    @property
    def syntax(self) -> Syntax:
        """The syntax of its queries; only `decidable` ones are sure to be one text."""
        ...

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Where the address of each line would begin, and which lines are as expected so far."""
        ...

    def queries(self, block: Block, address_end: Offsets, valid: Mask) -> QuerySpans:
        """Where the query is, given where the address ends."""
        ...


def detect_timestamp_layout(block: Block, mark: bytes) -> TimestampLayout | None:
    """The shape of the first stamp that stands before ``mark``."""
    for i in range(min(len(block), PROBE_LINES)):
        stamp, tab, rest = block.line(i)[:128].partition(b"\t")
        if tab and rest.startswith(mark) and (shape := TimestampLayout.of(stamp)) is not None:
            return shape
    return None


def line_ends(block: Block) -> Offsets:
    """Ends of the lines without a carriage return."""
    returns = (block.data[np.maximum(block.end - 1, 0)] == CARRIAGE_RETURN) & (
        block.end > block.start
    )
    ends: Offsets = block.end - returns
    return ends


def query_spans(
    start: Offsets, end: Offsets, fields: PackedFields, valid: Mask, syntax: Syntax
) -> QuerySpans:
    """Give the spans of fields that have one byte before their text."""
    plain = valid
    if syntax == "boolean":
        plain = valid.copy()
        plain[lines_containing(fields, _BOOLEAN_MARKS)] = False
        at = indices_of(_CAPITAL.take(fields.data, mode="clip"))
        three = fields.words[at] & MASKS[3]
        operator = (three == pack_word(b"AND")) | (three == pack_word(b"NOT"))
        operator |= three & MASKS[2] == pack_word(b"OR")
        plain[fields.line_of_offset(at[operator])] = False
    return QuerySpans(start, end, fields, fields.start + 1, fields.end, valid, plain)


def lines_containing(fields: PackedFields, table: Mask) -> Offsets:
    """Lines with a byte of the table in their text, which begins behind the first of the field."""
    at = indices_of(table.take(fields.data, mode="clip"))
    line = fields.line_of_offset(at)
    found_lines: Offsets = line[(at > fields.start[line]) & (at < fields.end[line])]
    return found_lines
