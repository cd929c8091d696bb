"""Fields that are packed hold what stood in the block, and know their lines."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.aligned_fields import ALIGNMENT, PackedFields
from donkeywatch.ingest.byte_columns import PADDING, unaligned_words, with_padding

SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 90)), min_size=1, max_size=20)


def packed(raw: bytes, spans: list[tuple[int, int]]) -> tuple[PackedFields, list[bytes]]:
    """Fields of a block, given where they begin and how long they are, and their bytes."""
    start = np.array([min(at, len(raw)) for at, _ in spans])
    end = np.minimum(start + [size for _, size in spans], len(raw))
    pairs = zip(start.tolist(), end.tolist(), strict=True)
    return PackedFields(with_padding(raw), start, end), [raw[low:high] for low, high in pairs]


@given(st.binary(min_size=1, max_size=400), SPANS)
def test_every_field_is_what_stood_in_the_block(raw: bytes, spans: list[tuple[int, int]]) -> None:
    """Whatever the block, and wherever in it; behind the last one there are zeros."""
    fields, expected = packed(raw, spans)
    pairs = zip(fields.start.tolist(), fields.end.tolist(), strict=True)
    assert [fields.data[low:high].tobytes() for low, high in pairs] == expected
    assert not (fields.start % ALIGNMENT).any()
    assert not fields.data[-PADDING:].any(), "what is behind the last field may be read"
    assert len(unaligned_words(fields.data)) > fields.end.max()


@given(st.binary(min_size=1, max_size=400), SPANS)
def test_bytes_are_found_in_the_lines_whose_fields_they_are_in(
    raw: bytes, spans: list[tuple[int, int]]
) -> None:
    """Each byte, one by one and all together; bytes beyond ASCII are never missed."""
    fields, expected = packed(raw, spans)
    for line, (low, text) in enumerate(zip(fields.start.tolist(), expected, strict=True)):
        at = np.arange(low, low + len(text))
        assert (fields.line_of_offset(at) == line).all()
        counts = fields.count_per_line(at)
        assert counts[line] == len(text) == counts.sum()
        assert fields.non_ascii_lines()[line] or text.isascii()


def test_a_field_of_ascii_among_such_is_not_wide() -> None:
    """Unless what stands next to it in the block is not ASCII."""
    raw = "fnarbl \N{LATIN SMALL LETTER E WITH ACUTE} fnarbl".ljust(200).encode()
    fields, _ = packed(raw, [(0, 40), (100, 5), (1, 3)])
    assert fields.non_ascii_lines().tolist() == [True, False, True], (
        "the third one's next bytes are looked at"
    )


@given(st.integers(1, 40), st.integers(0, 30))
def test_so_many_bytes_are_blank(size: int, at: int) -> None:
    """And none beside them, however they lie to the words they are in."""
    fields, _ = packed(b"x" * 100, [(0, 80), (3, 80)])
    before = fields.data.copy()
    fields.overwrite_with_spaces(fields.start[1:] + at, size)
    low = int(fields.start[1]) + at
    assert fields.data[low : low + size].tobytes() == b" " * size
    before[low : low + size] = ord(" ")
    assert (fields.data == before).all()
