"""Generations: known by content, moved by reading, rolled back to what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.sources.fingerprints import (
    HEAD,
    TAIL,
    Fingerprint,
    fingerprint_at,
    keyed_hash,
    same_head,
    same_tail,
)
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_reader import read_lines
from donkeywatch.sources.line_blocks import READ_BYTES
from donkeywatch.sources.log_file import ContentChangedError, PlainFile
from support.simulated_server import FixedKeys

KEYS = FixedKeys()
LINES = [b"%05d zqorv\n" % n for n in range(2000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of 24 kB."""
    made = tmp_path / "search.log"
    made.write_bytes(b"".join(LINES))
    return made


def opened(path: Path, mark: Fingerprint | None = None) -> Generation:
    """A generation with its file."""
    generation = Generation(1, "main", mark or Fingerprint())
    generation.file = PlainFile(path)
    return generation


def close(generation: Generation) -> None:
    """Give the descriptor back."""
    assert generation.file is not None
    generation.file.close()


@pytest.mark.parametrize("block", [50, 999, 1 << 20])
def test_the_mark_of_reading_is_the_mark_of_the_content(path: Path, block: int) -> None:
    """At every offset, however it was reached, head and tail are those of the file."""
    generation = opened(path)
    data = b""
    while (result := read_lines(generation, KEYS, 20, block, final=False)) is not None:
        data += result.data
        assert generation.file is not None
        assert generation.fingerprint == fingerprint_at(generation.file, len(data), KEYS)
    assert data == b"".join(LINES)
    close(generation)


@pytest.mark.parametrize("at", [1, 100, HEAD - 1, HEAD, HEAD + 1, 20_000])
def test_a_file_is_known_by_its_head_and_its_tail(path: Path, at: int) -> None:
    """The marked file has both; one byte of difference in either is another file."""
    file = PlainFile(path)
    mark = fingerprint_at(file, at, KEYS)
    content = path.read_bytes()
    assert same_head(content[:HEAD], mark, KEYS)
    assert same_tail(file, mark, KEYS)
    file.close()
    for place in (0, min(at, HEAD) - 1):
        other = bytearray(content[:HEAD])
        other[place] ^= 1
        assert not same_head(bytes(other), mark, KEYS)
    other = bytearray(content)
    other[max(0, at - TAIL)] ^= 1
    path.write_bytes(other)
    file = PlainFile(path)
    assert not same_tail(file, mark, KEYS)
    file.close()
    assert not same_head(content[: min(at, HEAD) - 1], mark, KEYS)


def test_nothing_counted_is_like_nothing(path: Path) -> None:
    """A mark at byte 0 says nothing about any file."""
    assert not same_head(path.read_bytes()[:HEAD], Fingerprint(), KEYS)


def test_fingerprints_need_the_key() -> None:
    """A stolen database confirms nothing about a log without the lasting key."""
    assert keyed_hash(b"zqorv", b"k" * 32) != keyed_hash(b"zqorv", b"l" * 32)
    assert len(keyed_hash(b"zqorv", b"k" * 32)) == 16


@pytest.mark.parametrize("change", ["shorter", "head", "tail", "same size"])
def test_changed_content_is_never_read_on(path: Path, change: str) -> None:
    """Truncated, rewritten at the front, at the offset, and to exactly the same size."""
    generation = opened(path)
    assert read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False) is not None
    mark = generation.fingerprint
    content = path.read_bytes()
    path.write_bytes(
        {
            "shorter": content[:-1],
            "head": b"x" + content[1:] + b"more\n",
            "tail": content[:-2] + b"x\nmore\n",
            "same size": content[::-1],
        }[change]
    )
    with pytest.raises(ContentChangedError):
        read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    assert generation.fingerprint == mark
    close(generation)


def test_rolling_back_goes_to_what_was_stored(path: Path) -> None:
    """Read, stored, read on, and rolled back: the same bytes come again."""
    path.write_bytes(b"".join(LINES[:1000]))
    generation = opened(path)
    read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    assert generation.changed()
    stored = generation.position()
    generation.committed(generation.position())
    assert not generation.changed()
    with path.open("ab") as log:
        log.write(b"".join(LINES[1000:]))
    first = read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    assert generation.changed()
    generation.roll_back()
    assert generation.fingerprint.offset == stored.offset
    second = read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    assert first == second
    close(generation)


def test_a_row_of_the_database_restores_a_generation(path: Path) -> None:
    """There and back, nothing is to be stored again."""
    generation = opened(path)
    read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    restored = Generation.restored(generation.position())
    assert restored.position() == generation.position()
    assert not restored.changed()
    assert restored.fingerprint == generation.fingerprint
    close(generation)


def test_rolling_back_an_unstored_generation_goes_to_where_it_began(path: Path) -> None:
    """With start = "end" that is not byte 0."""
    file = PlainFile(path)
    generation = opened(path, fingerprint_at(file, 1200, KEYS))
    file.close()
    read_lines(generation, KEYS, 1 << 16, READ_BYTES, final=False)
    generation.roll_back()
    assert generation.fingerprint.offset == 1200
    close(generation)
