"""Objects that are all written alike, by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.byte_columns import GATHER_BYTES, PADDING, Block, Mask, Offsets, matches_at
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line_format import RawQuery
from donkeywatch.ingest.layouts.layout import (
    PROBE_LINES,
    QuerySpans,
    line_ends,
    lines_containing,
    query_spans,
)
from donkeywatch.ingest.timestamp_columns import TimestampLayout
from donkeywatch.settings.schema import Syntax

QUOTE = 34
MAX_PART_BYTES = PADDING - GATHER_BYTES
"""Bytes of a part of a line that can be compared, since so many may be read behind the last one."""
_NEEDS_ESCAPE = np.arange(256) < 0x20
_NEEDS_ESCAPE[list(b'"\\\xf4')] = True
"""What a text in JSON is not without being escaped, and what begins the private characters that
stand for other bytes there."""


@dataclass(frozen=True, slots=True)
class JsonlLayout:
    """One object a line, its three texts in their usual order and all else as in the first line.

    ``parts`` is what stands before, between and behind them, their quotes included. As long as
    nothing in a text is escaped, lines that differ in texts alone differ in nothing else.
    """

    syntax: Syntax
    shape: TimestampLayout
    parts: tuple[bytes, bytes, bytes, bytes]
    address_terminator: int = QUOTE

    @property
    def stamp_offset(self) -> int:
        """Bytes of a line before its stamp."""
        return len(self.parts[0])

    @classmethod
    def fit(cls, form: Jsonl, syntax: Syntax, block: Block) -> JsonlLayout | None:
        """Told from the first line that is a search and of which the parts can be told."""
        for i in range(min(len(block), PROBE_LINES)):
            line = block.line(i).removesuffix(b"\r")
            fields = form.read(line)
            if (
                isinstance(fields, RawQuery)
                and (parts := _constant_parts(form, line, fields)) is not None
            ):
                shape = TimestampLayout.of(fields.stamp)
                return None if shape is None else cls(syntax, shape, parts)
        return None

    def addresses(self, block: Block) -> tuple[Offsets, Mask]:
        """Behind the stamp, which stands where it does in every line."""
        first, second, _, _ = self.parts
        valid = matches_at(block.data, block.start, first)
        at = np.minimum(block.start + len(first) + self.shape.length, block.end)
        valid &= matches_at(block.data, at, second)
        return np.minimum(at + len(second), block.end), valid

    def queries(self, block: Block, address_end: Offsets, valid: Mask) -> QuerySpans:
        """Between what follows the address and what ends the line."""
        _, _, third, last = self.parts
        at = np.minimum(address_end, block.end)
        start, end = np.minimum(at + len(third), block.end), line_ends(block) - len(last)
        valid = valid & matches_at(block.data, at, third) & (start <= end)
        valid &= matches_at(block.data, np.where(valid, end, start), last)
        # With the quote before it, so that a byte that is no letter stands there.
        fields = PackedFields(block.data, start - 1, np.where(valid, end, start - 1))
        valid[lines_containing(fields, _NEEDS_ESCAPE)] = False
        return query_spans(start, end, fields, valid, self.syntax)


def _constant_parts(
    form: Jsonl, line: bytes, search: RawQuery
) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Give the parts of a JSON line around its three texts; None where they cannot be told.

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
    candidates = first, second, third, line[at:]
    if max(map(len, candidates)) > MAX_PART_BYTES:
        return None
    # Letters that stand nowhere in the line.
    new = next(text for n in range(1, len(line) + 2) if (text := b"v" * n) not in line)
    probe = RawQuery(new + b"1", new + b"2", new + b"3")
    probe_line = first + probe.stamp + second + probe.address + third + probe.query + candidates[3]
    return candidates if form.read(probe_line) == probe else None
