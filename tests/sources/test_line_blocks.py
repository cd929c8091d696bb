"""Cutting whole lines off a buffer: nothing lost, nothing held, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.sources.line_blocks import LineBlock, split_lines

LIMIT = 20
BYTES = st.lists(st.sampled_from([b"a", b"zqorv", b"\n", b"\r\n", b"\0", b"\xff", b"b" * 30]))


def read(content: bytes, sizes: list[int], *, limit: int = LIMIT) -> tuple[list[bytes], int]:
    """Read content through buffers of the given sizes over and over, then to its end."""
    lines: list[bytes] = []
    offset, too_long, skipping, grown = 0, 0, False, 0
    steps = iter(sizes)
    while True:
        grown = min(len(content), grown + next(steps, len(content)))
        final = grown == len(content)
        block = split_lines(content[offset:grown], limit, skipping=skipping, final=final)
        result = bytes(block.data).split(b"\n")
        if not result[-1]:
            result.pop()
        lines += result
        offset, skipping = offset + block.consumed, block.inside_long_line
        too_long += block.too_long
        assert block.consumed <= grown
        assert not (block.inside_long_line and final)
        if final:
            assert offset == len(content)
            return lines, too_long
        # A buffer that is not consumed is a partial line, never more than the limit and a hole.
        assert grown - offset <= limit or content[offset : offset + 1] == b"\0"


@given(BYTES.map(b"".join), st.lists(st.integers(1, 50), max_size=40))
def test_every_line_is_whole_or_too_long(content: bytes, sizes: list[int]) -> None:
    """However the file grows, each line is delivered as it is, or counted as too long."""
    content = content.replace(b"\0", b"")
    lines, too_long = read(content, sizes)
    message = content.split(b"\n")
    if not message[-1]:
        message.pop()
    short = [line for line in message if len(line) <= LIMIT]
    # Over-long lines that came whole are left to the line reader, which counts them.
    assert [line for line in lines if len(line) <= LIMIT] == short
    assert len(lines) + too_long == len(message)


@given(BYTES.map(b"".join), st.lists(st.integers(1, 50), max_size=40))
def test_holes_change_no_line(content: bytes, sizes: list[int]) -> None:
    """NUL bytes before a line belong to no line; all bytes are consumed in the end."""
    lines, too_long = read(content, sizes)
    assert too_long <= content.count(b"\n") + 1
    for line in lines:
        assert b"\n" not in line


@pytest.mark.parametrize("hole", [1, LIMIT, LIMIT + 1, 100_000])
def test_a_hole_of_any_size_is_consumed_at_once(hole: int) -> None:
    """NULs alone, before a line, and before a partial line."""
    nul = bytes(hole)
    assert split_lines(nul, LIMIT, skipping=False, final=False) == LineBlock(b"", hole, 0, False)
    assert split_lines(nul + b"a\n", LIMIT, skipping=False, final=False).data == b"a\n"
    assert split_lines(nul + b"a", LIMIT, skipping=False, final=False) == LineBlock(
        b"", hole, 0, False
    )
    assert split_lines(b"a\n" + nul, LIMIT, skipping=False, final=False).data == b"a\n"


def test_an_over_long_line_is_counted_once_when_it_ends() -> None:
    """Dropped in pieces; the piece with its line feed counts it and goes on behind it."""
    first = split_lines(b"a\n" + b"b" * 21, LIMIT, skipping=False, final=False)
    assert first == LineBlock(b"a\n", 23, 0, True)
    assert split_lines(b"b" * 1000, LIMIT, skipping=True, final=False) == LineBlock(
        b"", 1000, 0, True
    )
    assert split_lines(b"b\nc\nd", LIMIT, skipping=True, final=False) == LineBlock(
        b"c\n", 4, 1, False
    )
    assert split_lines(b"b", LIMIT, skipping=True, final=True) == LineBlock(b"", 1, 1, False)


def test_nothing_is_nothing() -> None:
    """An empty buffer holds no line, final or not."""
    for final in (True, False):
        assert split_lines(b"", LIMIT, skipping=False, final=final) == LineBlock(b"", 0, 0, False)


@given(
    BYTES.map(b"".join),
    st.binary(max_size=9),
    st.booleans(),
    st.booleans(),
)
def test_what_stands_before_the_beginning_does_not_matter(
    content: bytes, before: bytes, skipping: bool, final: bool
) -> None:
    """The end of what was read before comes in the same buffer, to be compared."""
    result = split_lines(
        before + content, LIMIT, skipping=skipping, final=final, line_start=len(before)
    )
    assert result == split_lines(content, LIMIT, skipping=skipping, final=final)
