"""Lines of the server in pieces: joined, never in part, whatever the file is read in."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from donkeywatch.sources.container_split_lines import cut_records
from donkeywatch.sources.line_blocks import split_lines
from donkeywatch.sources.wrappers import Cri, Docker, Piece, Wrapper, unwrap

LIMIT = 300
WRAPPERS: dict[str, Wrapper] = {"docker": Docker(), "cri": Cri()}
Part = tuple[str, str, bool]
"""Stream, text and whether the line of the server ends with it."""
Line = tuple[int, int, Piece | None]
"""Where a line begins and the next one, and what it holds."""
PARTS = st.tuples(
    st.sampled_from(["stdout", "stdout", "stderr"]),
    st.sampled_from(["", "a", "zqorv", "x" * 90, "y" * 250, "z" * 310]),
    st.booleans(),
)


def written(name: str, part: Part) -> bytes:
    """A line of the file."""
    stream, text, ends = part
    if name == "cri":
        return f"T {stream} {'F' if ends else 'P'} {text}\n".encode()
    record = {"log": text + "\n" * ends, "stream": stream, "time": "T"}
    return json.dumps(record).encode() + b"\n"


def read(content: bytes, steps: list[int], wrapper: Wrapper) -> tuple[list[bytes], int]:
    """Lines of the server, and how many were too long, of a file that grows step by step.

    Each time it is opened anew: nothing is known but a position, and whether it skips.
    """
    result: list[bytes] = []
    offset = grown = too_long = 0
    skipping, room = False, 2 * LIMIT
    growth = iter(steps)
    while True:
        grown = min(len(content), grown + next(growth, len(content)))
        while True:
            before = min(offset, 50)
            buffer = content[:grown][offset - before : offset + room]
            final = grown == len(content) and len(buffer) - before < room
            block = cut_records(
                buffer, LIMIT, wrapper, skipping=skipping, final=final, begin=before
            )
            if not (block.consumed or block.too_long):
                break
            result += joined(bytes(block.data), wrapper)
            too_long += block.too_long
            offset, skipping = offset + block.consumed, block.inside_long_line
        if grown == len(content):
            assert offset == len(content)
            assert not skipping
            return result, too_long


def joined(data: bytes, wrapper: Wrapper) -> list[bytes]:
    """The lines of the server in a block, each where it ends, too long ones by themselves."""
    opened: dict[bytes, bytes] = {}
    items = []
    for line in data.splitlines():
        piece = unwrap(wrapper, line) if len(line) <= LIMIT else None
        if piece is None:
            items.append(b"?")
            continue
        text = opened.pop(piece.stream, b"") + piece.text
        if piece.ends:
            items.append(text)
        else:
            opened[piece.stream] = text
    return items + list(opened.values())


@dataclass
class Spec:
    """What is promised, told from all lines at once."""

    content: bytes
    wrapper: Wrapper

    def read(self) -> tuple[list[bytes], int]:
        """Lines of the server, and how many are too long."""
        lines: list[Line] = []
        at = 0
        for line in self.content.splitlines(keepends=True):
            known = len(line) - 1 <= LIMIT
            lines.append((at, at + len(line), unwrap(self.wrapper, line[:-1]) if known else None))
            at += len(line)
        result: list[bytes] = []
        too_long = i = 0
        while i < len(lines):
            kept, i, over = self._stretch(lines, i)
            result += joined(b"".join(self.content[a:b] for a, b, _ in kept), self.wrapper)
            too_long += over
        return result, too_long

    @staticmethod
    def _stretch(lines: list[Line], i: int) -> tuple[list[Line], int, int]:
        """Lines up to the first one of a line of the server that is too long, and behind it."""
        opened: dict[bytes, tuple[int, int]] = {}
        between = i
        for k in range(i, len(lines)):
            _, end, piece = lines[k]
            between = between if opened else k
            if piece is not None and piece.stream in opened:
                opened[piece.stream] = opened[piece.stream][0], k
            if opened:
                stream, (_, last) = min(opened.items(), key=lambda item: item[1][0])
                if end - lines[between][0] > LIMIT:
                    return lines[i:between], Spec._behind(lines, stream, last), 1
            if piece is not None and piece.ends:
                opened.pop(piece.stream, None)
            elif piece is not None:
                opened.setdefault(piece.stream, (k, k))
        return lines[i:], len(lines), 0

    @staticmethod
    def _behind(lines: list[Line], stream: bytes, last: int) -> int:
        """Where reading goes on behind a line of the server that is too long."""
        for k in range(last, len(lines)):
            _, end, piece = lines[k]
            if piece is not None and piece.stream == stream:
                if piece.ends:
                    return k + 1
                last = k
            elif end - lines[last][0] > LIMIT:
                return k
        return len(lines)


@pytest.mark.parametrize("name", list(WRAPPERS))
@given(st.lists(PARTS, max_size=25), st.lists(st.integers(1, 400), max_size=40))
@example(
    [*[("stdout", "", False)] * 4, ("stderr", "", False), ("stdout", "", True),
     ("stdout", "", False)], [272],
)  # fmt: skip
def test_pieces_are_joined_whatever_is_read_at_once(
    name: str, parts: list[Part], steps: list[int]
) -> None:
    """Nothing lost, nothing doubled, and a position in bytes is all that has to be kept."""
    wrapper, content = WRAPPERS[name], b"".join(written(name, part) for part in parts)
    items, too_long = read(content, steps, wrapper)
    expected, over = Spec(content, wrapper).read()
    # A line of the file that is too long may be dropped by the cut, or be left to the reader.
    assert sorted(line for line in items if line != b"?") == sorted(
        line for line in expected if line != b"?"
    )
    assert items.count(b"?") + too_long == expected.count(b"?") + over


@given(st.binary(max_size=900), st.lists(st.integers(1, 200), max_size=20))
def test_any_bytes_are_read_to_their_end(content: bytes, steps: list[int]) -> None:
    """And what has no wrapper is cut as lines are."""
    content = content.replace(b"\0", b"")
    for wrapper in WRAPPERS.values():
        read(content, steps, wrapper)
    plain = cut_records(content, LIMIT, None, skipping=False, final=True)
    assert plain == split_lines(content, LIMIT, skipping=False, final=True)


def test_a_long_line_forges_none_behind_its_front() -> None:
    """All its pieces are dropped, over a restart too, and the next line is read."""
    parts: list[Part] = [("stdout", f"piece {n}", False) for n in range(60)]
    parts += [("stdout", "forged", True), ("stdout", "next", True)]
    content = b"".join(written("cri", part) for part in parts)
    for step in (7, 100, 10_000):
        assert read(content, [step] * (len(content) // step), WRAPPERS["cri"]) == ([b"next"], 1)
